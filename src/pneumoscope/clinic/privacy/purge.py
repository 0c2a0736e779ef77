"""Purging of files and identifying data; readings, judgements and the audit trail stay.

A study is purged in two steps, which may be interrupted and are then repeated by the next purge.
The first is a transaction that deletes the data from the database and notes which files may be
unused. The second removes each of these files unless another image has the same one. It holds the
file's lock meanwhile, as does whoever registers an image (see `storage.held_files`). So either the
purge sees the new image, or the upload sees that the file is gone and stores it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import ColumnElement, delete, null, select, update
from sqlalchemy.orm import Session, selectinload

from pneumoscope.clinic import audit
from pneumoscope.clinic.privacy.retention import Retained, current_retention, is_expired
from pneumoscope.clinic.privacy.tables import UnwantedFile
from pneumoscope.clinic.queue.tasks import has_waiting_image
from pneumoscope.clinic.storage.database import Database, lock
from pneumoscope.clinic.storage.file_store import FileStore
from pneumoscope.clinic.storage.held_files import file_lock_name
from pneumoscope.clinic.storage.tables import (
    Correction,
    IdempotentRequest,
    Image,
    Judgement,
    Study,
)
from pneumoscope.support.errors import ClinicError

_PURGED_NAME = "purged"
_PURGED_SHA256 = "0" * 64


@dataclass(frozen=True, slots=True)
class PurgeCounts:
    """Numbers of purged studies: of their files alone, and of all identifying data."""

    pixels: int
    studies: int


_PURGE = audit.Action.PURGE_STUDY
_ACTIONS = {Retained.PIXELS: audit.Action.PURGE_PIXELS, Retained.STUDY: _PURGE}


def purge_expired(
    database: Database, store: FileStore, actor_name: str, now: datetime, *, dry_run: bool = False
) -> PurgeCounts:
    """Purge the data whose retention period is over; a dry run only counts them.

    Raises
    ------
    StorageError
        If a file cannot be removed; the next purge tries again.
    """
    counts, seen = dict.fromkeys(Retained, 0), set[str]()
    with database.writing() as session:
        retention = current_retention(session)
    for retained in (Retained.STUDY, Retained.PIXELS):
        cutoff = retention.cutoff(retained, now)
        if cutoff is None:
            continue
        conditions = is_expired(retained, cutoff)
        with database.reading() as session:
            expired = set(session.scalars(select(Study.id).where(*conditions))) - seen
        seen |= expired
        if dry_run:
            counts[retained] = len(expired)
            continue
        for study_id in expired:
            with database.writing() as session:
                if _purge_study(session, study_id, retained, conditions, now):
                    action, detail = _ACTIONS[retained], {"why": "retention"}
                    audit.record(session, actor_name, action, f"study {study_id}", detail, now)
                    counts[retained] += 1
    if not dry_run:
        remove_unused_files(database, store)
    return PurgeCounts(counts[Retained.PIXELS], counts[Retained.STUDY])


def purge_patient(
    database: Database,
    store: FileStore,
    site_id: str,
    patient_id: str,
    actor_name: str,
    issuer: str | None = None,
) -> int:
    """Purge all studies of a patient at a site; return the number of studies.

    Of studies that were corrected to another patient, only what corrections keep of this one is
    purged; they count, too. Their images belong to the other patient.

    Raises
    ------
    ClinicError
        If an image of the patient waits to be read, or if several issuers gave the identifier and
        none is named; then nothing is purged.
    StorageError
        If a file cannot be removed; the next purge tries again.
    """
    now = datetime.now(UTC)
    with database.writing() as session:
        rows = session.execute(
            select(Study.id, Study.study_uid, Study.patient_id_issuer).where(
                Study.site_id == site_id, Study.patient_id == patient_id
            )
        ).all()
        mentions = _mentions(session, site_id, patient_id)
        issuers = {row.patient_id_issuer for row in rows} | {each.issuer for each in mentions}
        if issuer is not None:
            rows = [row for row in rows if row.patient_id_issuer == issuer]
            mentions = [mention for mention in mentions if mention.issuer == issuer]
        elif len(issuers) > 1:
            raise ClinicError(
                "several issuers gave this patient ID, perhaps to several patients; name the issuer"
            )
        # In the order in which every transaction locks studies, to avoid deadlocks.
        rows_in_order = sorted(rows, key=lambda row: (row.study_uid or "", row.id))
        study_ids = [row.id for row in rows_in_order]
        for study_id in study_ids:
            if not _purge_study(session, study_id, Retained.STUDY, [~has_waiting_image()], now):
                raise ClinicError(
                    "an image of this patient waits to be read; purge again when it has a reading"
                )
        corrected = _purge_mentions(session, mentions) - set(study_ids)
        for study_id in study_ids:
            audit.record(session, actor_name, _PURGE, f"study {study_id}", {"why": "request"}, now)
        detail = {"why": "request", "only": "corrections"}
        for study_id in sorted(corrected):
            audit.record(session, actor_name, _PURGE, f"study {study_id}", detail, now)
    remove_unused_files(database, store)
    return len(study_ids) + len(corrected)


def remove_unused_files(database: Database, store: FileStore) -> None:
    """Remove the files of purged images, except those that other images have too.

    StorageError is raised if a file cannot be removed.
    """
    with database.reading() as session:
        unwanted = session.scalars(select(UnwantedFile.sha256)).all()
    for sha256 in unwanted:
        with database.writing() as session:
            lock(session, file_lock_name(sha256))
            user = select(Image.id).where(Image.sha256 == sha256, Image.purged.is_(None))
            if session.scalar(user.limit(1)) is None:
                store.remove(sha256)
            session.execute(delete(UnwantedFile).where(UnwantedFile.sha256 == sha256))


def _purge_study(
    session: Session,
    study_id: str,
    retained: Retained,
    conditions: Sequence[ColumnElement[bool]],
    now: datetime,
) -> bool:
    """Lock a study and purge it if it meets the conditions; return whether it did."""
    lock(session, "purge")
    study = session.get_one(Study, study_id, with_for_update=True)
    if session.scalar(select(Study.id).where(Study.id == study_id, *conditions)) is None:
        return False
    images = session.scalars(
        select(Image).where(Image.study_id == study_id).options(selectinload(Image.reading))
    ).all()
    for image in images:
        _purge_file(session, image, now)
    job_ids = [image.job_id for image in images if image.job_id]
    session.execute(delete(IdempotentRequest).where(IdempotentRequest.job_id.in_(job_ids)))
    if retained is Retained.STUDY:
        _purge_identity(session, study, images, now)
    session.flush()
    return True


def _purge_file(session: Session, image: Image, now: datetime) -> None:
    if image.purged is not None:
        return
    image.purged = now
    session.merge(UnwantedFile(sha256=image.sha256))
    if image.reading is not None:
        image.reading.heatmap = None


@dataclass(frozen=True, slots=True)
class _Mention:
    """Correction that keeps a patient's details, before or after it."""

    correction: Correction
    side: Literal["before", "after"]
    issuer: str | None


