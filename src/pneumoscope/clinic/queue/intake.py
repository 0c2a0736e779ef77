"""Intake of uploaded files: media type, metadata, storage and queueing."""

import io
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import BinaryIO

from sqlalchemy.orm import Session

from pneumoscope.clinic.queue.filing import add_details, file_under_study
from pneumoscope.clinic.queue.header import (
    HEADER_KEYWORDS,
    ImageMetadata,
    Keyword,
    read_date,
    read_metadata,
)
from pneumoscope.clinic.queue.patient_age import age_of_study
from pneumoscope.clinic.queue.patient_identity import PatientIdentity, differences
from pneumoscope.clinic.queue.stated_age import StatedAge, require_possible_birth_date
from pneumoscope.clinic.queue.tasks import enqueue
from pneumoscope.clinic.storage.file_store import FileStore
from pneumoscope.clinic.storage.study_status import StudyStatus
from pneumoscope.clinic.storage.table_base import new_id
from pneumoscope.clinic.storage.tables import Image, Job, Site, Study
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

    @property
    def sop_uid(self) -> str | None:
        """SOP Instance UID of a DICOM file."""
        return self.metadata.sop_uid


def store_upload(
    store: FileStore, name: str, content: BinaryIO, metadata: ImageMetadata, zone: tzinfo
) -> StoredUpload:
    """Inspect an uploaded file and store it; before any transaction, since disks are slow.

    Only the last part of its name is used, which may be a path. In DICOM files, the header counts
    instead of the sender's metadata, except for age and birth date where it lacks them. Its times
    are in the zone of the site unless it says otherwise. The content must be seekable and
    positioned at its start.

    Raises
    ------
    UnreadableRadiographError
        If the file cannot be a radiograph, such as a DICOM directory or report, or the stated birth
        date is after its study; then nothing is stored.
    StorageError
        If the file cannot be written.
    """
    media_type = detect_media_type(content.read(132))
    size = content.seek(0, io.SEEK_END)
    content.seek(0)
    day, birth_date_in_file = datetime.now(zone).date(), None
    stated = metadata
    if media_type is MediaType.DICOM:
        header = open_dicom(content.read(), "the file", HEADER_KEYWORDS)
        require_image_class(header, "the file")
        metadata = read_metadata(header, stated, zone)
        birth_date_in_file = read_date(header, Keyword.BIRTH_DATE)
        day = metadata.study_date or day
        content.seek(0)
    try:
        require_possible_birth_date(stated.birth_date, day)
    except ValueError as error:
        raise UnreadableRadiographError(f"{error}; check whose radiograph it is") from error
    age = StatedAge.at(day, stated.age, stated.birth_date, birth_date_in_file)
    sha256 = store.put(content)
    return StoredUpload(_base_name(name), sha256, media_type, size, metadata, age, content)


def register_image(
    session: Session,
    upload: StoredUpload,
    site: Site,
    job: Job,
    now: datetime,
    study: Study | None = None,
) -> Image:
    """Add an image to its study, which is created if necessary, and queue it to be read.

    A given study is that of an earlier image of the same file, perhaps corrected since. The
    transaction must hold the file; see `keep_until_commit`. Once it is committed, the image will be
    read, whatever happens. Call `pneumoscope.clinic.worklist.changes.note_new_study` at its end,
    once for all images.
    """
    age = upload.age
    if study is None:
        study = file_under_study(session, upload.metadata, site, now)
    elif not differences(PatientIdentity.of(study), upload.metadata.patient):
        add_details(session, study, upload.metadata)
    else:
        age = StatedAge()  # it was stated of the patient whom the file names, not of this one
        study.version += 1
    if study.age_corrected and age_of_study(study) is None and not age.contradicted:
        study.stated_age = age.years
    study.status = StudyStatus.AWAITING_REVIEW
    return queue_image(session, study, upload, job.id, now, now, age)


def queue_image(
    session: Session,
    study: Study,
    file: StoredUpload | Image,
    job_id: str | None,
    received: datetime,
    now: datetime,
    age: StatedAge,
) -> Image:
    """Add an image of an uploaded file, or of an earlier image's file, and queue it to be read."""
    # Linked by relationships, so that one flush writes many images and none is queried again.
    image = Image(
        id=new_id(),
        study=study,
        reading=None,
        job_id=job_id,
        sha256=file.sha256,
        name=file.name,
        media_type=file.media_type,
        size=file.size,
        sop_uid=file.sop_uid,
        received=received,
        stated_age=age.years,
        age_contradicted=age.contradicted,
    )
    session.add(image)
    enqueue(session, image, now)
    return image


def _base_name(name: str) -> str:
    r"""Return the last part of a path, without unprintable characters.

    Examples
    --------
    >>> _base_name(r"C:\images\a.dcm"), _base_name("../../etc/passwd"), _base_name("\x00")
    ('a.dcm', 'passwd', 'unnamed')
    """
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(character for character in last if character.isprintable())[:255] or "unnamed"
