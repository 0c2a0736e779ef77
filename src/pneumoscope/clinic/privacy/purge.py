"""Purging: files go, and who they were of; readings, judgements and the audit trail stay.

A study is purged in two steps, each of which can be interrupted and is done again the next time.
The first, a transaction, forgets in the database and remembers which files nobody may want any
more. The second removes each of these, unless another image has it: it holds the file's name
meanwhile, as does whoever enters an image (see `storage.held_files`), so that either the
image is seen here, or the one who enters it sees that its file is gone and writes it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session, selectinload

from pneumoscope.clinic import audit
from pneumoscope.clinic.privacy.retention import What, due, retention, waiting
from pneumoscope.clinic.privacy.tables import UnwantedFile
from pneumoscope.clinic.storage.database import Database, lock
from pneumoscope.clinic.storage.file_store import FileStore
from pneumoscope.clinic.storage.held_files import file_name
from pneumoscope.clinic.storage.tables import HandedIn, Image, Judgement, Study
from pneumoscope.support.errors import ClinicError

_NO_NAME = "purged"
_NO_FILE = "0" * 64


@dataclass(frozen=True, slots=True)
class Purged:
    """How many studies were purged: of their files alone, and of all that says whose they are."""

    pixels: int
    studies: int


def purge_due(
    database: Database, store: FileStore, actor_name: str, now: datetime, *, dry_run: bool = False
) -> Purged:
    """Purge what has been kept as long as the installation keeps it.

    Parameters
    ----------
    database, store
        The clinic's.
    actor_name
        Who asks.
    now
        The moment.
    dry_run
        Count, and change nothing.

    Raises
    ------
    StorageError
        If a file cannot be removed; the next purge tries again.
    """
    counts, seen = dict.fromkeys(What, 0), set[str]()
    with database.writing() as session:
        decided = retention(session)
    for what in (What.STUDY, What.PIXELS):
        before = decided.before(what, now)
        if before is None:
            continue
        with database.reading() as session:
            found = set(session.scalars(select(Study.id).where(*due(what, before)))) - seen
        seen |= found
        if dry_run:
            counts[what] = len(found)
            continue
        for study_id in found:
            with database.writing() as session:
                if _purge(session, study_id, what, due(what, before), now):
                    detail = {"why": "retention"}
                    audit.record(
                        session, actor_name, f"purge {what}", f"study {study_id}", detail, now
                    )
                    counts[what] += 1
    if not dry_run:
        remove_unwanted(database, store)
    return Purged(counts[What.PIXELS], counts[What.STUDY])


def purge_patient(
    database: Database, store: FileStore, site_id: str, patient_id: str, actor_name: str
) -> int:
    """Purge all studies of a patient at a site, and return how many those were.

    Raises
    ------
    ClinicError
        If one of their images still waits to be read; then nothing is purged.
    StorageError
        If a file cannot be removed; the next purge tries again.
    """
    now = datetime.now(UTC)
    with database.writing() as session:
        rows = session.execute(
            select(Study.id, Study.study_uid).where(
                Study.site_id == site_id, Study.patient_id == patient_id
            )
        )
        # In the order in which all lock studies, so that no two wait in a circle.
        found = [one.id for one in sorted(rows, key=lambda row: (row.study_uid or "", row.id))]
        for study_id in found:
            if not _purge(session, study_id, What.STUDY, [~waiting()], now):
                raise ClinicError(
                    "an image of this patient still waits to be read; purge when it has been"
                )
        detail = {"why": "request"}
        for study_id in found:
            audit.record(session, actor_name, "purge study", f"study {study_id}", detail, now)
    remove_unwanted(database, store)
    return len(found)


def remove_unwanted(database: Database, store: FileStore) -> None:
    """Remove files of purged images that no other image has.

    Raises
    ------
    StorageError
        If one cannot be removed.
    """
    with database.reading() as session:
        unwanted = session.scalars(select(UnwantedFile.sha256)).all()
    for sha256 in unwanted:
        with database.writing() as session:
            lock(session, file_name(sha256))
            if not _is_wanted(session, sha256):
                store.remove(sha256)
            session.execute(delete(UnwantedFile).where(UnwantedFile.sha256 == sha256))


def _is_wanted(session: Session, sha256: str) -> bool:
    image = select(Image.id).where(Image.sha256 == sha256, Image.purged.is_(None))
    return session.scalar(image.limit(1)) is not None


def _purge(
    session: Session,
    study_id: str,
    what: What,
    conditions: Sequence[ColumnElement[bool]],
    now: datetime,
) -> bool:
    """Purge a study if it is still as the conditions say, once nobody else changes it."""
    lock(session, "purge")
    study = session.get_one(Study, study_id, with_for_update=True)
    if session.scalar(select(Study.id).where(Study.id == study_id, *conditions)) is None:
        return False
    images = session.scalars(
        select(Image).where(Image.study_id == study_id).options(selectinload(Image.reading))
    ).all()
    for image in images:
        _forget_file(session, image, now)
    session.execute(
        delete(HandedIn).where(HandedIn.job_id.in_([one.job_id for one in images if one.job_id]))
    )
    if what is What.STUDY:
        _forget_patient(session, study, images, now)
    session.flush()
    return True


def _forget_file(session: Session, image: Image, now: datetime) -> None:
    if image.purged is not None:
        return
    image.purged = now
    session.merge(UnwantedFile(sha256=image.sha256))
    if image.reading is not None:
        image.reading.heatmap = None


def _forget_patient(session: Session, study: Study, images: Sequence[Image], now: datetime) -> None:
    study.purged = now
    study.patient_id = study.patient_name = study.birth_date = study.sex = None
    study.accession = study.study_uid = study.acquired = None
    for image in images:
        image.name, image.sha256, image.sop_uid = _NO_NAME, _NO_FILE, None
        if image.reading is not None:
            image.reading.reasons = []  # which may quote a file
    session.execute(
        update(Judgement)
        .where(Judgement.image_id.in_([image.id for image in images]))
        .values(text=None)
    )
