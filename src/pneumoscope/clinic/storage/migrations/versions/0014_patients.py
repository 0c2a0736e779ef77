"""Issuers of patient IDs, conflicts, corrections and withdrawals; sites' time zones.

Times without a zone were read in that of this host, so it becomes that of all sites, and the dates
of earlier studies are those of this zone.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from alembic import op

from pneumoscope.clinic.storage.time_zone import host_time_zone

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_BATCH = 1000


def upgrade() -> None:
    op.add_column(
        "site",
        sa.Column("time_zone", sa.String(length=64), nullable=False, server_default="UTC"),
    )
    op.add_column(
        "task",
        sa.Column("age_corrected", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    for column in (
        sa.Column("held_study_uid", sa.String(length=64), nullable=True),
        sa.Column("patient_id_issuer", sa.String(length=64), nullable=True),
        sa.Column("stated_age", sa.Double(), nullable=True),
        sa.Column("conflict", sa.String(length=255), nullable=True),
        sa.Column("study_date", sa.Date(), nullable=True),
        sa.Column("utc_offset", sa.Integer(), nullable=True),
        sa.Column("withdrawn", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False, server_default=sa.text("1")),
    ):
        op.add_column("study", column)
    op.create_index("ix_study_held_study_uid", "study", ["held_study_uid"], unique=False)
    op.add_column("image", sa.Column("withdrawn", sa.DateTime(timezone=True), nullable=True))
    op.add_column("image", sa.Column("withdrawal", sa.String(length=16), nullable=True))
    op.create_index("ix_image_sop_uid", "image", ["sop_uid"], unique=False)
    op.create_table(
        "correction",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("study_id", sa.String(length=32), nullable=False),
        sa.Column("source_id", sa.String(length=32), nullable=False),
        sa.Column("user_name", sa.String(length=100), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_correction_study_id")),
        sa.ForeignKeyConstraint(["source_id"], ["study.id"], name=op.f("fk_correction_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_correction")),
    )
    op.create_index("ix_correction_study_id", "correction", ["study_id"], unique=False)
    _fill_dates(host_time_zone())


def _fill_dates(zone: str) -> None:
    connection = op.get_bind()
    site = sa.table("site", sa.column("time_zone", sa.String()))
    connection.execute(sa.update(site).values(time_zone=zone))
    study = sa.table(
        "study",
        sa.column("id", sa.String()),
        sa.column("acquired", sa.DateTime(timezone=True)),
        sa.column("study_date", sa.Date()),
        sa.column("utc_offset", sa.Integer()),
    )
    rows = connection.execute(
        sa.select(study.c.id, study.c.acquired).where(study.c.acquired.is_not(None))
    ).all()
    values = [_local(row.id, row.acquired, ZoneInfo(zone)) for row in rows]
    update = (
        sa.update(study)
        .where(study.c.id == sa.bindparam("study_id"))
        .values(study_date=sa.bindparam("day"), utc_offset=sa.bindparam("minutes"))
    )
    for start in range(0, len(values), _BATCH):
        connection.execute(update, values[start : start + _BATCH])


def _local(study_id: str, acquired: datetime, zone: ZoneInfo) -> dict[str, object]:
    # SQLite keeps no zone; its times are in UTC.
    time = (acquired if acquired.tzinfo else acquired.replace(tzinfo=UTC)).astimezone(zone)
    offset = time.utcoffset()
    minutes = 0 if offset is None else round(offset.total_seconds() / 60)
    return {"study_id": study_id, "day": time.date(), "minutes": minutes}


def downgrade() -> None:
    op.drop_table("correction")
    op.drop_index("ix_image_sop_uid", table_name="image")
    op.drop_index("ix_study_held_study_uid", table_name="study")
    columns = {
        "image": ["withdrawal", "withdrawn"],
        "study": [
            "version",
            "withdrawn",
            "utc_offset",
            "study_date",
            "conflict",
            "stated_age",
            "patient_id_issuer",
            "held_study_uid",
        ],
        "task": ["age_corrected"],
        "site": ["time_zone"],
    }
    for table, names in columns.items():
        for name in names:  # in place: SQLite cannot replace a table that others refer to
            op.drop_column(table, name)
