"""Day of an examination; apart from the tables, since it is stored and shown alike."""

from datetime import date, datetime, timedelta, timezone

from pneumoscope.clinic.storage.time_zone import parse_time_zone


def local_acquisition_time(acquired: datetime | None, utc_offset: int | None) -> datetime | None:
    """Return the time of acquisition as the clock showed it from which it was read."""
    if acquired is None or utc_offset is None:
        return acquired
    return acquired.astimezone(timezone(timedelta(minutes=utc_offset)))


def study_day(
    study_date: date | None,
    acquired: datetime | None,
    utc_offset: int | None,
    received: datetime,
    zone: str,
) -> date:
    """Return the date of a study; the day on which it came to its site where its files have none.

    Examples
    --------
    A radiograph without a date that came an hour before midnight in UTC:

    >>> from datetime import UTC
    >>> received = datetime(2026, 11, 24, 23, tzinfo=UTC)
    >>> print(study_day(None, None, None, received, "Europe/Berlin"))
    2026-11-25
    """
    if study_date is not None:
        return study_date
    time = local_acquisition_time(acquired, utc_offset)
    return (time or received.astimezone(parse_time_zone(zone))).date()
