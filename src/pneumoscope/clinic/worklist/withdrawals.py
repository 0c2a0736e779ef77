"""Withdrawals by reviewers: images sent by mistake are taken out of their studies, or put back."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from pneumoscope.clinic.queue.filing import lock_patients, recheck_identity, study_with_held_uid
from pneumoscope.clinic.queue.instances import lock_instances
from pneumoscope.clinic.queue.patient_identity import PatientIdentity
from pneumoscope.clinic.queue.study_state import is_superseded, refresh_study, withdraw_image
from pneumoscope.clinic.queue.tasks import enqueue
from pneumoscope.clinic.storage.tables import Image, Study
from pneumoscope.clinic.storage.withdrawal import Withdrawal
from pneumoscope.clinic.worklist.rereading import age_basis, read_again
from pneumoscope.clinic.worklist.study_locks import (
    StaleVersionError,
    lock_studies,
    require_version,
)
from pneumoscope.support.errors import ClinicError


def withdraw(
    session: Session, image: Image, version: int, reason: Withdrawal, now: datetime
) -> Study:
    """Withdraw an image that was sent by mistake; return its study.

    StaleVersionError is raised if the study is not the version that was seen.
    """
    study = session.get_one(Study, image.study_id)
    lock_studies(session, study)
    session.refresh(image)
    if image.study_id != study.id or image.withdrawn is not None:
        raise StaleVersionError("this image was withdrawn or moved meanwhile; reload the study")
    require_version(study, version)
    withdraw_image(session, image, reason, now)
    refresh_study(session, study, now)
    return study


def restore(session: Session, image: Image, now: datetime) -> Study:
    """Put a withdrawn image back into its study, or the one that its study has joined; return it.

    It is queued if it was not read yet, and again if the age was corrected since. A study that had
    no other image is compared with the others of its patient, and held if they contradict it.

    Raises
    ------
    StaleVersionError
        If its study was changed at the same moment.
    ClinicError
        If the image is not withdrawn, or another image has taken its place.
    """
    study = _locked_with_instance(session, image)
    if image.withdrawn is None:
        raise ClinicError("this image is not withdrawn; reload the study")
    if is_superseded(image):
        raise ClinicError("another image of the same file has taken the place of this one")
    if _is_replaced(session, image):
        raise ClinicError(
            "another image with the same SOP Instance UID or content came since; if this one is "
            "the right one, withdraw that one first"
        )
    home = study
    if study.withdrawn is not None:
        home = study_with_held_uid(session, study) or study
        recheck_identity(session, home)
    image.withdrawn = image.withdrawal = None
    # The version that somebody saw the image with is never that of its study after a move.
    home.version = max(home.version, study.version)
    image.study = home
    session.flush()
    if image.outdated or age_basis(home) != age_basis(study):
        read_again(session, [image], home, now)
    elif image.reading is None:
        enqueue(session, image, now)
    for changed in {study.id: study, home.id: home}.values():
        refresh_study(session, changed, now)
    return home


def _locked_with_instance(session: Session, image: Image) -> Study:
    """Lock the patient, the SOP instance and the studies of an image; return its study."""
    study = session.get_one(Study, image.study_id)
    patient = PatientIdentity.of(study)
    lock_patients(session, study.site_id, [patient])
    lock_instances(session, study.site_id, [image.sop_uid])
    lock_studies(session, study)
    session.refresh(image)
    if image.study_id != study.id or PatientIdentity.of(study) != patient:
        raise StaleVersionError("somebody else changed this study meanwhile; look at it again")
    return study


def _is_replaced(session: Session, image: Image) -> bool:
    """Return whether another image has the SOP Instance UID of an image, or else its content."""
    same = (
        (Image.study_id == image.study_id) & (Image.sha256 == image.sha256)
        if image.sop_uid is None
        else (Study.site_id == image.study.site_id) & (Image.sop_uid == image.sop_uid)
    )
    others = (
        select(Image.id)
        .join(Study)
        .where(same, Image.id != image.id, Image.withdrawn.is_(None), Image.purged.is_(None))
    )
    return session.scalar(others.limit(1)) is not None
