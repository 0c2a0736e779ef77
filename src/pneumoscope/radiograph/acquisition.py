"""Patient and acquisition as a DICOM object describes them: age, view and orientation."""

import re
from datetime import date, datetime

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

_AGE = re.compile(r"(\d{1,3})\s*(?:([DWMY])[A-Z]*)?")
_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
_MAX_AGE = 120
"""Age in years above which it, or a date, is a placeholder, such as 999Y or a birth in 1800."""

STUDY_DATES = (
    "StudyDate",
    "AcquisitionDate",
    "AcquisitionDateTime",
    "SeriesDate",
    "ContentDate",
)
"""Keywords of the dates that an age is computed for, in this order."""

_FRONTAL_CODES = {
    "399348003": "AP",
    "R-10206": "AP",
    "272479007": "PA",
    "R-10214": "PA",
    "399033003": None,  # frontal, from either side
    "R-10202": None,
}
"""View codes of frontal projections (PS3.16, CID 4010; SNOMED CT, and its earlier codes)."""


_POSTURES = {"SUPINE", "ERECT", "UPRIGHT", "STANDING", "SITTING", "PORTABLE", "BEDSIDE", "MOBILE"}
"""Words that some devices add to the View Position, and that do not change the projection."""


def read_age(dataset: Dataset) -> float | None:
    """Return the age in years of a DICOM object's patient; None where it is not stated.

    That is Patient's Age, or else the time from the birth date to the study. Numbers without a
    unit, which the standard does not allow, are years.

    Examples
    --------
    >>> dataset = Dataset()
    >>> dataset.PatientAge = "018M"
    >>> read_age(dataset)
    1.5
    >>> dataset.PatientAge, dataset.PatientBirthDate, dataset.StudyDate = "", "20200229", "20251129"
    >>> round(read_age(dataset), 2)
    5.75
    """
    stated = _stated_age(dataset)
    return _age_by_dates(dataset) if stated is None else stated[0]


def contradicts_birth_date(dataset: Dataset) -> bool:
    """Return whether Patient's Age and the birth date differ by more than two units of the age.

    Examples
    --------
    >>> dataset = Dataset()
    >>> dataset.PatientBirthDate, dataset.StudyDate = "19800101", "20250601"
    >>> dataset.PatientAge = "003Y"
    >>> contradicts_birth_date(dataset)
    True
    """
    stated, by_dates = _stated_age(dataset), _age_by_dates(dataset)
    if stated is None or by_dates is None:
        return False
    age, unit = stated
    return abs(age - by_dates) > 2 * unit


def _stated_age(dataset: Dataset) -> tuple[float, float] | None:
    """Return Patient's Age and its unit in years; None where it is not stated."""
    stated = _AGE.fullmatch(str(dataset.get("PatientAge") or "").strip().upper())
    if stated is None:
        return None
    unit = _YEARS[stated[2] or "Y"]
    age = int(stated[1]) * unit
    return (age, unit) if age <= _MAX_AGE else None


def _age_by_dates(dataset: Dataset) -> float | None:
    birth, study = _date(dataset, "PatientBirthDate"), read_study_date(dataset)
    return None if birth is None or study is None else age_between(birth, study)


def read_study_date(dataset: Dataset) -> date | None:
    """Return the first date among `STUDY_DATES` that a DICOM object states; None if none."""
    return next(filter(None, (_date(dataset, keyword) for keyword in STUDY_DATES)), None)


def age_between(birth: date, study: date) -> float | None:
    """Return the age in years at a study; None if the dates cannot be those of a patient.

    Examples
    --------
    >>> age_between(date(2020, 1, 1), date(2026, 1, 1))
    6.0
    """
    if study < birth or study.year == date.max.year:
        return None
    last_birthday = _birthday(birth, study.year)
    if last_birthday > study:
        last_birthday = _birthday(birth, study.year - 1)
    next_birthday = _birthday(birth, last_birthday.year + 1)
    part = (study - last_birthday) / (next_birthday - last_birthday)
    age = last_birthday.year - birth.year + part
    return age if age <= _MAX_AGE else None


def read_view(dataset: Dataset) -> str | None:
    """Return View Position, or else the projection of View Code Sequence; None where unknown.

    A posture after the View Position is left out.

    References
    ----------
    DICOM PS3.3, C.8.7.1 (View Position) and C.8.11.5 (View Code Sequence).
    """
    if view := read_code(dataset, "ViewPosition"):
        projection, *rest = view.split()
        return projection if set(rest) <= _POSTURES else view
    items = dataset.get("ViewCodeSequence")
    if not items:
        return None
    code = str(items[0].get("CodeValue") or "").strip()
    if code in _FRONTAL_CODES:
        return _FRONTAL_CODES[code]
    return read_code(items[0], "CodeMeaning") or code or None


def read_orientation(dataset: Dataset) -> tuple[str, str] | None:
    """Return the two directions of Patient Orientation; None where it does not have two."""
    directions = dataset.get("PatientOrientation")
    if not isinstance(directions, MultiValue) or len(directions) != 2 or not all(directions):
        return None
    rows, columns = (str(direction).strip().upper() for direction in directions)
    return rows, columns


def read_code(dataset: Dataset, keyword: str) -> str | None:
    """Return an element's value in capitals; None where it is absent or empty."""
    return str(dataset.get(keyword) or "").strip().upper() or None


def _birthday(birth: date, year: int) -> date:
    is_leap_day = (birth.month, birth.day) == (2, 29)
    return date(year, 3, 1) if is_leap_day else birth.replace(year=year)


def _date(dataset: Dataset, keyword: str) -> date | None:
    digits = str(dataset.get(keyword) or "").strip()
    digits = digits[:8] if keyword.endswith("DateTime") else digits.replace(".", "")
    try:
        day = datetime.strptime(digits, "%Y%m%d").date()
    except ValueError:
        return None
    return None if day == date.min else day  # a placeholder
