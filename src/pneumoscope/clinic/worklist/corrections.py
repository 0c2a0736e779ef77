"""Corrections by reviewers: images and studies of the wrong patient.

Files are never changed, and what was stored before a correction is kept with it. A correction names
the version of the study that its author saw: of two people who correct at once, the second is told.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pneumoscope.clinic.queue.filing import (
    find_conflict,
    has_patient,
    lock_patients,
    new_study,
    study_with_held_uid,
)
from pneumoscope.clinic.queue.header import ImageMetadata
from pneumoscope.clinic.queue.patient_identity import (
    PatientIdentity,
    contradictions,
)
from pneumoscope.clinic.queue.stated_age import require_possible_birth_date
from pneumoscope.clinic.queue.study_state import is_superseded, refresh_study
from pneumoscope.clinic.storage.table_base import new_id
from pneumoscope.clinic.storage.tables import Correction, Image, Study
from pneumoscope.clinic.worklist.examination import acquisition_time, examination_day
from pneumoscope.clinic.worklist.rereading import (
    age_basis,
    mark_outdated,
    read_again,
    withdrawn_images,
)
from pneumoscope.clinic.worklist.study_locks import (
    StaleVersionError,
    lock_studies,
    require_version,
)

UNCHECKED = (
    "the study of this image was given to another patient while the image was withdrawn; check "
    "whose it is"
)
"""Why a study is held whose images were restored after a correction that did not concern them."""


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
    before, patient_before, age_before = (
        _describe_study(source),
        PatientIdentity.of(source),
        age_basis(source),
    )
    target = source
    if len(images) < len(source.images):
        target = _part_study(session, source, now)
    elif not _is_same_patient(patient_before, correction.patient):
        _part_unchecked(session, source, user_name, now)
    _set_patient(target, correction)
    joined = study_with_held_uid(session, target)
    target.conflict = (
        None
        if correction.confirmed
        else find_conflict(session, target.site_id, correction.patient, target.id)
    )
    after = _describe_study(target)
    if joined is not None:
        _complete_patient(session, joined, target, user_name, now)
        target = joined
    _move(session, images, source, target)
    if age_basis(target) != age_before:
        read_again(session, images, target, now)
        mark_outdated(session, source if joined else target)
    stored = _store(session, target, source, user_name, before, after, now)
    for study in {source.id: source, target.id: target}.values():
        refresh_study(session, study, now)
    _recheck_held(session, source.site_id, (patient_before, correction.patient), target.id)
    return stored


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
    lock_studies(session, study)
    require_version(study, version)
    session.expire(study, ["images"])
    return study


def _describe_study(study: Study) -> dict[str, Any]:
    patient = {
        name: value and str(value) for name, value in asdict(PatientIdentity.of(study)).items()
    }
    return patient | {"accession": study.accession, "study_uid": study.study_uid}


def _set_patient(study: Study, correction: PatientCorrection) -> None:
    """Set the patient of a study; an age that was stated of another one does not go along."""
    patient = correction.patient
    if patient.birth_date != study.birth_date or not _is_same_patient(
        PatientIdentity.of(study), patient
    ):
        study.stated_age, study.age_corrected = None, True
    study.patient_id, study.patient_id_issuer = patient.id, patient.issuer
    study.patient_name, study.birth_date = patient.name, patient.birth_date
    study.sex, study.accession = patient.sex, correction.accession


def _is_same_patient(before: PatientIdentity, after: PatientIdentity) -> bool:
    """Return whether a correction keeps the patient, and changes only what is known of one.

    That is the identifier; without one before, any patient whose name does not contradict.
    """
    if before.id is None:
        return "name" not in contradictions(before, after)
    issuers = {before.issuer, after.issuer} - {None}
    return before.id == after.id and len(issuers) < 2


def _part_study(session: Session, source: Study, now: datetime) -> Study:
    """Return a new study of the same patient for some images of another, without its UID."""
    patient = PatientIdentity.of(source)
    metadata = ImageMetadata(
        accession=source.accession,
        patient_id=patient.id,
        patient_id_issuer=patient.issuer,
        patient_name=patient.name,
        birth_date=patient.birth_date,
        sex=patient.sex,
        study_date=source.study_date,
        acquired=acquisition_time(source),
        age=source.stated_age,
    )
    study = new_study(metadata, source.site, now)
    study.age_corrected, study.utc_offset = source.age_corrected, source.utc_offset
    study.version, study.received = source.version, source.received
    session.add(study)
    session.flush()
    return study


def _part_unchecked(session: Session, source: Study, user_name: str, now: datetime) -> None:
    """Leave withdrawn images with the patient of before, since nobody has said that they change.

    They get a study of their own, which is held if one of them is restored.
    """
    images = [image for image in withdrawn_images(session, source) if not is_superseded(image)]
    if not images:
        return
    study, before = _part_study(session, source, now), _describe_study(source)
    study.conflict, study.withdrawn = UNCHECKED, now
    for image in images:
        image.study = study
    _store(session, study, source, user_name, before, _describe_study(study), now)


def _complete_patient(
    session: Session, study: Study, held: Study, user_name: str, now: datetime
) -> None:
    """Add what a joining study states of the patient and this one does not."""
    before, age_before = _describe_study(study), age_basis(study)
    study.patient_id_issuer = study.patient_id_issuer or held.patient_id_issuer
    study.patient_name = study.patient_name or held.patient_name
    study.birth_date = study.birth_date or held.birth_date
    study.sex = study.sex or held.sex
    study.accession = study.accession or held.accession
    study.stated_age = held.stated_age if study.stated_age is None else study.stated_age
    study.age_corrected = study.age_corrected or held.age_corrected
    after = _describe_study(study)
    if after != before:
        study.conflict = study.conflict or held.conflict
        _store(session, study, study, user_name, before, after, now)
    if age_basis(study) != age_before:
        read_again(session, list(study.images), study, now)
        mark_outdated(session, study)


def _store(
    session: Session,
    study: Study,
    source: Study,
    user_name: str,
    before: dict[str, Any],
    after: dict[str, Any],
    now: datetime,
) -> Correction:
    stored = Correction(
        id=new_id(),
        study_id=study.id,
        source_id=source.id,
        user_name=user_name,
        created=now,
        before=before,
        after=after,
    )
    session.add(stored)
    return stored


def _move(session: Session, images: Sequence[Image], source: Study, target: Study) -> None:
    """Move images to another study, with the earlier images of the same files."""
    files = {image.sha256 for image in images}
    earlier = [
        image
        for image in withdrawn_images(session, source)
        if is_superseded(image) and image.sha256 in files
    ]
    # The version that somebody saw an image with is never that of its study after a move.
    target.version = max(target.version, source.version)
    for image in (*images, *earlier):
        image.study = target


def _recheck_held(
    session: Session, site_id: str, patients: Sequence[PatientIdentity], corrected: str
) -> None:
    """Release the studies of patients that a correction has reconciled with the others.

    Studies with the Study Instance UID of another patient, or whose images nobody has checked, stay
    held: a person must decide.
    """
    for patient in patients:
        if patient.id is None:
            continue
        held = session.scalars(
            select(Study)
            .where(
                *has_patient(site_id, patient),
                Study.conflict.is_not(None),
                Study.conflict != UNCHECKED,
                Study.held_study_uid.is_(None),
                Study.id != corrected,
            )
            .order_by(Study.study_uid, Study.id)
            .with_for_update()
        )
        for study in held:
            study.conflict = find_conflict(session, site_id, PatientIdentity.of(study), study.id)
