"""Day, time and age at which a patient was examined, by the site's clock and calendar."""

from datetime import date, datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from pneumoscope.clinic.storage.study_day import local_acquisition_time, study_day
from pneumoscope.clinic.storage.tables import Site, Study
from pneumoscope.radiograph.acquisition import age_between

_MONTHS_BELOW_YEARS = 2
"""Age in years below which it is given in months, as paediatricians do."""


def acquisition_time(study: Study) -> datetime | None:
    """Return the time of acquisition as the clock showed it from which it was read."""
    return local_acquisition_time(study.acquired, study.utc_offset)


def examination_day(study: Study) -> date:
    """Return the date of a study; the day on which it came where its files have none."""
    return study_day(
        study.study_date, study.acquired, study.utc_offset, study.received, study.site.time_zone
    )


def lock_undated_studies(session: Session, site_id: str) -> None:
    """Lock the studies of a site whose files have no date, before anything of the site is changed.

    All transactions lock studies before sites, and studies in this order, to avoid deadlocks.
    """
    session.execute(
        select(Study.id)
        .where(*_undated(site_id))
        .order_by(func.coalesce(Study.study_uid, ""), Study.id)
        .with_for_update()
    )


def date_undated_studies(session: Session, site: Site) -> None:
    """Date the studies of a site whose files have no date, after its time zone has changed."""
    undated = select(Study).where(*_undated(site.id))
    for study in session.scalars(undated.execution_options(yield_per=1000)):
        study.examined = examination_day(study)


def _undated(site_id: str) -> tuple[ColumnElement[bool], ...]:
    return Study.site_id == site_id, Study.study_date.is_(None), Study.acquired.is_(None)


def is_earlier(study: Study, than: Study) -> bool:
    """Return whether a study was made earlier than another.

    Where the time of either is unknown, only an earlier day is certain.
    """
    times = [_known_time(study), _known_time(than)]
    if times[0] is not None and times[1] is not None:
        return times[0] < times[1]
    return examination_day(study) < examination_day(than)


def _known_time(study: Study) -> datetime | None:
    """Return when a study was made; None if its files state a date alone."""
    return study.acquired or (study.received if study.study_date is None else None)


def age_at_examination(study: Study) -> str | None:
    """Return the age of a study's patient in words: by the birth date, or else as stated."""
    if study.birth_date is not None:
        return format_age(study.birth_date, examination_day(study))
    if study.stated_age is None:
        return None
    years = study.stated_age
    if years >= _MONTHS_BELOW_YEARS:
        return _pluralise(int(years), "year")
    months = int(years * 12 + 1e-6)
    return _pluralise(months, "month") if months else _pluralise(round(years * 365.25), "day")


def format_age(birth: date, day: date) -> str | None:
    """Return an age in completed years; in months below two years, in days below one month.

    None is returned if the dates cannot be those of a patient.

    Examples
    --------
    >>> day = date(2026, 2, 28)
    >>> [format_age(birth, day) for birth in (date(2020, 2, 29), date(2025, 11, 30), day)]
    ['5 years', '2 months', '0 days']
    """
    if age_between(birth, day) is None:
        return None
    months = 12 * (day.year - birth.year) + day.month - birth.month - (day.day < birth.day)
    if months >= 12 * _MONTHS_BELOW_YEARS:
        return _pluralise(months // 12, "year")
    return _pluralise(months, "month") if months else _pluralise((day - birth).days, "day")


def _pluralise(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
