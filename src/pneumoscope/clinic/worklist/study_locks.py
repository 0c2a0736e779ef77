"""Locks and versions of studies that a person changes."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from pneumoscope.clinic.storage.tables import Image, Study, Task
from pneumoscope.support.errors import ClinicError


class StaleVersionError(ClinicError):
    """A study was changed after the version that somebody saw."""


def lock_studies(session: Session, study: Study) -> None:
    """Lock a study, the one whose Study Instance UID it states if it is held, and their tasks.

    Until the transaction ends, no worker can store a reading of their images. Tasks come first, as
    in the transactions of workers, and then studies in the order in which all lock them.
    """
    related = session.execute(
        select(Study.id, Study.study_uid).where(
            (Study.id == study.id)
            | (
                (Study.site_id == study.site_id)
                & Study.study_uid.is_not(None)
                & (Study.study_uid == study.held_study_uid)
            )
        )
    ).all()
    of_images = select(Image.id).where(Image.study_id.in_([row.id for row in related]))
    session.execute(
        select(Task.image_id)
        .where(Task.image_id.in_(of_images))
        .order_by(Task.image_id)
        .with_for_update()
    )
    for row in sorted(related, key=lambda row: (row.study_uid or "", row.id)):
        session.get_one(Study, row.id, with_for_update=True, populate_existing=True)


def require_version(study: Study, version: int) -> None:
    """Raise StaleVersionError if a study is not the version that somebody saw."""
    if study.version != version:
        raise StaleVersionError(
            "somebody else changed this study meanwhile; look at it again, then correct it"
        )
