"""Single sign-on, and what changed of worklists."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sign_on_try",
        sa.Column("state_sha256", sa.String(length=64), nullable=False),
        sa.Column("browser_sha256", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("verifier", sa.String(length=64), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("state_sha256", name=op.f("pk_sign_on_try")),
    )
    with op.batch_alter_table("sign_on_try", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sign_on_try_created"), ["created"], unique=False)

    op.create_table(
        "identity",
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_identity_user_id")),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_identity")),
        sa.UniqueConstraint("user_id", name=op.f("uq_identity_user_id")),
    )
    for name in ("arrivals", "outcomes"):
        with op.batch_alter_table("site", schema=None) as batch_op:
            batch_op.add_column(sa.Column(name, sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    for name in ("arrivals", "outcomes"):
        with op.batch_alter_table("site", schema=None) as batch_op:
            batch_op.drop_column(name)
    op.drop_table("identity")
    with op.batch_alter_table("sign_on_try", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sign_on_try_created"))

    op.drop_table("sign_on_try")
