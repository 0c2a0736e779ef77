"""Ages stay with the images that they were stated with, and with studies that were corrected.

An age that a sender stated was lost once its image had been read or withdrawn. A file that is sent
again, and an image that is restored, are read by the corrected age from now on.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_SUPERSEDED = ("sent again", "age corrected")


def upgrade() -> None:
    no = sa.false()
    op.add_column(
        "study", sa.Column("age_corrected", sa.Boolean(), nullable=False, server_default=no)
    )
    for name in ("outdated", "age_contradicted"):
        op.add_column("image", sa.Column(name, sa.Boolean(), nullable=False, server_default=no))
    op.add_column("image", sa.Column("stated_age", sa.Double(), nullable=True))
    op.execute(
        "UPDATE image SET stated_age = (SELECT task.stated_age FROM task WHERE task.image_id = "
        "image.id AND NOT task.age_corrected), age_contradicted = EXISTS (SELECT 1 FROM task "
        "WHERE task.image_id = image.id AND task.age_contradicted)"
    )
    _note_corrections()
    with op.batch_alter_table("task", schema=None) as batch_op:
        for name in ("stated_age", "age_contradicted", "age_corrected"):
            batch_op.drop_column(name)


def _note_corrections() -> None:
    """Note which ages were corrected, and which withdrawn images were read by an age of before."""
    connection = op.get_bind()
    correction = sa.table(
        "correction",
        *(sa.column(name, sa.String()) for name in ("study_id", "source_id")),
        sa.column("created", sa.DateTime(timezone=True)),
        *(sa.column(name, sa.JSON()) for name in ("before", "after")),
    )
    rows = connection.execute(sa.select(correction)).all()
    for row in [row for row in rows if _decides_age(row.before, row.after)]:
        yes = sa.bindparam("yes", True, sa.Boolean())
        connection.execute(
            sa.text("UPDATE study SET age_corrected = :yes WHERE id = :study").bindparams(
                yes, sa.bindparam("study", row.study_id)
            )
        )
        _mark_outdated(connection, {row.study_id, row.source_id}, row.created)


def _decides_age(before: dict[str, Any] | None, after: dict[str, Any] | None) -> bool:
    names = ("id", "birth_date")
    return [(before or {}).get(name) for name in names] != [(after or {}).get(n) for n in names]


def _mark_outdated(connection: sa.Connection, studies: set[str], created: datetime) -> None:
    image = sa.table(
        "image",
        *(sa.column(name, sa.String()) for name in ("study_id", "withdrawal")),
        sa.column("withdrawn", sa.DateTime(timezone=True)),
        sa.column("outdated", sa.Boolean()),
    )
    connection.execute(
        sa.update(image)
        .where(
            image.c.study_id.in_(studies),
            image.c.withdrawn <= created,
            image.c.withdrawal.not_in(_SUPERSEDED),
        )
        .values(outdated=True)
    )


def downgrade() -> None:
    no = sa.false()
    with op.batch_alter_table("task", schema=None) as batch_op:
        batch_op.add_column(sa.Column("stated_age", sa.Double(), nullable=True))
        for name in ("age_contradicted", "age_corrected"):
            batch_op.add_column(sa.Column(name, sa.Boolean(), nullable=False, server_default=no))
    op.execute(
        "UPDATE task SET stated_age = (SELECT image.stated_age FROM image WHERE image.id = "
        "task.image_id), age_contradicted = EXISTS (SELECT 1 FROM image WHERE image.id = "
        "task.image_id AND image.age_contradicted), age_corrected = EXISTS (SELECT 1 FROM image "
        "JOIN study ON study.id = image.study_id WHERE image.id = task.image_id AND "
        "study.age_corrected)"
    )
    # Not in a batch: SQLite would drop the table, to which others refer.
    for name in ("outdated", "stated_age", "age_contradicted"):
        op.drop_column("image", name)
    op.drop_column("study", "age_corrected")
