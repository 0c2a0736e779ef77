"""Changes of a study's patient or images after somebody has opened it, in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from pneumoscope.clinic.audit import Action
from pneumoscope.clinic.queue.filing import join_words
from pneumoscope.clinic.storage.tables import AuditEntry, Correction, Image, Study
from pneumoscope.clinic.storage.withdrawal import Withdrawal
from pneumoscope.clinic.worklist.corrections import changed_details
from pneumoscope.clinic.worklist.study_locks import StaleVersionError

_DETAILS = {
    "id": "patient ID",
    "issuer": "issuer of the patient ID",
    "name": "name",
    "birth_date": "birth date",
    "sex": "sex",
    "accession": "accession number",
    "study_uid": "Study Instance UID",
}
"""Words for the details of a correction."""


@dataclass(frozen=True, slots=True)
class StudyChange:
    """Change of a study: its time and, in words without patient data, its kind."""

    time: datetime
    words: str


def latest_change(session: Session, study: Study) -> StudyChange | None:
    """Return the latest change of a study's patient or images; None if it is as it came."""
    changes = [
        *_corrections(session, study),
        *_withdrawals(session, study),
        *_restorations(session, study),
        *_arrivals(session, study),
    ]
    return max(changes, key=lambda change: change.time, default=None)


def require_same_study(session: Session, image: Image, version: int) -> None:
    """Raise StaleVersionError unless an image stands in its study as somebody saw it.

    The study must be locked.
    """
    if image.withdrawn is None and image.study.version == version:
        return
    change = latest_change(session, image.study)
    reason = "" if change is None else f" ({change.words})"
    if image.withdrawn is not None:
        reason = " (this image was withdrawn)"
    raise StaleVersionError(
        f"this study was changed after you opened it{reason}; nothing was saved: look at it again, "
        "then save"
    )


def _corrections(session: Session, study: Study) -> Iterator[StudyChange]:
    # What concerns this study first: of the same moment, that is what its reader must know.
    rows = session.scalars(
        select(Correction)
        .where(or_(Correction.study_id == study.id, Correction.source_id == study.id))
        .order_by(Correction.study_id != study.id, Correction.source_id != study.id)
    )
    for row in rows:
        details = [_DETAILS.get(name, name) for name in changed_details(row)]
        if row.source_id == study.id != row.study_id:
            words = f"images were moved to another study by {row.user_name}"
        elif _has_joined(session, row):
            words = f"images of another study were added by {row.user_name}"
        elif details:
            words = f"corrected by {row.user_name}: {join_words(details)}"
        else:
            words = f"the patient was confirmed by {row.user_name}"
        yield StudyChange(row.created, words)


def _has_joined(session: Session, correction: Correction) -> bool:
    """Return whether a correction brought a held study into the one that has its UID."""
    if correction.source_id == correction.study_id:
        return False
    source = session.get_one(Study, correction.source_id)
    return source.held_study_uid is not None and source.withdrawn is not None


def _withdrawals(session: Session, study: Study) -> Iterator[StudyChange]:
    rows = session.execute(
        select(Image.withdrawn, Image.withdrawal).where(
            Image.study_id == study.id, Image.withdrawn.is_not(None)
        )
    )
    for time, reason in rows:
        # The successor of a superseded image tells of itself.
        if time is not None and not Withdrawal(reason or "other").is_superseded:
            yield StudyChange(time, f"an image was withdrawn ({reason})")


def _restorations(session: Session, study: Study) -> Iterator[StudyChange]:
    """Yield the last restoration of an image, whose time the audit trail alone keeps."""
    images = session.scalars(select(Image.id).where(Image.study_id == study.id))
    objects = [f"image {image_id}" for image_id in images]
    time = session.scalar(
        select(func.max(AuditEntry.time)).where(
            AuditEntry.object.in_(objects), AuditEntry.action == Action.RESTORE_IMAGE
        )
    )
    if time is not None:
        yield StudyChange(time, "a withdrawn image was restored")


def _arrivals(session: Session, study: Study) -> Iterator[StudyChange]:
    time = session.scalar(
        select(func.max(Image.received)).where(
            Image.study_id == study.id, Image.received > study.received
        )
    )
    if time is not None:
        yield StudyChange(time, "an image was added")
