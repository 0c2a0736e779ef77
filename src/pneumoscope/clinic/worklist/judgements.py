"""Judgements of images by clinicians, kept in versions, and the labels that follow from them.

A judgement is an answer to a reading, or an opinion given while the reading was hidden. In a site
that asks for opinions first, an answer follows the opinion, and both are kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from pneumoscope.clinic.identity.accounts import Actor
from pneumoscope.clinic.storage.study_status import StudyStatus
from pneumoscope.clinic.storage.tables import Image, Judgement, StoredReading, Study, User
from pneumoscope.clinic.worklist.changes import note_review
from pneumoscope.clinic.worklist.study_changes import require_same_study
from pneumoscope.reader import Finding
from pneumoscope.support.errors import ClinicError

SIMULTANEITY_WINDOW = timedelta(minutes=5)
"""Time within which two people count as judging an image at once."""


class JudgementAnswer(StrEnum):
    """Whether a clinician agrees with a reading: its finding, or that the image was not read."""

    AGREE = "agree"
    DISAGREE = "disagree"
    UNCERTAIN = "uncertain"


class Opinion(StrEnum):
    """Opinion of a clinician who does not know the reading."""

    PNEUMONIA = "pneumonia"
    NO_PNEUMONIA = "no pneumonia"
    NOT_SURE = "not sure"

    @property
    def truth(self) -> "Truth | None":
        """Class of the image according to the opinion; None if it does not tell."""
        return _TRUTHS.get(self)


class Truth(StrEnum):
    """Class of an image according to the clinician, named as the network's classes."""

    NORMAL = "NORMAL"
    PNEUMONIA = "PNEUMONIA"


_TRUTHS = {Opinion.PNEUMONIA: Truth.PNEUMONIA, Opinion.NO_PNEUMONIA: Truth.NORMAL}


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
    """Content of a judgement: an answer, or an opinion if the reading is hidden."""

    answer: JudgementAnswer | None = None
    """Answer to the reading; None if it is hidden."""
    truth: Truth | None = None
    """Class of the image, where the answer does not imply it: for an uncertain finding, or an image
    that was not read."""
    reason: Reason | None = None
    """Reason of a disagreement or uncertainty."""
    text: str | None = None
    """Explanation in words."""
    opinion: Opinion | None = None
    """Opinion without the reading; None if it is shown."""


@dataclass(frozen=True, slots=True)
class Label:
    """Agreed class of an image; the patient is named by the lowest of their study identifiers."""

    sha256: str
    label: Truth
    patient: str


def record_judgement(
    session: Session,
    actor: Actor,
    image: Image,
    content: JudgementContent,
    study_version: int,
    now: datetime,
) -> Judgement:
    """Store a judgement as a new version; earlier ones of the same user and image stay.

    Parameters
    ----------
    session, actor, image, content, now
        Transaction, author, judged image, judgement and time.
    study_version
        Version of the image's study that the author saw.

    Raises
    ------
    StaleVersionError
        If patient or images of the study were changed since, or the image was withdrawn.
    ClinicError
        If the image was not read yet, or was purged.
    ValueError
        If the content is not either an answer or an opinion.
    """
    if (content.answer is None) == (content.opinion is None):
        raise ValueError("a judgement is either an answer or an opinion")
    if image.reading is None:
        raise ClinicError("this image has no reading yet; judge it when it has one")
    # Locked, so that two simultaneous judgements of one user get consecutive versions, and no
    # correction comes between; it may have moved the image before.
    session.refresh(image.study, with_for_update=True)
    session.refresh(image, ["purged", "withdrawn", "study_id"])
    session.expire(image, ["study"])
    if image.purged is not None:
        raise ClinicError("this image was purged; purged images cannot be judged")
    require_same_study(session, image, study_version)
    earlier = _judgements_of_file(session, image, actor.user_id)
    judgement = Judgement(
        image_id=image.id,
        user_id=actor.user_id,
        version=max((row.version for row in earlier if row.image_id == image.id), default=0) + 1,
        blind=content.opinion is not None and _is_unseen(image, image.reading, earlier),
        study_version=study_version,
        answer=content.answer,
        opinion=content.opinion,
        truth=content.opinion.truth if content.opinion else content.truth,
        reason=content.reason,
        text=content.text,
        created=now,
    )
    session.add(judgement)
    session.flush()
    if all(_is_reviewed(session, sibling) for sibling in image.study.images):
        image.study.status = StudyStatus.REVIEWED
        image.study.needs_look = False
    note_review(session, image.study.site_id)
    return judgement


def _judgements_of_file(session: Session, image: Image, user_id: str) -> Sequence[Judgement]:
    """Return what a user judged of an image, and of the earlier images of its file."""
    return session.scalars(
        select(Judgement)
        .join(Image, Image.id == Judgement.image_id)
        .where(
            Image.study_id == image.study_id,
            Image.sha256 == image.sha256,
            Judgement.user_id == user_id,
        )
    ).all()


