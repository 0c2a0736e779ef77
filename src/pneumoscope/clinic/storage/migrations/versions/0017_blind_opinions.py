"""Opinions given before the reading was shown, versions of judged studies, and study days.

Of earlier opinions, each author's first judgement of an image counts as given without the reading.
Studies without a date get the day of their arrival by the calendar of their site.
"""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_BATCH = 1000


def upgrade() -> None:
    op.add_column("site", sa.Column("withheld_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "judgement", sa.Column("blind", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("judgement", sa.Column("study_version", sa.Integer(), nullable=True))
    op.add_column(
        "study",
        sa.Column("examined", sa.Date(), nullable=False, server_default=sa.text("'1970-01-01'")),
    )
    op.create_index(op.f("ix_study_examined"), "study", ["examined"], unique=False)
    op.execute(
        sa.text(
            "UPDATE judgement SET blind = :yes WHERE opinion IS NOT NULL AND NOT EXISTS ("
            "SELECT 1 FROM judgement AS earlier WHERE earlier.image_id = judgement.image_id "
            "AND earlier.user_id = judgement.user_id AND earlier.version < judgement.version)"
        ).bindparams(sa.bindparam("yes", True, sa.Boolean()))
    )
    _fill_withheld_since()
    _fill_days()


def _fill_withheld_since() -> None:
    """Take the last change of whether readings are shown, which the audit trail has."""
    connection = op.get_bind()
    entry = sa.table(
        "audit_entry",
        *(sa.column(name, sa.String()) for name in ("action", "object", "detail")),
        sa.column("time", sa.DateTime(timezone=True)),
    )
    site = sa.table(
        "site",
        sa.column("id", sa.String()),
        sa.column("withheld_since", sa.DateTime(timezone=True)),
    )
    rows = connection.execute(
        sa.select(entry.c.object, entry.c.detail, entry.c.time)
        .where(entry.c.action == "display site")
        .order_by(entry.c.time)
    )
    for name, detail, time in rows.all():
        if {"displayed", "opinion first"} & set(json.loads(detail)):
            connection.execute(
                sa.update(site)
                .where(site.c.id == name.removeprefix("site "))
                .values(withheld_since=time)
            )


def _fill_days() -> None:
    connection = op.get_bind()
    study = sa.table(
        "study",
        sa.column("id", sa.String()),
        sa.column("site_id", sa.String()),
        sa.column("study_date", sa.Date()),
        sa.column("acquired", sa.DateTime(timezone=True)),
        sa.column("utc_offset", sa.Integer()),
        sa.column("received", sa.DateTime(timezone=True)),
        sa.column("examined", sa.Date()),
    )
    site = sa.table("site", sa.column("id", sa.String()), sa.column("time_zone", sa.String()))
    connection.execute(
        sa.update(study).where(study.c.study_date.is_not(None)).values(examined=study.c.study_date)
    )
    rows = connection.execute(
        sa.select(
            study.c.id, study.c.acquired, study.c.utc_offset, study.c.received, site.c.time_zone
        )
        .join(site, site.c.id == study.c.site_id)
        .where(study.c.study_date.is_(None))
    ).all()
    days = [{"study_id": study_id, "day": _day(*times)} for study_id, *times in rows]
    update = (
        sa.update(study)
        .where(study.c.id == sa.bindparam("study_id"))
        .values(examined=sa.bindparam("day"))
    )
    for start in range(0, len(days), _BATCH):
        connection.execute(update, days[start : start + _BATCH])


def _day(acquired: datetime | None, offset: int | None, received: datetime, zone: str) -> date:
    """Return the day of a study without a date, as this migration's version of the code did."""
    if acquired is None:
        return _in_utc(received).astimezone(ZoneInfo(zone)).date()
    return _in_utc(acquired).astimezone(timezone(timedelta(minutes=offset or 0))).date()


def _in_utc(time: datetime) -> datetime:
    # SQLite keeps no zone; its times are in UTC.
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def downgrade() -> None:
    op.drop_index(op.f("ix_study_examined"), table_name="study")
    columns = {
        "study": ["examined"],
        "judgement": ["study_version", "blind"],
        "site": ["withheld_since"],
    }
    for table, names in columns.items():
        for name in names:
            op.drop_column(table, name)