def _mentions(session: Session, site_id: str, patient_id: str) -> list[_Mention]:
    """Return the corrections at a site that name a patient."""
    found = []
    sides: tuple[Literal["before", "after"], ...] = ("before", "after")
    for side in sides:
        rows = session.scalars(
            select(Correction)
            .join(Study, Study.id == Correction.study_id)
            .where(
                Study.site_id == site_id, getattr(Correction, side)["id"].as_string() == patient_id
            )
            .order_by(Correction.id)
        )
        for row in rows:
            details = getattr(row, side)
            found.append(_Mention(row, side, details.get("issuer")))
    return found


def _purge_mentions(session: Session, mentions: Sequence[_Mention]) -> set[str]:
    """Purge a patient's details from corrections; return the studies that were corrected."""
    for mention in mentions:
        session.execute(
            update(Correction)
            .where(Correction.id == mention.correction.id)
            .values({mention.side: null()})
        )
    return {mention.correction.study_id for mention in mentions}


def _purge_identity(session: Session, study: Study, images: Sequence[Image], now: datetime) -> None:
    study.purged = now
    study.patient_id = study.patient_id_issuer = study.patient_name = None
    study.birth_date = study.sex = study.stated_age = None
    study.accession = study.study_uid = study.held_study_uid = None
    study.study_date = study.acquired = study.utc_offset = None
    session.execute(
        update(Correction)
        .where(Correction.study_id == study.id)
        .values(before=null(), after=null())
    )
    # What images that were moved to another study were taken for is this study's, the rest not.
    session.execute(
        update(Correction).where(Correction.source_id == study.id).values(before=null())
    )
    for image in images:
        image.name, image.sha256, image.sop_uid = _PURGED_NAME, _PURGED_SHA256, None
        image.stated_age = None
        if image.reading is not None:
            reading = image.reading
            reading.reasons = []  # reasons may quote the file, and name the patient's age
            reading.quality = [issue | {"message": ""} for issue in reading.quality]
    session.execute(
        update(Judgement)
        .where(Judgement.image_id.in_([image.id for image in images]))
        .values(text=None)
    )
