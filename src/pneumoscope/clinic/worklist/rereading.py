"""Images whose patient's age was corrected, and that must be read again."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from pneumoscope.clinic.queue.intake import queue_image
from pneumoscope.clinic.queue.stated_age import StatedAge
from pneumoscope.clinic.queue.study_state import withdraw_image
from pneumoscope.clinic.storage.tables import Image, Study
from pneumoscope.clinic.storage.withdrawal import Withdrawal


def age_basis(study: Study) -> tuple[date | None, float | None]:
    """Return what the age at a study is known by: the birth date, or else the stated age."""
    return study.birth_date, study.stated_age if study.birth_date is None else None


def withdrawn_images(session: Session, study: Study) -> Sequence[Image]:
    """Return the withdrawn images of a study that are not purged."""
    return session.scalars(
        select(Image)
        .where(Image.study_id == study.id, Image.withdrawn.is_not(None), Image.purged.is_(None))
        .order_by(Image.id)
    ).all()


def mark_outdated(session: Session, study: Study) -> None:
    """Note that the readings of withdrawn images are by an age that was corrected."""
    for image in withdrawn_images(session, study):
        image.outdated = True


def read_again(session: Session, images: Sequence[Image], study: Study, now: datetime) -> None:
    """Let new images of the same files take the places of those read for another age.

    The earlier readings and their judgements stay with the earlier images. The ages that senders
    stated with the files do not count any more.
    """
    for image in images:
        if image.purged is None:
            withdraw_image(session, image, Withdrawal.AGE_CORRECTED, now)
            queue_image(session, study, image, image.job_id, image.received, now, StatedAge())
    if images:
        study.age_corrected = True
