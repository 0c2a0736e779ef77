"""Privacy."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.Column("pixels_days", sa.Integer(), nullable=True),
        sa.Column("studies_days", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.create_table(
        "unwanted_file",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_unwanted_file")),
    )
    for table in ("study", "image"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(sa.Column("purged", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for table in ("image", "study"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column("purged")
    op.drop_table("unwanted_file")
    op.drop_table("installation")
