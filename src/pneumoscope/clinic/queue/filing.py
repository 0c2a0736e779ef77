"""Filing of images under studies, so that two patients never share one.

A study whose files contradict another study is held: it keeps its own files, is read on its own and
is attributed to nobody else, until a person has decided whose it is.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from pneumoscope.clinic.queue.header import ImageMetadata
from pneumoscope.clinic.queue.patient_identity import (
    PatientIdentity,
    contradictions,
    differences,
)
from pneumoscope.clinic.storage.database import lock
from pneumoscope.clinic.storage.table_base import new_id
from pneumoscope.clinic.storage.tables import Site, Study


def lock_patients(session: Session, site_id: str, patients: Iterable[PatientIdentity]) -> None:
    """Lock patients until the transaction ends, so that no two studies of one miss each other.

    The transaction may hold locks of files, but of no row yet.
    """
    names = {f"patient {site_id} {patient.id} {patient.issuer}" for patient in patients}
    for name in sorted(names):  # in one order, to avoid deadlocks
        lock(session, name)


def file_under_study(session: Session, metadata: ImageMetadata, site: Site, now: datetime) -> Study:
    """Return the study of an image, created if there is none of this UID and patient.

    An image without a study UID gets a study of its own. An image whose study UID belongs to
    another patient's study gets one that is held.
    """
    candidates = _studies_of_uid(session, site.id, metadata.study_uid)
    for study in candidates:
        if not differences(PatientIdentity.of(study), metadata.patient):
            return add_details(session, study, metadata)
    study = new_study(metadata, site, now)
    if candidates:
        study.study_uid, study.held_study_uid = None, metadata.study_uid
        differing = differences(PatientIdentity.of(candidates[0]), metadata.patient)
        study.conflict = describe_uid_conflict(differing)
    else:
        study.conflict = find_conflict(session, site.id, metadata.patient)
    return study


def new_study(metadata: ImageMetadata, site: Site, now: datetime) -> Study:
    """Return a new study with what an image states of its patient and its examination."""
    return Study(
        id=new_id(),
        site=site,
        study_uid=metadata.study_uid,
        accession=metadata.accession,
        patient_id=metadata.patient_id,
        patient_id_issuer=metadata.patient_id_issuer,
        patient_name=metadata.patient_name,
        birth_date=metadata.birth_date,
        sex=metadata.sex,
        stated_age=metadata.age,
        study_date=metadata.study_date,
        acquired=metadata.acquired,
        utc_offset=_utc_offset(metadata.acquired),
        received=now,
        version=1,
    )


def add_details(session: Session, study: Study, metadata: ImageMetadata) -> Study:
    """Add what a further image of a study's patient states and the earlier ones did not.

    Once a person has corrected the patient, files do not decide the age any more. A study whose
    images were all withdrawn is compared with the others of its patient again.
    """
    before, returns = PatientIdentity.of(study), study.withdrawn is not None
    study.patient_name = study.patient_name or metadata.patient_name
    study.sex = study.sex or metadata.sex
    if not study.age_corrected:
        study.birth_date = study.birth_date or metadata.birth_date
        study.stated_age = metadata.age if study.stated_age is None else study.stated_age
    study.withdrawn = None
    recheck_identity(session, study, changed=returns or PatientIdentity.of(study) != before)
    study.version += 1
    return study


def recheck_identity(session: Session, study: Study, *, changed: bool = True) -> None:
    """Hold a changed study that contradicts the other studies of its patient."""
    if changed and study.conflict is None:
        study.conflict = find_conflict(session, study.site_id, PatientIdentity.of(study), study.id)


def find_conflict(
    session: Session, site_id: str, patient: PatientIdentity, excluded_id: str | None = None
) -> str | None:
    """Return in words how a patient contradicts the other studies of the same identifier.

    Of each detail, the latest study counts that states it: names change. Held studies do not count.
    The study with the identifier ``excluded_id`` is left out.
    """
    if patient.id is None:
        return None
    rows = session.execute(
        select(Study.patient_name, Study.birth_date, Study.sex)
        .where(
            *has_patient(site_id, patient),
            Study.id != (excluded_id or ""),
            Study.conflict.is_(None),
            Study.withdrawn.is_(None),
        )
        .order_by(Study.received.desc(), Study.id)
    ).all()
    known = PatientIdentity(
        name=next((row.patient_name for row in rows if row.patient_name), None),
        birth_date=next((row.birth_date for row in rows if row.birth_date), None),
        sex=next((row.sex for row in rows if row.sex), None),
    )
    contradictory = contradictions(known, patient)
    if not contradictory:
        return None
    return f"other studies of this patient ID state another {join_words(contradictory)}"


def describe_uid_conflict(differing: Sequence[str]) -> str:
    """Return in words that a study UID belongs to another patient.

    Examples
    --------
    >>> print(describe_uid_conflict(["name", "sex"]))
    another patient's study has this Study Instance UID; it states another name and sex
    """
    return (
        "another patient's study has this Study Instance UID; it states another "
        f"{join_words(differing)}"
    )


def has_patient(site_id: str, patient: PatientIdentity) -> tuple[ColumnElement[bool], ...]:
    """Return the SQL conditions of the studies of a patient's identifier and its issuer."""
    return (
        Study.site_id == site_id,
        Study.patient_id == patient.id,
        Study.patient_id_issuer == patient.issuer
        if patient.issuer is not None
        else Study.patient_id_issuer.is_(None),
    )


def study_with_held_uid(session: Session, study: Study) -> Study | None:
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


def _studies_of_uid(session: Session, site_id: str, uid: str | None) -> list[Study]:
    """Return the studies whose files state a UID, locked; the one that it belongs to first."""
    if uid is None:
        return []
    studies = session.scalars(
        select(Study)
        .where(
            Study.site_id == site_id,
            or_(Study.study_uid == uid, Study.held_study_uid == uid),
        )
        .order_by(Study.id)
        .with_for_update()
        .execution_options(populate_existing=True)  # it may have been loaded before it was locked
    ).all()
    return sorted(studies, key=lambda study: study.study_uid is None)


def _utc_offset(time: datetime | None) -> int | None:
    offset = None if time is None else time.utcoffset()
    return None if offset is None else round(offset.total_seconds() / 60)


def join_words(words: Sequence[str]) -> str:
    """Return words as an enumeration.

    Examples
    --------
    >>> join_words(["name", "birth date", "sex"])
    'name, birth date and sex'
    """
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
