"""What people say of readings: kept in versions, and what is learned from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, aliased

from pneumoscope.clinic.identity.accounts import Actor
from pneumoscope.clinic.storage.tables import Image, Judgement, StoredReading, Study, StudyStatus
from pneumoscope.clinic.worklist.changes import note_new_reading
from pneumoscope.reader import Finding
from pneumoscope.support.errors import ClinicError


class Answer(StrEnum):
    """Whether a person agrees with a reading's finding."""

    AGREE = "agree"
    DISAGREE = "disagree"
    UNCERTAIN = "uncertain"


class Truth(StrEnum):
    """What the person sees; the names are those of the classes that networks learn."""

    NORMAL = "NORMAL"
    PNEUMONIA = "PNEUMONIA"


class Reason(StrEnum):
    """Why a person does not agree, or is not sure."""

    OPACITY_MISSED = "opacity missed"
    OTHER_DISEASE = "other disease"
    ARTEFACT = "artefact"
    POOR_IMAGE = "poor image"
    CLINICAL_PICTURE = "clinical picture"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a person says of an image's reading.

    Parameters
    ----------
    answer
        To its finding.
    truth
        What the person sees, where the answer does not say it: of an uncertain finding, or of an
        image that was not read.
    reason, text
        Why, and in words.
    """

    answer: Answer
    truth: Truth | None = None
    reason: Reason | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """An image whose truth people agree on; patients are called by the first of their studies."""

    sha256: str
    label: Truth
    patient: str


def judge(
    session: Session, actor: Actor, image: Image, opinion: Opinion, now: datetime
) -> Judgement:
    """Keep an opinion; an earlier one of the same person on the same image stays as it was.

    Raises
    ------
    ClinicError
        If the image was not read yet, or was purged.
    """
    if image.reading is None:
        raise ClinicError("this image was not read yet; judge it when it has a reading")
    # Locked: of two opinions that one person sends at once, one is the later.
    session.refresh(image.study, with_for_update=True)
    session.refresh(image, ["purged"])
    if image.purged is not None:
        raise ClinicError("this image was purged; what nobody can see cannot be judged")
    last = session.scalar(
        select(func.max(Judgement.version)).where(
            Judgement.image_id == image.id, Judgement.user_id == actor.user_id
        )
    )
    kept = Judgement(
        image_id=image.id,
        user_id=actor.user_id,
        version=(last or 0) + 1,
        answer=opinion.answer,
        truth=opinion.truth,
        reason=opinion.reason,
        text=opinion.text,
        created=now,
    )
    session.add(kept)
    session.flush()
    if all(history(session, one.id) for one in image.study.images):
        image.study.status = StudyStatus.REVIEWED
    note_new_reading(session, image.study.site_id)
    return kept


def history(session: Session, image_id: str) -> Sequence[Judgement]:
    """Return all that was ever said of an image, the first first."""
    return session.scalars(
        select(Judgement)
        .where(Judgement.image_id == image_id)
        .order_by(Judgement.created, Judgement.version)
    ).all()


def latest_judgements() -> Select[Judgement]:
    """Select what people say now: of each person and image the last version."""
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
    """Return what a judgement says that the image shows; None if it does not tell.

    Examples
    --------
    >>> agrees = Judgement(answer=Answer.AGREE)
    >>> [truth_of(agrees, finding) for finding in ("pneumonia", "normal", "uncertain")]
    [<Truth.PNEUMONIA: 'PNEUMONIA'>, <Truth.NORMAL: 'NORMAL'>, None]
    """
    if judgement.truth is not None:
        return Truth(judgement.truth)
    if judgement.answer == Answer.UNCERTAIN or finding not in (Finding.PNEUMONIA, Finding.NORMAL):
        return None
    ill = (finding == Finding.PNEUMONIA) == (judgement.answer == Answer.AGREE)
    return Truth.PNEUMONIA if ill else Truth.NORMAL


def labels(session: Session) -> Iterator[Label]:
    """Yield every file on whose truth all agree who judged it, and who say it.

    A file that came twice is one, so that it has one label or none.
    Where people contradict each other nothing can be learned; such images are to be reviewed.
    """
    names = _first_studies(session)
    rows = session.execute(
        latest_judgements()
        .join(Image, Image.id == Judgement.image_id)
        .join(StoredReading, StoredReading.image_id == Image.id)
        .join(Study, Study.id == Image.study_id)
        .where(Image.purged.is_(None))
        .add_columns(Image, StoredReading.finding, Study)
        .order_by(Image.received, Image.id)
    )
    told: dict[str, tuple[Image, Study, set[Truth]]] = {}
    for judgement, image, finding, study in rows:
        truth = truth_of(judgement, finding)
        if truth is not None:
            told.setdefault(image.sha256, (image, study, set()))[2].add(truth)
    for image, study, truths in told.values():
        if len(truths) == 1:
            yield Label(image.sha256, truths.pop(), names.get(_patient(study), study.id))


def _first_studies(session: Session) -> dict[tuple[str, str | None], str]:
    rows = session.execute(
        select(Study.site_id, Study.patient_id, func.min(Study.id))
        .where(Study.patient_id.is_not(None))
        .group_by(Study.site_id, Study.patient_id)
    )
    return {(site, patient): first for site, patient, first in rows}


def _patient(study: Study) -> tuple[str, str | None]:
    return study.site_id, study.patient_id
