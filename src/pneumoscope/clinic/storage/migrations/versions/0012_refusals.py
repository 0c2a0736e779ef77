"""Images that are outside of a bundle's population, reasons of refusals, and stated ages.

Readings that were rejected or failed get the code of their first reason. Sites ask for unknown
ages: nobody has chosen yet which network may read such radiographs.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_BATCH = 1000


def upgrade() -> None:
    op.add_column(
        "site",
        sa.Column("unknown_age", sa.String(length=16), nullable=False, server_default="ask"),
    )
    op.add_column("task", sa.Column("stated_age", sa.Double(), nullable=True))
    op.add_column(
        "task",
        sa.Column("age_contradicted", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column("reading", sa.Column("probability_outside", sa.Double(), nullable=True))
    op.add_column("reading", sa.Column("assumed_population", sa.String(length=32), nullable=True))
    op.add_column("reading", sa.Column("refusal", sa.String(length=64), nullable=True))
    op.add_column("alert", sa.Column("bundle", sa.String(length=200), nullable=True))
    _fill_refusals()


def _fill_refusals() -> None:
    reading = sa.table(
        "reading",
        sa.column("id", sa.String()),
        sa.column("status", sa.String()),
        sa.column("refusal", sa.String()),
        sa.column("quality", sa.JSON()),
    )
    connection = op.get_bind()
    unread = sa.select(reading.c.id, reading.c.status, reading.c.quality).where(
        reading.c.status.in_(["rejected", "failed"])
    )
    codes = [
        {"reading_id": row.id, "code": _first_code(row.quality) or row.status}
        for row in connection.execute(unread)
    ]
    update = (
        sa.update(reading)
        .where(reading.c.id == sa.bindparam("reading_id"))
        .values(refusal=sa.bindparam("code"))
    )
    for start in range(0, len(codes), _BATCH):
        connection.execute(update, codes[start : start + _BATCH])


def _first_code(quality: list[dict[str, str]]) -> str | None:
    return next((issue["code"] for issue in quality if issue["severity"] == "reject"), None)


def downgrade() -> None:
    columns = {
        "alert": ["bundle"],
        "reading": ["refusal", "assumed_population", "probability_outside"],
        "task": ["age_contradicted", "stated_age"],
        "site": ["unknown_age"],
    }
    for table, names in columns.items():
        with op.batch_alter_table(table, schema=None) as batch_op:
            for name in names:
                batch_op.drop_column(name)
