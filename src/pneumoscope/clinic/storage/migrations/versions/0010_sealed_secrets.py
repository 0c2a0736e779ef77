"""Room for the secrets of second factors as they are sealed."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("second_factor", schema=None) as batch_op:
        batch_op.alter_column(
            "secret", existing_type=sa.String(length=32), type_=sa.String(length=255)
        )


def downgrade() -> None:
    with op.batch_alter_table("second_factor", schema=None) as batch_op:
        batch_op.alter_column(
            "secret", existing_type=sa.String(length=255), type_=sa.String(length=32)
        )
