"""Corrections by reviewers: images and studies of the wrong patient, and images sent by mistake.

Files are never changed, and what was stored before a correction is kept with it. A correction names
the version of the study that its author saw: of two people who correct at once, the second is told.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pneumoscope.clinic.queue.filing import find_conflict, has_patient, lock_patients
from pneumoscope.clinic.queue.patient_identity import PatientIdentity, differences
from pneumoscope.clinic.queue.stated_age import StatedAge, require_possible_birth_date
from pneumoscope.clinic.queue.study_state import refresh_study, withdraw_image
from pneumoscope.clinic.queue.tasks import enqueue
from pneumoscope.clinic.storage.table_base import new_id
from pneumoscope.clinic.storage.tables import Correction, Image, Study, Task
from pneumoscope.clinic.storage.withdrawal import Withdrawal
from pneumoscope.clinic.worklist.examination import examination_day
from pneumoscope.radiograph.acquisition import age_between
from pneumoscope.support.errors import ClinicError


class StaleVersionError(ClinicError):
    """A study was changed after the version that somebody saw."""


@dataclass(frozen=True, slots=True)
class PatientCorrection:
    """Patient whose study it really is."""

    patient: PatientIdentity
    accession: str | None
    images: frozenset[str] | None = None
    """Images that are the patient's, to be parted from the others; None for all."""
    confirmed: bool = False
    """Whether a person has checked that it is the patient although other studies of the patient
    state another name, birth date or sex."""


def correct_patient(
    session: Session,
    study_id: str,
    version: int,
    correction: PatientCorrection,
    user_name: str,
    now: datetime,
) -> Correction:
    """Give a study, or some of its images, to the right patient; return the stored correction.

    Some of the images become a study of their own. A held study whose patient turns out to be that
    of the study that has its Study Instance UID joins that study. Images are read again if the
    patient's birth date changes, since the age decides which network may read.

    Raises
    ------
    StaleVersionError
        If the study is not the version that was seen, or an image is not in it any more.
    ValueError
        If the birth date is impossible.
    """
    source = _locked_study(session, study_id, version, correction)
    require_possible_birth_date(correction.patient.birth_date, examination_day(source))
    images = [
        image
        for image in source.images
        if correction.images is None or image.id in correction.images
    ]
    if not images or len(images) < len(correction.images or ()):
        raise StaleVersionError("an image is not in this study any more; reload the study")
    before, before_patient = _describe_study(source), PatientIdentity.of(source)
    target = source
    if len(images) < len(source.images):
        target = _part_study(session, source, now)
    _set_patient(target, correction)
    joined = _study_to_join(session, target)
    target.conflict = (
        None
        if correction.confirmed
        else find_conflict(session, target.site_id, correction.patient, target.id)
    )
    after = _describe_study(target)
    target = joined or target
    _move(images, target)
    if correction.patient.birth_date != before_patient.birth_date:
        for image in images:
            _read_again(session, image, target, now)
    stored = Correction(
        id=new_id(),
        study_id=target.id,
        source_id=source.id,
        user_name=user_name,
        created=now,
        before=before,
        after=after,
    )
    session.add(stored)
    for study in {source.id: source, target.id: target}.values():
        refresh_study(session, study, now)
    _recheck_held(session, source.site_id, (before_patient, correction.patient), target.id)
    return stored


def withdraw(
    session: Session, image: Image, version: int, reason: Withdrawal, now: datetime
) -> Study:
    """Withdraw an image that was sent by mistake; return its study.

    StaleVersionError is raised if the study is not the version that was seen.
    """
    _lock_tasks(session, image.study_id)
    study = session.get_one(Study, image.study_id, with_for_update=True, populate_existing=True)
    session.refresh(image)
    if image.withdrawn is not None:
        raise StaleVersionError("this image was withdrawn already; reload the study")
    _require_version(study, version)
    withdraw_image(session, image, reason, now)
    refresh_study(session, study, now)
    return study


def restore(session: Session, image: Image, now: datetime) -> Study:
    """Put a withdrawn image back into its study, and into the queue if it was not read yet.

    ClinicError is raised if the image is not withdrawn, or if another image has taken its place.
    """
    study = session.get_one(Study, image.study_id, with_for_update=True, populate_existing=True)
    session.refresh(image)
    if image.withdrawn is None:
        raise ClinicError("this image is not withdrawn; reload the study")
    if Withdrawal(image.withdrawal or "other").is_superseded:
        raise ClinicError("another image of the same file has taken the place of this one")
    image.withdrawn = image.withdrawal = None
    session.flush()
    if image.reading is None:
        enqueue(session, image, now, StatedAge(_years_of(study)))
    refresh_study(session, study, now)
    return study


def changed_details(correction: Correction) -> list[str]:
    """Return the names of the details that a correction changed, without their values."""
    before, after = correction.before or {}, correction.after or {}
    return [name for name in after if before.get(name) != after[name]]


