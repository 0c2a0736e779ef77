"""Intake of uploaded files: media type, metadata, storage and queueing."""

import io
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import BinaryIO

from pydicom import Dataset
from pydicom.valuerep import DA, DT, TM
from sqlalchemy import select
from sqlalchemy.orm import Session

from pneumoscope.clinic.queue.stated_age import StatedAge
from pneumoscope.clinic.queue.tasks import enqueue
from pneumoscope.clinic.storage.file_store import FileStore
from pneumoscope.clinic.storage.study_status import StudyStatus
from pneumoscope.clinic.storage.table_base import new_id
from pneumoscope.clinic.storage.tables import Image, Job, Site, Study
from pneumoscope.radiograph.acquisition import STUDY_DATES, read_study_date
from pneumoscope.radiograph.dicom import require_image_class
from pneumoscope.radiograph.dicom_file import is_dicom, open_dicom
from pneumoscope.support.errors import UnreadableRadiographError


class MediaType(StrEnum):
    """Media types of accepted files."""

    DICOM = "application/dicom"
    JPEG = "image/jpeg"
    PNG = "image/png"
    TIFF = "image/tiff"


_MAGIC_NUMBERS = {
    b"\xff\xd8\xff": MediaType.JPEG,
    b"\x89PNG\r\n\x1a\n": MediaType.PNG,
    b"II*\x00": MediaType.TIFF,
    b"MM\x00*": MediaType.TIFF,
}


class _Keyword(StrEnum):
    """DICOM attributes that are read from the header, and stored except for the character set."""

    CHARACTER_SET = "SpecificCharacterSet"
    ACCESSION_NUMBER = "AccessionNumber"
    ACQUISITION_DATE = "AcquisitionDate"
    ACQUISITION_DATE_TIME = "AcquisitionDateTime"
    ACQUISITION_TIME = "AcquisitionTime"
    BIRTH_DATE = "PatientBirthDate"
    PATIENT_ID = "PatientID"
    PATIENT_NAME = "PatientName"
    SEX = "PatientSex"
    SOP_CLASS_UID = "SOPClassUID"
    SOP_UID = "SOPInstanceUID"
    STUDY_UID = "StudyInstanceUID"


@dataclass(frozen=True, slots=True)
class ImageMetadata:
    """Patient and study of an image, as far as they are known."""

    study_uid: str | None = None
    sop_uid: str | None = None
    accession: str | None = None
    patient_id: str | None = field(default=None, repr=False)
    patient_name: str | None = field(default=None, repr=False)
    birth_date: date | None = field(default=None, repr=False)
    sex: str | None = None
    acquired: datetime | None = None
    age: float | None = field(default=None, repr=False)
    """Age in years that the sender stated."""


def detect_media_type(start: bytes) -> MediaType:
    r"""Detect the media type of a file from its first 132 bytes.

    UnreadableRadiographError is raised if the media type is not accepted.

    Examples
    --------
    >>> str(detect_media_type(bytes(128) + b"DICM")), str(detect_media_type(b"\xff\xd8\xff\xe0"))
    ('application/dicom', 'image/jpeg')
    """
    if is_dicom(start):
        return MediaType.DICOM
    for magic_number, media_type in _MAGIC_NUMBERS.items():
        if start.startswith(magic_number):
            return media_type
    raise UnreadableRadiographError("not a radiograph; send a DICOM, JPEG, PNG or TIFF file")


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """Uploaded file in the file store, not yet registered in the database."""

    name: str
    sha256: str
    media_type: MediaType
    size: int
    metadata: ImageMetadata
    age: StatedAge
    """Age that the sender stated."""
    content: BinaryIO = field(repr=False)
    """Content, to store it again if it is purged before it is registered."""


def store_upload(
    store: FileStore, name: str, content: BinaryIO, metadata: ImageMetadata
) -> StoredUpload:
    """Inspect an uploaded file and store it; before any transaction, since disks are slow.

    Only the last part of its name is used, which may be a path. In DICOM files, the header counts
    instead of the sender's metadata, except for a birth date that it lacks. The content must be
    seekable and positioned at its start.

    Raises
    ------
    UnreadableRadiographError
        If the file cannot be a radiograph, such as a DICOM directory or report; then nothing is
        stored.
    StorageError
        If the file cannot be written.
    """
    media_type = detect_media_type(content.read(132))
    size = content.seek(0, io.SEEK_END)
    content.seek(0)
    age = StatedAge.at(date.today(), metadata.age, metadata.birth_date, None)
    if media_type is MediaType.DICOM:
        header = open_dicom(content.read(), "the file", (*_Keyword, *STUDY_DATES))
        require_image_class(header, "the file")
        age = _stated_age(header, metadata)
        metadata = _read_metadata(header, metadata)
        content.seek(0)
    sha256 = store.put(content)
    return StoredUpload(_base_name(name), sha256, media_type, size, metadata, age, content)


