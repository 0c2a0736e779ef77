"""Patient, study and times of an image, as its DICOM header or its sender states them."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from enum import StrEnum

from pydicom import Dataset
from pydicom.valuerep import DA, DT, TM

from pneumoscope.clinic.queue.patient_identity import PatientIdentity
from pneumoscope.radiograph.acquisition import STUDY_DATES, read_age, read_study_date


class Keyword(StrEnum):
    """DICOM attributes that are read from the header besides the dates and times."""

    ACCESSION_NUMBER = "AccessionNumber"
    AGE = "PatientAge"
    BIRTH_DATE = "PatientBirthDate"
    CHARACTER_SET = "SpecificCharacterSet"
    ISSUER = "IssuerOfPatientID"
    PATIENT_ID = "PatientID"
    PATIENT_NAME = "PatientName"
    SEX = "PatientSex"
    SOP_CLASS_UID = "SOPClassUID"
    SOP_UID = "SOPInstanceUID"
    STUDY_UID = "StudyInstanceUID"
    UTC_OFFSET = "TimezoneOffsetFromUTC"


_DATE_TIME = "AcquisitionDateTime"

_TIMES = {
    "AcquisitionDate": "AcquisitionTime",
    "StudyDate": "StudyTime",
    "SeriesDate": "SeriesTime",
    "ContentDate": "ContentTime",
}
"""Dates with the times of the same moment, in the order in which they count."""

HEADER_KEYWORDS = (*Keyword, *STUDY_DATES, *_TIMES.values())
"""Keywords of all attributes that `read_metadata` reads."""

_MIN_DATE_TIME_LENGTH = len("2026112413")
"""Length of a date and time; shorter ones name no hour."""


@dataclass(frozen=True, slots=True)
class ImageMetadata:
    """Patient and study of an image, as far as they are known."""

    study_uid: str | None = None
    sop_uid: str | None = None
    accession: str | None = None
    patient_id: str | None = field(default=None, repr=False)
    patient_id_issuer: str | None = field(default=None, repr=False)
    patient_name: str | None = field(default=None, repr=False)
    birth_date: date | None = field(default=None, repr=False)
    sex: str | None = None
    study_date: date | None = None
    acquired: datetime | None = None
    """Time of acquisition, in the time zone in which the file states it."""
    age: float | None = field(default=None, repr=False)
    """Age in years at the study, as the sender or the file states it."""

    @property
    def patient(self) -> PatientIdentity:
        """Identity of the patient."""
        return PatientIdentity(
            self.patient_id,
            self.patient_id_issuer,
            self.patient_name,
            self.birth_date,
            self.sex,
        )


def read_metadata(header: Dataset, stated: ImageMetadata, zone: tzinfo) -> ImageMetadata:
    """Return what a header says; only age and birth date are the sender's where it has none.

    Times are in the given zone unless the header says otherwise.
    """
    acquired = _acquisition_time(header, zone)
    return ImageMetadata(
        study_uid=_text(header, Keyword.STUDY_UID, 64),
        sop_uid=_text(header, Keyword.SOP_UID, 64),
        accession=_text(header, Keyword.ACCESSION_NUMBER, 64),
        patient_id=_text(header, Keyword.PATIENT_ID, 64),
        patient_id_issuer=_text(header, Keyword.ISSUER, 64),
        patient_name=_text(header, Keyword.PATIENT_NAME, 255),
        birth_date=read_date(header, Keyword.BIRTH_DATE) or stated.birth_date,
        sex=_text(header, Keyword.SEX, 16),
        study_date=read_study_date(header) or (acquired and acquired.date()),
        acquired=acquired,
        age=stated.age if (age := read_age(header)) is None else age,
    )


def read_date(header: Dataset, keyword: str) -> date | None:
    """Return a date of a header; a malformed one is no reason to reject the radiograph."""
    try:
        value = DA(str(header.get(keyword) or ""))
    except ValueError:
        return None
    return None if value is None else date(value.year, value.month, value.day)


def _text(header: Dataset, keyword: Keyword, max_length: int) -> str | None:
    # PostgreSQL cannot store NUL, with which some scanners pad their texts.
    return str(header.get(keyword) or "").replace("\x00", "").strip()[:max_length] or None


def _acquisition_time(header: Dataset, zone: tzinfo) -> datetime | None:
    """Return the first time that the header states completely, with its date and its zone."""
    zone = _header_zone(header) or zone
    text = str(header.get(_DATE_TIME) or "")
    if len(text) >= _MIN_DATE_TIME_LENGTH:
        try:
            value = DT(text)
        except ValueError:
            value = None
        if value is not None and (time := _in_zone(datetime.combine(value, value.timetz()), zone)):
            return time
    for date_keyword, time_keyword in _TIMES.items():
        day, clock = read_date(header, date_keyword), _time(header, time_keyword)
        if day is not None and clock is not None:
            return _in_zone(datetime.combine(day, clock), zone)
    return None


def _time(header: Dataset, keyword: str) -> TM | None:
    try:
        return TM(str(header.get(keyword) or ""))
    except ValueError:
        return None


def _in_zone(time: datetime, zone: tzinfo) -> datetime | None:
    """Return a time with its zone; None if it is a placeholder, too early or late for any zone."""
    time = time if time.tzinfo else time.replace(tzinfo=zone)
    try:
        time.astimezone(UTC)
    except OverflowError:
        return None
    return time


def _header_zone(header: Dataset) -> tzinfo | None:
    """Return the zone that Timezone Offset From UTC (0008,0201) names, such as +0100."""
    text = str(header.get(Keyword.UTC_OFFSET) or "").strip()
    sign, digits = text[:1], text[1:]
    if sign not in ("+", "-") or len(digits) != 4 or not (digits.isascii() and digits.isdigit()):
        return None
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    if offset >= timedelta(days=1):
        return None
    return timezone(-offset if sign == "-" else offset)
