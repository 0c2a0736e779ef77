"""Agreement of clinicians with readings over time, and the accuracy that their judgements imply."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from pneumoscope.clinic.monitoring.observations import (
    Observation,
    first_per_patient,
    patient_key,
)
from pneumoscope.clinic.monitoring.periods import DateRange, Proportion
from pneumoscope.clinic.storage.tables import Image, Judgement, StoredReading, Study
from pneumoscope.clinic.worklist.judgements import (
    JudgementAnswer,
    Truth,
    latest_judgements,
    truth_of,
)
from pneumoscope.evaluation.statistics.verification_bias import (
    DiagnosticAccuracy,
    Stratum,
    accuracy_among_verified,
    correct_verification_bias,
)
from pneumoscope.report.operating_point import OperatingPoint


@dataclass(frozen=True, slots=True)
class JudgedReading:
    """Reading of a bundle in use, with one clinician's latest judgement of it."""

    patient: tuple[str, str] = field(repr=False)
    image: str
    answer: JudgementAnswer
    truth: Truth | None
    created: datetime


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of clinicians with readings in a range of days.

    Parameters
    ----------
    days
        Days in which the judgements were made.
    agree
        Patients whose reading is agreed with, of those with agreement or disagreement. The first
        judgement of each patient counts.
    uncertain
        Number of patients whose first judgement is uncertain.
    """

    days: DateRange
    agree: Proportion
    uncertain: int


@dataclass(frozen=True, slots=True)
class JudgedAccuracy:
    """Sensitivity and specificity as far as judgements tell.

    Parameters
    ----------
    patients
        Number of patients with a reading; the first image of each counts.
    judged
        Number of them whose image has judgements that agree on the truth.
    among_judged
        Accuracy among the judged patients, as if they were a random sample.
    corrected
        Accuracy corrected for verification bias, if the choice of the judged patients depends on
        the probability alone; see
        `pneumoscope.evaluation.statistics.verification_bias.correct_verification_bias`.
    """

    patients: int
    judged: int
    among_judged: DiagnosticAccuracy
    corrected: DiagnosticAccuracy


def judged_readings(session: Session, bundle: str, site: str | None) -> list[JudgedReading]:
    """Return the latest judgements of a bundle's findings at one or all sites, the oldest first.

    Judgements of images that were not read are left out: there is no finding to agree with.
    """
    statement = (
        latest_judgements()
        .join(Image, Image.id == Judgement.image_id)
        .join(StoredReading, StoredReading.image_id == Image.id)
        .join(Study, Study.id == Image.study_id)
        .add_columns(StoredReading.finding, Study)
        .where(
            StoredReading.bundle == bundle,
            StoredReading.finding.is_not(None),
            Image.withdrawn.is_(None),
        )
        .order_by(Judgement.created, Judgement.id)
    )
    if site is not None:
        statement = statement.where(Study.site_id == site)
    return [
        JudgedReading(
            patient=patient_key(study),
            image=judgement.image_id,
            answer=JudgementAnswer(judgement.answer),
            truth=truth_of(judgement, finding),
            created=judgement.created,
        )
        for judgement, finding, study in session.execute(statement)
    ]


def agreement(days: DateRange, judged: Iterable[JudgedReading]) -> Agreement:
    """Return the agreement of the judgements made in a range of days."""
    first_answers: dict[tuple[str, str], JudgementAnswer] = {}
    for reading in judged:
        if days.begin <= reading.created < days.end:
            first_answers.setdefault(reading.patient, reading.answer)
    counts = Counter(first_answers.values())
    agree, disagree = counts[JudgementAnswer.AGREE], counts[JudgementAnswer.DISAGREE]
    return Agreement(
        days, Proportion.of(agree, agree + disagree), counts[JudgementAnswer.UNCERTAIN]
    )


def judged_accuracy(
    observations: Sequence[Observation],
    judged: Iterable[JudgedReading],
    bundle: str,
    point: OperatingPoint,
) -> JudgedAccuracy:
    """Estimate sensitivity and specificity at an operating point from judgements.

    The strata of patients are those that the finding distinguishes: below the uncertain band, in it
    below the threshold, in it from the threshold on, and above it. Images, the oldest first, that
    another bundle read are ignored, and so are judgements of other images.
    """
    truths: dict[str, set[Truth]] = {}
    for reading in judged:
        if reading.truth is not None:
            truths.setdefault(reading.image, set()).add(reading.truth)
    counts: Counter[tuple[int, Truth | None]] = Counter()
    images = (
        observation
        for observation in observations
        if observation.bundle == bundle and observation.probability is not None
    )
    for image in first_per_patient(images):
        of_image = truths.get(image.image, set())
        truth = next(iter(of_image)) if len(of_image) == 1 else None
        counts[_stratum_number(image, point), truth] += 1
    strata = [
        Stratum(number >= 2, *(counts[number, truth] for truth in (*reversed(Truth), None)))
        for number in range(4)
    ]
    return JudgedAccuracy(
        patients=counts.total(),
        judged=sum(stratum.verified for stratum in strata),
        among_judged=accuracy_among_verified(strata),
        corrected=correct_verification_bias(strata),
    )


def _stratum_number(image: Observation, point: OperatingPoint) -> int:
    probability = image.probability or 0.0
    if probability >= point.threshold:
        return 3 if probability > point.high else 2
    return 1 if probability >= point.low else 0
