"""An index in the order in which images are taken: what waits is not sorted for each few of them."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("task", schema=None) as batch_op:
        batch_op.drop_index("ix_task_waiting")
        batch_op.create_index("ix_task_waiting", ["attempts", "queued", "image_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("task", schema=None) as batch_op:
        batch_op.drop_index("ix_task_waiting")
        batch_op.create_index("ix_task_waiting", ["available", "queued"], unique=False)
