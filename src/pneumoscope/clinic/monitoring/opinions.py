"""What people say of readings, over time: agreement, and the accuracy that follows from it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from pneumoscope.clinic.monitoring.observations import (
    Observation,
    one_of_each_patient,
    patient_of,
)
from pneumoscope.clinic.monitoring.periods import Days, Share
from pneumoscope.clinic.storage.tables import Image, Judgement, StoredReading, Study
from pneumoscope.clinic.worklist.judgements import Answer, Truth, latest_judgements, truth_of
from pneumoscope.evaluation.statistics.verification_bias import (
    Accuracy,
    Stratum,
    among_verified,
    corrected,
)
from pneumoscope.reader.bundle import OperatingPoint


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody says now of a reading of the bundle in use."""

    site: str
    patient: tuple[str, str] = field(repr=False)
    image: str
    answer: Answer
    truth: Truth | None
    created: datetime


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was said in some days.

    Parameters
    ----------
    days
        Which.
    agree
        Those who agree, of those who agree or disagree: one opinion a patient, the first.
    uncertain
        Patients of whom the first opinion is uncertain.
    """

    days: Days
    agree: Share
    uncertain: int


@dataclass(frozen=True, slots=True)
class JudgedAccuracy:
    """Sensitivity and specificity as far as judgements tell.

    Parameters
    ----------
    patients
        With a reading: the first image of each.
    judged
        Of them, those of whom people say, and do not contradict each other, what the image shows.
    among_judged
        As if the judged had been drawn by lot.
    corrected
        For who was judged, if that depends on the probability alone: see `corrected`.
    """

    patients: int
    judged: int
    among_judged: Accuracy
    corrected: Accuracy


def opinions(session: Session, bundle: str, site: str | None) -> list[Said]:
    """Return what people say now of a bundle's readings, the first first.

    Parameters
    ----------
    session
        To look with.
    bundle
        Its identity.
    site
        Identifier of one site; None for all.
    """
    statement = (
        latest_judgements()
        .join(Image, Image.id == Judgement.image_id)
        .join(StoredReading, StoredReading.image_id == Image.id)
        .join(Study, Study.id == Image.study_id)
        .add_columns(StoredReading.finding, Study.id, Study.site_id, Study.patient_id)
        .where(StoredReading.bundle == bundle)
        .order_by(Judgement.created, Judgement.id)
    )
    if site is not None:
        statement = statement.where(Study.site_id == site)
    return [
        Said(
            site=site_id,
            patient=patient_of(site_id, patient, study),
            image=judgement.image_id,
            answer=Answer(judgement.answer),
            truth=truth_of(judgement, finding),
            created=judgement.created,
        )
        for judgement, finding, study, site_id, patient in session.execute(statement)
    ]


def agreement(days: Days, said: Iterable[Said]) -> Agreement:
    """Return how far people agreed in some days."""
    first: dict[tuple[str, str], Answer] = {}
    for one in said:
        if days.begin <= one.created < days.end:
            first.setdefault(one.patient, one.answer)
    answers = Counter(first.values())
    agree, disagree = answers[Answer.AGREE], answers[Answer.DISAGREE]
    return Agreement(days, Share.of(agree, agree + disagree), answers[Answer.UNCERTAIN])


def accuracy(
    observations: Sequence[Observation], said: Iterable[Said], bundle: str, point: OperatingPoint
) -> JudgedAccuracy:
    """Estimate sensitivity and specificity at an operating point.

    Strata of patients are those that the finding tells apart: below the uncertain band, in it below
    the threshold and from the threshold on, and above it.

    Parameters
    ----------
    observations
        Images, the first first.
    said
        Of these, and perhaps of others.
    bundle
        Identity of the bundle: images that another one read do not count.
    point
        At which a probability of at least the threshold is called pneumonia.
    """
    truths: dict[str, set[Truth]] = {}
    for one in said:
        if one.truth is not None:
            truths.setdefault(one.image, set()).add(one.truth)
    counts: Counter[tuple[int, Truth | None]] = Counter()
    read = (one for one in observations if one.bundle == bundle and one.probability is not None)
    for image in one_of_each_patient(read):
        known = truths.get(image.image, set())
        counts[_stratum(image, point), known.copy().pop() if len(known) == 1 else None] += 1
    strata = [
        Stratum(place >= 2, *(counts[place, truth] for truth in (*reversed(Truth), None)))
        for place in range(4)
    ]
    return JudgedAccuracy(
        patients=counts.total(),
        judged=sum(one.verified for one in strata),
        among_judged=among_verified(strata),
        corrected=corrected(strata),
    )


def _stratum(image: Observation, point: OperatingPoint) -> int:
    probability = image.probability or 0.0
    if probability >= point.threshold:
        return 3 if probability > point.high else 2
    return 1 if probability >= point.low else 0
