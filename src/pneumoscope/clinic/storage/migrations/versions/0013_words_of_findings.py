"""Findings in the words in which they are shown, their confidence, and prevalences of sites.

Findings of earlier readings keep their meaning: what was uncertain stays so, with low confidence.
Their likelihood ratios were not kept.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_BATCH = 1000
_WORDS = {"pneumonia": "pneumonia suspected", "normal": "no sign of pneumonia"}

_READING = sa.table(
    "reading",
    sa.column("id", sa.String()),
    sa.column("finding", sa.String()),
    sa.column("findings", sa.JSON()),
    sa.column("low_confidence", sa.JSON()),
)


def upgrade() -> None:
    op.add_column("site", sa.Column("prevalence_low", sa.Double(), nullable=True))
    op.add_column("site", sa.Column("prevalence_high", sa.Double(), nullable=True))
    with op.batch_alter_table("reading", schema=None) as batch_op:
        batch_op.alter_column("finding", existing_type=sa.String(16), type_=sa.String(32))
        batch_op.add_column(
            sa.Column("low_confidence", sa.JSON(), nullable=False, server_default="[]")
        )
        batch_op.add_column(sa.Column("likelihood_ratio", sa.JSON(), nullable=True))
    _rename(_WORDS)


def _rename(words: dict[str, str]) -> None:
    """Rename the findings of all readings, a batch at a time."""
    connection = op.get_bind()
    update = (
        sa.update(_READING)
        .where(_READING.c.id == sa.bindparam("reading_id"))
        .values({name: sa.bindparam(f"new_{name}") for name in ("finding", "findings")})
        .values(low_confidence=sa.bindparam("new_low_confidence"))
    )
    last = ""
    while rows := connection.execute(
        sa.select(_READING)
        .where(_READING.c.id > last, _READING.c.finding.is_not(None))
        .order_by(_READING.c.id)
        .limit(_BATCH)
    ).all():
        last = rows[-1].id
        connection.execute(update, [_renamed(row, words) for row in rows])


def _renamed(row: sa.Row[tuple[object, ...]], words: dict[str, str]) -> dict[str, object]:
    return {
        "reading_id": row.id,
        "new_finding": words.get(row.finding, row.finding),
        "new_findings": {name: words.get(found, found) for name, found in row.findings.items()},
        "new_low_confidence": [
            name
            for name, found in row.findings.items()
            if found == "uncertain" or name in row.low_confidence
        ],
    }


def downgrade() -> None:
    _rename({new: old for old, new in _WORDS.items()})
    with op.batch_alter_table("reading", schema=None) as batch_op:
        batch_op.drop_column("likelihood_ratio")
        batch_op.drop_column("low_confidence")
        batch_op.alter_column("finding", existing_type=sa.String(32), type_=sa.String(16))
    with op.batch_alter_table("site", schema=None) as batch_op:
        batch_op.drop_column("prevalence_high")
        batch_op.drop_column("prevalence_low")