def _locked_study(
    session: Session, study_id: str, version: int, correction: PatientCorrection
) -> Study:
    """Lock patients, tasks and studies, in the order in which every transaction locks them."""
    study = session.get_one(Study, study_id)
    lock_patients(session, study.site_id, (PatientIdentity.of(study), correction.patient))
    _lock_tasks(session, study_id)
    related = session.execute(
        select(Study.id, Study.study_uid).where(
            (Study.id == study_id)
            | (
                (Study.site_id == study.site_id)
                & Study.study_uid.is_not(None)
                & (Study.study_uid == study.held_study_uid)
            )
        )
    ).all()
    for row in sorted(related, key=lambda row: (row.study_uid or "", row.id)):
        session.get_one(Study, row.id, with_for_update=True, populate_existing=True)
    _require_version(study, version)
    session.expire(study, ["images"])
    return study


def _lock_tasks(session: Session, study_id: str) -> None:
    """Let no worker store a reading of a study's images until the transaction ends."""
    session.execute(
        select(Task.image_id)
        .where(Task.image_id.in_(select(Image.id).where(Image.study_id == study_id)))
        .order_by(Task.image_id)
        .with_for_update()
    )


def _require_version(study: Study, version: int) -> None:
    if study.version != version:
        raise StaleVersionError(
            "somebody else changed this study meanwhile; look at it again, then correct it"
        )


def _describe_study(study: Study) -> dict[str, Any]:
    patient = {
        name: value and str(value) for name, value in asdict(PatientIdentity.of(study)).items()
    }
    return patient | {"accession": study.accession, "study_uid": study.study_uid}


def _set_patient(study: Study, correction: PatientCorrection) -> None:
    patient = correction.patient
    if patient.birth_date != study.birth_date:
        study.stated_age = None  # it was the age by the birth date before, or of somebody else
    study.patient_id, study.patient_id_issuer = patient.id, patient.issuer
    study.patient_name, study.birth_date = patient.name, patient.birth_date
    study.sex, study.accession = patient.sex, correction.accession


def _part_study(session: Session, source: Study, now: datetime) -> Study:
    """Return a new study for some images of another, whose Study Instance UID is not theirs."""
    study = Study(
        id=new_id(),
        site=source.site,
        patient_id=source.patient_id,
        birth_date=source.birth_date,
        stated_age=source.stated_age,
        study_date=source.study_date,
        acquired=source.acquired,
        utc_offset=source.utc_offset,
        received=now,
        version=source.version,
    )
    session.add(study)
    session.flush()
    return study


def _study_to_join(session: Session, study: Study) -> Study | None:
    """Return the study of the same patient that has the UID of a study that was held."""
    if study.held_study_uid is None:
        return None
    other = session.scalar(
        select(Study).where(Study.site_id == study.site_id, Study.study_uid == study.held_study_uid)
    )
    if other is None or other.withdrawn is not None:
        return None
    same = PatientIdentity.of(study)
    mixed = differences(PatientIdentity.of(other), same) or same.id != other.patient_id
    return None if mixed else other


def _move(images: Iterable[Image], study: Study) -> None:
    for image in images:
        # The version that somebody saw an image with is never that of its study after a move.
        study.version = max(study.version, image.study.version)
        image.study = study


def _read_again(session: Session, image: Image, study: Study, now: datetime) -> None:
    """Let a new image of the same file take the place of one that was read for another age.

    The earlier reading and its judgements stay with the earlier image.
    """
    if image.purged is not None:
        return
    withdraw_image(session, image, Withdrawal.AGE_CORRECTED, now)
    successor = Image(
        id=new_id(),
        study=study,
        reading=None,
        job_id=image.job_id,
        sha256=image.sha256,
        name=image.name,
        media_type=image.media_type,
        size=image.size,
        sop_uid=image.sop_uid,
        received=image.received,
    )
    session.add(successor)
    # The corrected birth date counts instead of the file's.
    enqueue(session, successor, now, StatedAge(_years_of(study), corrected=True))


def _years_of(study: Study) -> float | None:
    """Return the age in years at a study: by the birth date, or else as stated."""
    if study.birth_date is None:
        return study.stated_age
    return age_between(study.birth_date, examination_day(study))


def _recheck_held(
    session: Session, site_id: str, patients: Sequence[PatientIdentity], corrected: str
) -> None:
    """Release the studies of patients that a correction has reconciled with the others.

    Studies with the Study Instance UID of another patient stay held: a person must decide.
    """
    for patient in patients:
        if patient.id is None:
            continue
        held = session.scalars(
            select(Study)
            .where(
                *has_patient(site_id, patient),
                Study.conflict.is_not(None),
                Study.held_study_uid.is_(None),
                Study.id != corrected,
            )
            .order_by(Study.study_uid, Study.id)
            .with_for_update()
        )
        for study in held:
            study.conflict = find_conflict(session, site_id, PatientIdentity.of(study), study.id)