def register_image(
    session: Session, upload: StoredUpload, site: Site, job: Job, now: datetime
) -> Image:
    """Add an image to its study, which is created if necessary, and queue it to be read.

    The transaction must hold the file; see `keep_until_commit`. Once it is committed, the image
    will be read, whatever happens. Call `pneumoscope.clinic.worklist.changes.note_new_study` at
    its end, once for all images.
    """
    # Linked by relationships, so that one flush writes many images and none is queried again.
    image = Image(
        id=new_id(),
        study=_get_or_create_study(session, upload.metadata, site, now),
        reading=None,
        job_id=job.id,
        sha256=upload.sha256,
        name=upload.name,
        media_type=upload.media_type,
        size=upload.size,
        sop_uid=upload.metadata.sop_uid,
        received=now,
    )
    session.add(image)
    enqueue(session, image, now, upload.age)
    return image


def _get_or_create_study(
    session: Session, metadata: ImageMetadata, site: Site, now: datetime
) -> Study:
    """Return the study of an image; an image without a study UID gets a study of its own."""
    study = None
    if metadata.study_uid is not None:
        study = session.scalar(
            select(Study)
            .where(Study.site_id == site.id, Study.study_uid == metadata.study_uid)
            .with_for_update()
        )
    if study is not None:
        study.status = StudyStatus.AWAITING_REVIEW
        return study
    return Study(
        site=site,
        study_uid=metadata.study_uid,
        accession=metadata.accession,
        patient_id=metadata.patient_id,
        patient_name=metadata.patient_name,
        birth_date=metadata.birth_date,
        sex=metadata.sex,
        acquired=metadata.acquired,
        received=now,
    )


def _stated_age(header: Dataset, stated: ImageMetadata) -> StatedAge:
    """Return the stated age on the day that a file names, or today."""
    acquired = _acquisition_time(header)
    day = read_study_date(header) or (acquired or datetime.now()).date()
    return StatedAge.at(day, stated.age, stated.birth_date, _date(header, _Keyword.BIRTH_DATE))


def _read_metadata(header: Dataset, stated: ImageMetadata) -> ImageMetadata:
    return ImageMetadata(
        study_uid=_text(header, _Keyword.STUDY_UID, 64),
        sop_uid=_text(header, _Keyword.SOP_UID, 64),
        accession=_text(header, _Keyword.ACCESSION_NUMBER, 64),
        patient_id=_text(header, _Keyword.PATIENT_ID, 64),
        patient_name=_text(header, _Keyword.PATIENT_NAME, 255),
        birth_date=_date(header, _Keyword.BIRTH_DATE) or stated.birth_date,
        sex=_text(header, _Keyword.SEX, 16),
        acquired=_acquisition_time(header),
        age=stated.age,
    )


def _text(header: Dataset, keyword: _Keyword, max_length: int) -> str | None:
    # PostgreSQL cannot store NUL, with which some scanners pad their texts.
    return str(header.get(keyword) or "").replace("\x00", "").strip()[:max_length] or None


def _date(header: Dataset, keyword: _Keyword) -> date | None:
    try:
        value = DA(str(header.get(keyword) or ""))
    except ValueError:  # a malformed date is no reason to reject the radiograph
        return None
    return None if value is None else date(value.year, value.month, value.day)


def _acquisition_time(header: Dataset) -> datetime | None:
    """Return the time of acquisition; without a time zone in the file, in that of this host."""
    try:
        date_time = DT(str(header.get(_Keyword.ACQUISITION_DATE_TIME) or ""))
        if date_time is not None:
            return date_time.astimezone()
        time = TM(str(header.get(_Keyword.ACQUISITION_TIME) or ""))
    except ValueError:
        return None
    day = _date(header, _Keyword.ACQUISITION_DATE)
    return None if day is None or time is None else datetime.combine(day, time).astimezone()


def _base_name(name: str) -> str:
    r"""Return the last part of a path, without unprintable characters.

    Examples
    --------
    >>> _base_name(r"C:\images\a.dcm"), _base_name("../../etc/passwd"), _base_name("\x00")
    ('a.dcm', 'passwd', 'unnamed')
    """
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(character for character in last if character.isprintable())[:255] or "unnamed"
