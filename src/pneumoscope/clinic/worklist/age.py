"""Age of a patient at an examination, in words."""

from datetime import date, datetime

_MAX_DAYS = 28
_MAX_MONTHS = 24


def age_at_examination(birth_date: date | None, acquired: datetime | None) -> str | None:
    """Return the age at an examination as people say it; None if it is unknown or impossible.

    Newborns have an age in days, children under two years in months.

    Examples
    --------
    >>> birth = date(2024, 2, 29)
    >>> [age_at_examination(birth, datetime(*day)) for day in
    ...  ((2024, 3, 10), (2025, 2, 28), (2026, 2, 28), (2028, 2, 29), (2024, 2, 28))]
    ['10 days', '11 months', '23 months', '4 years', None]
    """
    if birth_date is None or acquired is None or acquired.date() < birth_date:
        return None
    day = acquired.date()
    days = (day - birth_date).days
    if days <= _MAX_DAYS:
        return _count(days, "day")
    months = 12 * (day.year - birth_date.year) + day.month - birth_date.month
    months -= day.day < birth_date.day
    if months < _MAX_MONTHS:
        return _count(months, "month")
    return _count(months // 12, "year")


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
