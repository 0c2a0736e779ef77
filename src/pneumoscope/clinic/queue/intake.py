"""Bytes that come in: what they are, whose they are, kept and queued to be read."""

import io
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import BinaryIO

from pydicom import Dataset
from pydicom.valuerep import DA, DT, TM
from sqlalchemy import select
from sqlalchemy.orm import Session

from pneumoscope.clinic.queue.tasks import enqueue
from pneumoscope.clinic.storage.file_store import FileStore
from pneumoscope.clinic.storage.table_base import new_id
from pneumoscope.clinic.storage.tables import Image, Job, Site, Study, StudyStatus
from pneumoscope.radiograph.dicom import read_header
from pneumoscope.support.errors import UnreadableRadiographError

DICOM = "application/dicom"

_BEGINNINGS = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"II*\x00": "image/tiff",
    b"MM\x00*": "image/tiff",
}
MEDIA_TYPES = (DICOM, *dict.fromkeys(_BEGINNINGS.values()))
"""Of what is taken in."""

_TAGS = (
    "SpecificCharacterSet",
    "AccessionNumber",
    "AcquisitionDate",
    "AcquisitionDateTime",
    "AcquisitionTime",
    "PatientBirthDate",
    "PatientID",
    "PatientName",
    "PatientSex",
    "SOPInstanceUID",
    "StudyInstanceUID",
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose radiograph it is, and of which study, as far as it is known."""

    study_uid: str | None = None
    sop_uid: str | None = None
    accession: str | None = None
    patient_id: str | None = field(default=None, repr=False)
    patient_name: str | None = field(default=None, repr=False)
    birth_date: date | None = field(default=None, repr=False)
    sex: str | None = None
    acquired: datetime | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came in.

    Parameters
    ----------
    name
        As the sender calls it; of a path the last part counts.
    content
        Its bytes, from the start; can be read again.
    origin
        What the sender says of it; of a DICOM file its own header counts.
    """

    name: str
    content: BinaryIO
    origin: Origin = Origin()


def media_type(beginning: bytes) -> str:
    r"""Tell by the first 132 bytes what a file is.

    Raises
    ------
    UnreadableRadiographError
        If it is none of those that can be read.

    Examples
    --------
    >>> media_type(bytes(128) + b"DICM"), media_type(b"\xff\xd8\xff\xe0")
    ('application/dicom', 'image/jpeg')
    """
    if beginning[128:132] == b"DICM":
        return DICOM
    for start, name in _BEGINNINGS.items():
        if beginning.startswith(start):
            return name
    raise UnreadableRadiographError("not a radiograph: send a DICOM, JPEG, PNG or TIFF file")


@dataclass(frozen=True, slots=True)
class Kept:
    """A file whose bytes are on the disk, and what is known of it."""

    name: str
    sha256: str
    media_type: str
    size: int
    origin: Origin
    content: BinaryIO = field(repr=False)
    """Its bytes once more, should the file be purged before it is entered."""


def keep(store: FileStore, upload: Upload) -> Kept:
    """Look at a file and keep its bytes, before any transaction: a disk is slow.

    Raises
    ------
    UnreadableRadiographError
        If it is not a radiograph that can be read at all; nothing is kept.
    StorageError
        If the bytes cannot be written.
    """
    kind = media_type(upload.content.read(132))
    size = upload.content.seek(0, io.SEEK_END)
    upload.content.seek(0)
    origin = _origin_of_dicom(upload.content.read()) if kind == DICOM else upload.origin
    upload.content.seek(0)
    sha256 = store.put(upload.content)
    return Kept(_last_part(upload.name), sha256, kind, size, origin, upload.content)


def accept(session: Session, kept: Kept, site: Site, job: Job, now: datetime) -> Image:
    """Enter a radiograph that is held (see `keep_until_commit`) into its study and have it read.

    Parameters
    ----------
    session
        In a transaction; when it is kept, the image will be read, whatever happens. At its end
        belongs `pneumoscope.clinic.worklist.changes.note_new_study`, once for all images.
    kept
        The radiograph.
    site
        Where from.
    job
        That it was handed in with.
    now
        The moment.
    """
    origin = kept.origin
    # All that belongs together by relationships, so that one flush writes many images at once and
    # none is looked up again to be shown.
    image = Image(
        id=new_id(),
        study=_study_of(session, origin, site, now),
        reading=None,
        job_id=job.id,
        sha256=kept.sha256,
        name=kept.name,
        media_type=kept.media_type,
        size=kept.size,
        sop_uid=origin.sop_uid,
        received=now,
    )
    session.add(image)
    enqueue(session, image, now)
    return image


def _study_of(session: Session, origin: Origin, site: Site, now: datetime) -> Study:
    """Return the study that an image belongs to; without a UID, one of its own."""
    known = None
    if origin.study_uid is not None:
        known = session.scalar(
            select(Study)
            .where(Study.site_id == site.id, Study.study_uid == origin.study_uid)
            .with_for_update()
        )
    if known is not None:
        known.status = StudyStatus.NEW
        return known
    return Study(
        site=site,
        study_uid=origin.study_uid,
        accession=origin.accession,
        patient_id=origin.patient_id,
        patient_name=origin.patient_name,
        birth_date=origin.birth_date,
        sex=origin.sex,
        acquired=origin.acquired,
        received=now,
    )


def _origin_of_dicom(content: bytes) -> Origin:
    header = read_header(content, "the file", _TAGS)
    return Origin(
        study_uid=_text(header, "StudyInstanceUID", 64),
        sop_uid=_text(header, "SOPInstanceUID", 64),
        accession=_text(header, "AccessionNumber", 64),
        patient_id=_text(header, "PatientID", 64),
        patient_name=_text(header, "PatientName", 255),
        birth_date=_date(header, "PatientBirthDate"),
        sex=_text(header, "PatientSex", 16),
        acquired=_acquired(header),
    )


def _text(header: Dataset, tag: str, most: int) -> str | None:
    # PostgreSQL cannot keep NUL, with which some machines fill their texts up.
    return str(header.get(tag) or "").replace("\x00", "").strip()[:most] or None


def _date(header: Dataset, tag: str) -> date | None:
    try:
        found = DA(str(header.get(tag) or ""))
    except ValueError:  # no date; the radiograph can be read all the same
        return None
    return None if found is None else date(found.year, found.month, found.day)


def _acquired(header: Dataset) -> datetime | None:
    """Return when it was taken; without a time zone in the file, in that of this machine."""
    try:
        moment = DT(str(header.get("AcquisitionDateTime") or ""))
        if moment is not None:
            return moment.astimezone()
        day, time = _date(header, "AcquisitionDate"), TM(str(header.get("AcquisitionTime") or ""))
    except ValueError:
        return None
    return None if day is None or time is None else datetime.combine(day, time).astimezone()


def _last_part(name: str) -> str:
    r"""Return a file's name without the way to it and without what no screen can show.

    Examples
    --------
    >>> _last_part(r"C:\ward\a.dcm"), _last_part("../../etc/passwd"), _last_part("\x00")
    ('a.dcm', 'passwd', 'unnamed')
    """
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(letter for letter in last if letter.isprintable())[:255] or "unnamed"