def _is_unseen(image: Image, reading: StoredReading, earlier: Sequence[Judgement]) -> bool:
    """Return whether a withheld reading was certainly never shown to the author of an opinion.

    Not if the site displayed readings when it was made or later. Nor if it can have been shown
    after an earlier judgement of the author, of this image or an earlier one of the same file: in a
    site that asks for opinions first, it is once each image has one, and withheld again when an
    image is added.
    """
    study = image.study
    since = study.site.withheld_since
    return (since is None or reading.created > since) and (
        not study.site.displayed
        or all(row.blind and row.study_version == study.version for row in earlier)
    )


def _is_reviewed(session: Session, image: Image) -> bool:
    """Return whether an image is judged; where readings are displayed, that needs an answer."""
    history = judgement_history(session, image.id)
    return any(row.answer is not None or not image.study.site.displayed for row in history)


def names_of_others(session: Session, actor: Actor, image: Image, now: datetime) -> list[str]:
    """Return the names of the others who judged an image a moment ago."""
    return list(
        session.scalars(
            select(User.name)
            .distinct()
            .join(Judgement, Judgement.user_id == User.id)
            .where(
                Judgement.image_id == image.id,
                Judgement.user_id != actor.user_id,
                Judgement.created > now - SIMULTANEITY_WINDOW,
            )
            .order_by(User.name)
        )
    )


def judgement_history(session: Session, image_id: str) -> Sequence[Judgement]:
    """Return all judgements of an image, superseded versions included, oldest first."""
    return session.scalars(
        select(Judgement)
        .where(Judgement.image_id == image_id)
        .order_by(Judgement.created, Judgement.version)
    ).all()


def latest_judgements(*, blind: bool | None = None) -> Select[Judgement]:
    """Select the latest judgement of each user and image.

    Only opinions of those who had not been shown the reading count if ``blind``, only the other
    judgements if not; by default both.
    """
    later = aliased(Judgement)
    select_latest = select(Judgement)
    newer = select(later.id).where(
        later.image_id == Judgement.image_id,
        later.user_id == Judgement.user_id,
        later.version > Judgement.version,
    )
    if blind is not None:
        select_latest = select_latest.where(Judgement.blind.is_(blind))
        newer = newer.where(later.blind.is_(blind))
    return select_latest.where(~newer.exists())


def disputed_images() -> Select[str]:
    """Select the identifiers of the images whose reading somebody disputes.

    That is: disagrees with, is uncertain about, or contradicts by an opinion given without it.
    """
    latest = latest_judgements().subquery()
    judged = aliased(Judgement, latest)
    contradicts = or_(
        judged.opinion == Opinion.NOT_SURE,
        and_(judged.opinion == Opinion.PNEUMONIA, StoredReading.finding == Finding.NO_SIGN),
        and_(judged.opinion == Opinion.NO_PNEUMONIA, StoredReading.finding == Finding.SUSPECTED),
    )
    return (
        select(judged.image_id)
        .join(StoredReading, StoredReading.image_id == judged.image_id)
        .where(or_(judged.answer != JudgementAnswer.AGREE, contradicts))
    )


def truth_of(judgement: Judgement, finding: str | None) -> Truth | None:
    """Return the class of an image according to a judgement; None if it does not tell.

    Examples
    --------
    >>> agrees = Judgement(answer=JudgementAnswer.AGREE)
    >>> [truth_of(agrees, finding) for finding in Finding]
    [<Truth.PNEUMONIA: 'PNEUMONIA'>, <Truth.NORMAL: 'NORMAL'>, None]
    """
    if judgement.truth is not None:
        return Truth(judgement.truth)
    if judgement.answer in (None, JudgementAnswer.UNCERTAIN) or finding not in (
        Finding.SUSPECTED,
        Finding.NO_SIGN,
    ):
        return None
    ill = (finding == Finding.SUSPECTED) == (judgement.answer == JudgementAnswer.AGREE)
    return Truth.PNEUMONIA if ill else Truth.NORMAL


def agrees_with(judgement: Judgement, finding: str | None) -> bool | None:
    """Return whether a judgement agrees with a finding; None if one of both is uncertain.

    Examples
    --------
    >>> opinion = Judgement(opinion=Opinion.PNEUMONIA, truth=Opinion.PNEUMONIA.truth)
    >>> [agrees_with(opinion, str(finding)) for finding in Finding]
    [True, False, None]
    """
    if judgement.answer is not None:
        answers = {JudgementAnswer.AGREE: True, JudgementAnswer.DISAGREE: False}
        return answers.get(JudgementAnswer(judgement.answer))
    if judgement.truth is None or finding not in (Finding.SUSPECTED, Finding.NO_SIGN):
        return None
    return (judgement.truth == Truth.PNEUMONIA) == (finding == Finding.SUSPECTED)


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
