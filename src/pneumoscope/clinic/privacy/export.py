"""Export of de-identified studies for training and validation elsewhere: files and tables."""

import csv
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, selectinload

from pneumoscope.clinic import audit
from pneumoscope.clinic.privacy.deidentify import NotDeidentifiableError, deidentify
from pneumoscope.clinic.privacy.pseudonyms import Pseudonyms
from pneumoscope.clinic.privacy.tables import installation
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.file_store import FileStore
from pneumoscope.clinic.storage.study_status import StudyStatus
from pneumoscope.clinic.storage.table_base import new_id
from pneumoscope.clinic.storage.tables import Image, Judgement, Study
from pneumoscope.clinic.worklist.judgements import agreed_labels
from pneumoscope.reader import Status
from pneumoscope.support.errors import ClinicError, StorageError

IMAGES_FILE = "images.csv"
LABELS_FILE = "labels.csv"

FileWriter = Callable[[str, bytes], object]
"""Function that writes a file, given its relative path with forward slashes and its content."""


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Selection of studies to export, and options of their de-identification."""

    status: StudyStatus | None = None
    """Status of the studies; None for all."""
    since: datetime | None = None
    until: datetime | None = None
    """Time of arrival: from ``since`` on, and before ``until``."""
    judged: bool = False
    """Whether to select only studies with a judged image."""
    shift_dates: bool = False
    """Whether to keep the dates in DICOM files, shifted by the same number of days in all files of
    a patient."""
    linked: bool = False
    """Whether to use pseudonyms that are the same in all exports with this option, instead of
    pseudonyms of this export only."""
    burned_in: bool = False
    """Whether to export images that may have text burned in."""


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """Numbers of exported studies and images, and of images that could not be exported."""

    studies: int
    images: int
    refused: int


@dataclass(frozen=True, slots=True)
class _SelectedImage:
    """Image to export, with its pseudonyms and its reading."""

    sha256: str
    media_type: str
    patient: str
    study: str
    image: str
    reading: Sequence[str]
    refusal: str | None
    """Reason why it cannot be exported."""


_READING_COLUMNS = (
    "status",
    "refusal",
    "finding",
    "probability",
    "operating_point",
    "view",
    "bundle",
)
"""Columns of a reading; its reasons in words are left out, since they may name an age."""


def export_studies(
    database: Database,
    store: FileStore,
    options: ExportOptions,
    actor_name: str,
    write: FileWriter,
    max_images: int | None = None,
) -> ExportSummary:
    """Export de-identified studies with their readings and judgements.

    ``images.csv`` has a row for each image, refused ones included, with the reason; ``labels.csv``
    has the labels that judgements agree on, as ``pneumoscope data`` and ``validate`` read them. The
    export is in the audit trail before its files are handed over.

    Raises
    ------
    ClinicError
        If more than ``max_images`` images are selected.
    """
    export_id = new_id()
    with database.writing() as session:
        secret = installation(session).secret
    pseudonyms = Pseudonyms(secret, None if options.linked else export_id)
    with database.reading() as session:
        studies = _select_studies(session, options)
        images = [image for study in studies for image in _images_of(study, pseudonyms)]
        labels = {label.sha256: str(label.label) for label in agreed_labels(session)}
    if max_images is not None and len(images) > max_images:
        raise ClinicError(
            f"{len(images):,} images are selected, and at most {max_images:,} can be exported at a "
            "time here; narrow the dates, or run 'pneumoscope export-studies' on the server"
        )
    results = [_export_image(image, store, pseudonyms, options, write) for image in images]
    _write_tables(list(zip(images, results, strict=True)), labels, write)
    refused = sum(refusal is not None for _, refusal in results)
    detail = {
        "studies": [study.id for study in studies],
        "images": len(results) - refused,
        "refused": refused,
        "shifted dates": options.shift_dates,
        "linked": options.linked,
        "burned in": options.burned_in,
    }
    action, now = audit.Action.EXPORT_STUDIES, datetime.now(UTC)
    with database.writing() as session:
        audit.record(session, actor_name, action, f"export {export_id}", detail, now)
    return ExportSummary(len(studies), len(results) - refused, refused)


def folder_writer(folder: Path) -> FileWriter:
    """Return a function that writes an export's files into a folder."""

    def write(name: str, content: bytes) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return write


