"""Status words of radiology, studies that need a look, opinions before readings, and leases.

Studies that software has read, or is to read, await review. Those with an image that could not be
read need a look until somebody has reviewed them.
"""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_BATCH = 1000


def upgrade() -> None:
    op.add_column(
        "site", sa.Column("opinion_first", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column(
        "study", sa.Column("needs_look", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("study", sa.Column("search_text", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("judgement", schema=None) as batch_op:
        batch_op.add_column(sa.Column("opinion", sa.String(length=16), nullable=True))
        batch_op.alter_column("answer", existing_type=sa.String(length=16), nullable=True)
    op.create_table(
        "study_lease",
        sa.Column("study_id", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_study_lease_study_id")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_study_lease_user_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "user_id", name=op.f("pk_study_lease")),
    )
    op.create_index(op.f("ix_study_lease_until"), "study_lease", ["until"], unique=False)
    op.execute("UPDATE study SET status = 'awaiting review' WHERE status IN ('new', 'read')")
    op.execute(
        sa.text(
            "UPDATE study SET needs_look = :yes WHERE status = 'awaiting review' AND id IN ("
            "SELECT image.study_id FROM image JOIN reading ON reading.image_id = image.id "
            "WHERE reading.status IN ('outside', 'rejected', 'failed'))"
        ).bindparams(sa.bindparam("yes", True, sa.Boolean()))
    )
    _fill_search_texts()


def _fill_search_texts() -> None:
    names = ("id", "patient_id", "patient_name", "accession", "search_text")
    study = sa.table("study", *(sa.column(name, sa.String()) for name in names))
    connection = op.get_bind()
    rows = connection.execute(
        sa.select(study.c.id, study.c.patient_id, study.c.patient_name, study.c.accession)
    )
    texts = [{"study_id": study_id, "text": _fold_text(*values)} for study_id, *values in rows]
    update = (
        sa.update(study)
        .where(study.c.id == sa.bindparam("study_id"))
        .values(search_text=sa.bindparam("text"))
    )
    for start in range(0, len(texts), _BATCH):
        connection.execute(update, texts[start : start + _BATCH])


def _fold_text(*texts: str | None) -> str:
    """Return what a search finds, as this migration's version of the code stored it."""
    text = unicodedata.normalize("NFKC", " ".join(filter(None, texts)))
    folded = unicodedata.normalize("NFKC", text.casefold())
    return " ".join(folded.translate(str.maketrans("^,=", "   ")).split())


def downgrade() -> None:
    op.execute("UPDATE study SET status = 'read' WHERE status = 'awaiting review'")
    op.execute(
        "UPDATE study SET status = 'new' WHERE status = 'read' AND id IN ("
        "SELECT image.study_id FROM image JOIN task ON task.image_id = image.id)"
    )
    op.execute("DELETE FROM judgement WHERE answer IS NULL")
    op.drop_table("study_lease")
    with op.batch_alter_table("judgement", schema=None) as batch_op:
        batch_op.alter_column("answer", existing_type=sa.String(length=16), nullable=False)
        batch_op.drop_column("opinion")
    for table, names in {"study": ["search_text", "needs_look"], "site": ["opinion_first"]}.items():
        for name in names:
            op.drop_column(table, name)
