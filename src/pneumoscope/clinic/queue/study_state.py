"""State of a study after its images changed: withdrawn, restored, or moved to another study."""

from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from pneumoscope.clinic.queue.readings import UNREAD_STATUSES
from pneumoscope.clinic.queue.tasks import has_waiting_image
from pneumoscope.clinic.storage.study_status import StudyStatus
from pneumoscope.clinic.storage.tables import Image, Judgement, StoredReading, Study, Task
from pneumoscope.clinic.storage.withdrawal import Withdrawal


def withdraw_image(session: Session, image: Image, reason: Withdrawal, now: datetime) -> None:
    """Take an image out of its study and out of the queue; its file and reading are kept."""
    image.withdrawn = now
    image.withdrawal = reason
    session.execute(delete(Task).where(Task.image_id == image.id))


def is_superseded(image: Image) -> bool:
    """Return whether an image was withdrawn because another of the same file took its place."""
    return image.withdrawal is not None and Withdrawal(image.withdrawal).is_superseded


def refresh_study(session: Session, study: Study, now: datetime) -> None:
    """Recompute a study's urgency and status, whether it needs a look, and has any images left.

    The study must be locked.
    """
    session.flush()
    session.expire(study, ["images"])
    of_study = (Image.study_id == study.id, Image.withdrawn.is_(None))
    images = session.scalar(select(func.count()).select_from(Image).where(*of_study))
    study.urgency = session.scalar(
        select(func.max(StoredReading.probability)).join(Image).where(*of_study)
    )
    # Where readings are displayed, an image is judged by an answer, not by an opinion alone.
    judgement = select(Judgement.id).where(Judgement.image_id == Image.id)
    if study.site.displayed:
        judgement = judgement.where(Judgement.answer.is_not(None))
    unjudged = select(Image.id).where(*of_study, ~judgement.exists())
    waiting = select(Study.id).where(Study.id == study.id, has_waiting_image())
    is_open = session.scalar(waiting) or not images or session.scalar(unjudged.limit(1))
    study.status = StudyStatus.AWAITING_REVIEW if is_open else StudyStatus.REVIEWED
    unread = (
        select(StoredReading.id)
        .join(Image)
        .where(*of_study, StoredReading.status.in_(UNREAD_STATUSES))
    )
    study.needs_look = bool(is_open) and session.scalar(unread.limit(1)) is not None
    study.withdrawn = None if images else now
    study.version += 1
    session.flush()
