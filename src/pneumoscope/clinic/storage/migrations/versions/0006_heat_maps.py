"""Heat maps are in the row of their reading: a few hundred bytes are not worth a file.

No version was released that kept them as files: those of earlier readings are not taken over, and
their files go with the next purge.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "INSERT INTO unwanted_file (sha256) SELECT DISTINCT heatmap_sha256 FROM reading "
        "WHERE heatmap_sha256 IS NOT NULL "
        "AND heatmap_sha256 NOT IN (SELECT sha256 FROM unwanted_file)"
    )
    op.drop_column("reading", "heatmap_sha256")
    op.add_column("reading", sa.Column("heatmap", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("reading", "heatmap")
    op.add_column("reading", sa.Column("heatmap_sha256", sa.String(length=64), nullable=True))