def zip_writer(file: IO[bytes]) -> tuple[zipfile.ZipFile, FileWriter]:
    """Return a ZIP archive, to be closed by the caller, and a function that adds files to it."""
    archive = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)

    def write(name: str, content: bytes) -> None:
        # Without a time stamp, which would only reveal when the export was made.
        member = zipfile.ZipInfo(name)
        member.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(member, content, compresslevel=1)

    return archive, write


def _select_studies(session: Session, options: ExportOptions) -> Sequence[Study]:
    conditions: list[ColumnElement[bool]] = [Study.withdrawn.is_(None)]
    if options.status is not None:
        conditions.append(Study.status == options.status)
    if options.since is not None:
        conditions.append(Study.received >= options.since)
    if options.until is not None:
        conditions.append(Study.received < options.until)
    if options.judged:
        conditions.append(Study.images.any(Image.id.in_(select(Judgement.image_id))))
    return session.scalars(
        select(Study)
        .where(*conditions)
        .order_by(Study.received, Study.id)
        .options(selectinload(Study.images).selectinload(Image.reading))
    ).all()


def _images_of(study: Study, pseudonyms: Pseudonyms) -> Iterator[_SelectedImage]:
    patient = pseudonyms.patient(study.site_id, _patient_of(study))
    for image in study.images:
        reading = image.reading
        refusal = None
        if study.conflict is not None:
            refusal = "needs a person: its patient is contradictory"
        elif image.purged is not None:
            refusal = "was purged"
        elif reading is None:
            refusal = "was not read yet"
        elif reading.status == Status.FAILED:
            refusal = "could not be read"
        yield _SelectedImage(
            image.sha256,
            image.media_type,
            patient,
            pseudonyms.name("study", study.id),
            pseudonyms.name("image", image.id),
            ["" if reading is None else _text(getattr(reading, name)) for name in _READING_COLUMNS],
            refusal,
        )


def _patient_of(study: Study) -> str:
    """Return what identifies a study's patient at its site.

    A study without a patient identifier, or that is held, counts as a patient of its own.
    """
    if study.patient_id is None or study.conflict is not None:
        return f"study {study.id}"
    issuer = study.patient_id_issuer
    return study.patient_id if issuer is None else f"{study.patient_id} of {issuer}"


def _export_image(
    image: _SelectedImage,
    store: FileStore,
    pseudonyms: Pseudonyms,
    options: ExportOptions,
    write: FileWriter,
) -> tuple[str, str | None]:
    """Write an image; return its name, or an empty one and the reason of the refusal."""
    if image.refusal is not None:
        return "", image.refusal
    try:
        content, suffix = deidentify(
            store.read(image.sha256),
            image.media_type,
            image.patient,
            pseudonyms,
            shift_dates=options.shift_dates,
            burned_in=options.burned_in,
        )
    except NotDeidentifiableError as error:
        return "", str(error)
    except StorageError:
        return "", "its file on the server is missing or damaged"
    name = f"{image.patient}/{image.study}/{image.image}.{suffix}"
    write(name, content)
    return name, None


def _write_tables(
    images: Sequence[tuple[_SelectedImage, tuple[str, str | None]]],
    labels: dict[str, str],
    write: FileWriter,
) -> None:
    image_rows = [
        (file, image.patient, image.study, image.image, refusal or "", *image.reading)
        for image, (file, refusal) in images
    ]
    columns = ("file", "patient", "study", "image", "refused", *_READING_COLUMNS)
    write(IMAGES_FILE, _csv_bytes(columns, image_rows))
    label_rows = [
        (file, labels[image.sha256], image.patient)
        for image, (file, _) in images
        if file and image.sha256 in labels
    ]
    write(LABELS_FILE, _csv_bytes(("file", "label", "patient"), label_rows))


def _csv_bytes(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue().encode()


def _text(value: object) -> str:
    return "" if value is None else str(value)
