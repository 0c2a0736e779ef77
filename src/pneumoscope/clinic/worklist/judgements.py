"""Judgements of readings by clinicians, kept in versions, and the labels that follow from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, aliased

from pneumoscope.clinic.identity.accounts import Actor
from pneumoscope.clinic.storage.study_status import StudyStatus
from pneumoscope.clinic.storage.tables import Image, Judgement, StoredReading, Study
from pneumoscope.clinic.worklist.changes import note_new_reading
from pneumoscope.reader import Finding
from pneumoscope.support.errors import ClinicError


class JudgementAnswer(StrEnum):
    """Whether a clinician agrees with a reading: its finding, or that the image was not read."""

    AGREE = "agree"
    DISAGREE = "disagree"
    UNCERTAIN = "uncertain"


class Truth(StrEnum):
    """Class of an image according to the clinician, named as the network's classes."""

    NORMAL = "NORMAL"
    PNEUMONIA = "PNEUMONIA"


class Reason(StrEnum):
    """Reason why a clinician disagrees or is uncertain."""

    OPACITY_MISSED = "opacity missed"
    OTHER_DISEASE = "other disease"
    ARTEFACT = "artefact"
    POOR_IMAGE = "poor image"
    CLINICAL_PICTURE = "clinical picture"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class JudgementContent:
    """Content of a judgement."""

    answer: JudgementAnswer
    """Answer to the reading."""
    truth: Truth | None = None
    """Class of the image, where the answer does not imply it: for an uncertain finding, or an image
    that was not read."""
    reason: Reason | None = None
    """Reason of a disagreement or uncertainty."""
    text: str | None = None
    """Explanation in words."""


@dataclass(frozen=True, slots=True)
class Label:
    """Agreed class of an image; the patient is named by the lowest of their study identifiers."""

    sha256: str
    label: Truth
    patient: str


def record_judgement(
    session: Session, actor: Actor, image: Image, content: JudgementContent, now: datetime
) -> Judgement:
    """Store a judgement as a new version; earlier ones of the same user and image stay.

    Raises
    ------
    ClinicError
        If the image was not read yet, or was purged.
    """
    if image.reading is None:
        raise ClinicError("this image has no reading yet; judge it when it has one")
    # Locked, so that two simultaneous judgements of one user get consecutive versions.
    session.refresh(image.study, with_for_update=True)
    session.refresh(image, ["purged", "withdrawn"])
    if image.purged is not None:
        raise ClinicError("this image was purged; purged images cannot be judged")
    if image.withdrawn is not None:
        raise ClinicError("this image was withdrawn meanwhile; withdrawn images cannot be judged")
    last_version = session.scalar(
        select(func.max(Judgement.version)).where(
            Judgement.image_id == image.id, Judgement.user_id == actor.user_id
        )
    )
    judgement = Judgement(
        image_id=image.id,
        user_id=actor.user_id,
        version=(last_version or 0) + 1,
        answer=content.answer,
        truth=content.truth,
        reason=content.reason,
        text=content.text,
        created=now,
    )
    session.add(judgement)
    session.flush()
    if all(judgement_history(session, sibling.id) for sibling in image.study.images):
        image.study.status = StudyStatus.REVIEWED
    note_new_reading(session, image.study.site_id)
    return judgement


def judgement_history(session: Session, image_id: str) -> Sequence[Judgement]:
    """Return all judgements of an image, superseded versions included, oldest first."""
    return session.scalars(
        select(Judgement)
        .where(Judgement.image_id == image_id)
        .order_by(Judgement.created, Judgement.version)
    ).all()


def latest_judgements() -> Select[Judgement]:
    """Select the latest judgement of each user and image."""
    later = aliased(Judgement)
    return select(Judgement).where(
        ~select(later.id)
        .where(
            later.image_id == Judgement.image_id,
            later.user_id == Judgement.user_id,
            later.version > Judgement.version,
        )
        .exists()
    )


def truth_of(judgement: Judgement, finding: str | None) -> Truth | None:
    """Return the class of an image according to a judgement; None if it does not tell.

    Examples
    --------
    >>> agrees = Judgement(answer=JudgementAnswer.AGREE)
    >>> [truth_of(agrees, finding) for finding in ("pneumonia", "normal", "uncertain")]
    [<Truth.PNEUMONIA: 'PNEUMONIA'>, <Truth.NORMAL: 'NORMAL'>, None]
    """
    if judgement.truth is not None:
        return Truth(judgement.truth)
    if judgement.answer == JudgementAnswer.UNCERTAIN or finding not in (
        Finding.PNEUMONIA,
        Finding.NORMAL,
    ):
        return None
    ill = (finding == Finding.PNEUMONIA) == (judgement.answer == JudgementAnswer.AGREE)
    return Truth.PNEUMONIA if ill else Truth.NORMAL


def agreed_labels(session: Session) -> Iterator[Label]:
    """Yield a label for every file on whose class all judgements that tell one agree.

    A file that was uploaded twice gets one label or none. Images with contradicting judgements get
    none: nothing can be learned from them until they are reviewed. Neither do withdrawn images, and
    those of studies that are held, whose patient nobody knows.
    """
    patient_names = _first_studies(session)
    rows = session.execute(
        latest_judgements()
        .join(Image, Image.id == Judgement.image_id)
        .join(StoredReading, StoredReading.image_id == Image.id)
        .join(Study, Study.id == Image.study_id)
        .where(Image.purged.is_(None), Image.withdrawn.is_(None), Study.conflict.is_(None))
        .add_columns(Image, StoredReading.finding, Study)
        .order_by(Image.received, Image.id)
    )
    truths_by_file: dict[str, tuple[Study, set[Truth]]] = {}
    for judgement, image, finding, study in rows:
        truth = truth_of(judgement, finding)
        if truth is not None:
            truths_by_file.setdefault(image.sha256, (study, set()))[1].add(truth)
    for sha256, (study, truths) in truths_by_file.items():
        if len(truths) == 1:
            key = (study.site_id, study.patient_id, study.patient_id_issuer)
            patient = patient_names.get(key, study.id)
            yield Label(sha256, truths.pop(), patient)


def _first_studies(session: Session) -> dict[tuple[str, str | None, str | None], str]:
    """Return the lowest study identifier of each patient, by site, identifier and its issuer."""
    patient = (Study.site_id, Study.patient_id, Study.patient_id_issuer)
    rows = session.execute(
        select(*patient, func.min(Study.id)).where(Study.patient_id.is_not(None)).group_by(*patient)
    )
    return {(site_id, number, issuer): study_id for site_id, number, issuer, study_id in rows}
