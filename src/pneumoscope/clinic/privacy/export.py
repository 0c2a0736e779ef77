"""Studies for others to learn from or to judge with: de-identified files, and tables of them."""

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
from pneumoscope.clinic.storage.table_base import new_id
from pneumoscope.clinic.storage.tables import Image, Judgement, Study, StudyStatus
from pneumoscope.clinic.worklist.judgements import labels
from pneumoscope.support.errors import ClinicError, StorageError

IMAGES = "images.csv"
LABELS = "labels.csv"

Write = Callable[[str, bytes], object]
"""Keeps a file's bytes under its name, which is a path with forward slashes."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which studies are exported, and how.

    Parameters
    ----------
    status
        Of the studies, or None for all.
    since, until
        From when on, and before when, they were received.
    judged
        Only studies of which somebody has judged an image.
    shift_dates
        Keep dates of DICOM, moved by as many days for all of a patient.
    linked
        Use the pseudonyms that are the same in all exports so made, not ones of this export alone.
    burned_in
        Let images pass on which there may be text.
    """

    status: StudyStatus | None = None
    since: datetime | None = None
    until: datetime | None = None
    judged: bool = False
    shift_dates: bool = False
    linked: bool = False
    burned_in: bool = False


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export holds, and of how many images it says why they are not in it."""

    studies: int
    images: int
    refused: int


@dataclass(frozen=True, slots=True)
class _Found:
    """An image that is to be exported, under the names that stand for it."""

    sha256: str
    media_type: str
    patient: str
    study: str
    image: str
    reading: Sequence[str]
    why_not: str | None


_READING = ("status", "finding", "probability", "operating_point", "view", "bundle")


def export_studies(
    database: Database,
    store: FileStore,
    wanted: Wanted,
    actor_name: str,
    write: Write,
    most_images: int | None = None,
) -> Exported:
    """Write the studies that are wanted, and what was read and judged, without who they are of.

    ``images.csv`` has a row for each image, also for those that must not leave, with the reason;
    ``labels.csv`` is a table of what was judged, as ``pneumoscope data`` and ``validate`` take it.
    The audit trail says what was exported, before it is handed over.

    Parameters
    ----------
    database, store
        The clinic's.
    wanted
        Which studies, and how.
    actor_name
        Who asks.
    write
        Takes the files.
    most_images
        Refuse to export more.

    Raises
    ------
    ClinicError
        If these are more images than may be exported so.
    """
    name = new_id()
    with database.writing() as session:
        secret = installation(session).secret
    pseudonyms = Pseudonyms(secret, None if wanted.linked else name)
    with database.reading() as session:
        studies = _studies(session, wanted)
        found = [one for study in studies for one in _images(study, pseudonyms)]
        truths = {label.sha256: str(label.label) for label in labels(session)}
    if most_images is not None and len(found) > most_images:
        raise ClinicError(
            f"these are {len(found):,} images, and {most_images:,} may be exported at a time here; "
            "narrow the dates, or use the command pneumoscope export-studies on the server"
        )
    rows = [_exported(one, store, pseudonyms, wanted, write) for one in found]
    _write_tables(list(zip(found, rows, strict=True)), truths, write)
    refused = sum(reason is not None for _, reason in rows)
    detail = {
        "studies": [study.id for study in studies],
        "images": len(rows) - refused,
        "refused": refused,
        "shifted dates": wanted.shift_dates,
        "linked": wanted.linked,
        "burned in": wanted.burned_in,
    }
    with database.writing() as session:
        now = datetime.now(UTC)
        audit.record(session, actor_name, "export studies", f"export {name}", detail, now)
    return Exported(len(studies), len(rows) - refused, refused)


def into_folder(folder: Path) -> Write:
    """Return what writes an export's files into a folder."""

    def write(name: str, content: bytes) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return write


def into_zip(file: IO[bytes]) -> tuple[zipfile.ZipFile, Write]:
    """Return an archive, to be closed, and what writes an export's files into it."""
    archive = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)

    def write(name: str, content: bytes) -> None:
        # The time of a member would say when the export was made, and nothing else.
        member = zipfile.ZipInfo(name)
        member.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(member, content, compresslevel=1)

    return archive, write


def _studies(session: Session, wanted: Wanted) -> Sequence[Study]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.status is not None:
        conditions.append(Study.status == wanted.status)
    if wanted.since is not None:
        conditions.append(Study.received >= wanted.since)
    if wanted.until is not None:
        conditions.append(Study.received < wanted.until)
    if wanted.judged:
        conditions.append(Study.images.any(Image.id.in_(select(Judgement.image_id))))
    return session.scalars(
        select(Study)
        .where(*conditions)
        .order_by(Study.received, Study.id)
        .options(selectinload(Study.images).selectinload(Image.reading))
    ).all()


def _images(study: Study, pseudonyms: Pseudonyms) -> Iterator[_Found]:
    # Who has no identifier is a patient of this one study.
    patient = pseudonyms.patient(study.site_id, study.patient_id or f"study {study.id}")
    for image in study.images:
        reading = image.reading
        why_not = None
        if image.purged is not None:
            why_not = "was purged"
        elif reading is None:
            why_not = "was not read yet"
        elif reading.status == "failed":
            why_not = "could not be read"
        yield _Found(
            image.sha256,
            image.media_type,
            patient,
            pseudonyms.name("study", study.id),
            pseudonyms.name("image", image.id),
            ["" if reading is None else _text(getattr(reading, name)) for name in _READING],
            why_not,
        )


def _exported(
    found: _Found, store: FileStore, pseudonyms: Pseudonyms, wanted: Wanted, write: Write
) -> tuple[str, str | None]:
    """Write an image; return its name and, if it is not written, why."""
    if found.why_not is not None:
        return "", found.why_not
    try:
        content, ending = deidentify(
            store.read(found.sha256),
            found.media_type,
            found.patient,
            pseudonyms,
            shift_dates=wanted.shift_dates,
            burned_in=wanted.burned_in,
        )
    except NotDeidentifiableError as error:
        return "", str(error)
    except StorageError:
        return "", "its file is missing or damaged here"
    name = f"{found.patient}/{found.study}/{found.image}.{ending}"
    write(name, content)
    return name, None


def _write_tables(
    rows: Sequence[tuple[_Found, tuple[str, str | None]]], truths: dict[str, str], write: Write
) -> None:
    images = [
        (file, one.patient, one.study, one.image, why_not or "", *one.reading)
        for one, (file, why_not) in rows
    ]
    columns = ("file", "patient", "study", "image", "refused", *_READING)
    write(IMAGES, _table(columns, images))
    told = [
        (file, truths[one.sha256], one.patient)
        for one, (file, _) in rows
        if file and one.sha256 in truths
    ]
    write(LABELS, _table(("file", "label", "patient"), told))


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue().encode()


def _text(value: object) -> str:
    return "" if value is None else str(value)
