"""Agreement of clinicians with readings over time, and the accuracy that their judgements imply."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
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
    Truth,
    agrees_with,
    latest_judgements,
    truth_of,
)
from pneumoscope.evaluation.statistics.verification_bias import (
    DiagnosticAccuracy,
    Stratum,
    accuracy_among_verified,
    correct_verification_bias,
)
from pneumoscope.reader import Finding
from pneumoscope.report.operating_point import OperatingPoint

_UNCERTAIN = 4
"""Number of the stratum of uncertain findings, after those of the probability."""


@dataclass(frozen=True, slots=True)
class JudgedReading:
    """Reading of a bundle in use, with one clinician's latest judgement of it.

    Of a clinician who first gave an opinion without the reading and then answered to it, there are
    two: the opinion and the answer.
    """

    patient: tuple[str, str] = field(repr=False)
    image: str
    user: str = field(repr=False)
    blind: bool
    """Whether the clinician did not know the reading."""
    agrees: bool | None
    """Whether the clinician agrees with the reading; None if uncertain."""
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
        Patients whose reading is agreed with by somebody who has seen it, of those with agreement
        or disagreement. The first judgement of each patient counts.
    uncertain
        Number of patients whose first judgement of these is uncertain.
    blind_agree, blind_uncertain
        The same of opinions given without the reading, which it cannot have biased.
    changed
        Patients of whom a clinician said otherwise after seeing the reading than before, of those
        with both an opinion and an answer of one clinician. The first answer counts.
    """

    days: DateRange
    agree: Proportion
    uncertain: int
    blind_agree: Proportion
    blind_uncertain: int
    changed: Proportion


@dataclass(frozen=True, slots=True)
class JudgedAccuracy:
    """Sensitivity and specificity as far as judgements tell.

    Parameters
    ----------
    patients
        Number of patients with a reading; the first image of each counts.
    judged
        Number of them whose image has judgements that agree on the truth; each clinician's last
        one counts.
    blind
        Number of those for whom nobody had seen the reading.
    uncertain
        Number of patients whose finding is uncertain, since the server abstained: no call either
        way. As in the figures of a bundle, they count as neither found nor cleared.
    among_judged
        Accuracy among the judged patients, as if they were a random sample.
    corrected
        Accuracy corrected for verification bias, if the choice of the judged patients depends on
        the probability alone; see
        `pneumoscope.evaluation.statistics.verification_bias.correct_verification_bias`.
    """

    patients: int
    judged: int
    blind: int
    uncertain: int
    among_judged: DiagnosticAccuracy
    corrected: DiagnosticAccuracy


def judged_readings(session: Session, bundle: str, site: str | None) -> list[JudgedReading]:
    """Return the judgements of a bundle's findings at one or all sites, the oldest first.

    Of each clinician and image, the latest opinion without the reading and the latest answer to it.
    Judgements of images that were not read are left out: there is no finding to agree with.
    """
    judged = [
        reading
        for blind in (True, False)
        for reading in _judged_readings(session, bundle, site, blind=blind)
    ]
    return sorted(judged, key=lambda reading: reading.created)


def _judged_readings(
    session: Session, bundle: str, site: str | None, *, blind: bool
) -> Iterator[JudgedReading]:
    statement = (
        latest_judgements(blind=blind)
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
    for judgement, finding, study in session.execute(statement):
        yield JudgedReading(
            patient=patient_key(study),
            image=judgement.image_id,
            user=judgement.user_id,
            blind=blind,
            agrees=agrees_with(judgement, finding),
            truth=truth_of(judgement, finding),
            created=judgement.created,
        )


def agreement(days: DateRange, judged: Sequence[JudgedReading]) -> Agreement:
    """Return the agreement of the judgements made in a range of days.

    `changed` counts in the days of the answer.
    """
    in_days = [reading for reading in judged if days.begin <= reading.created < days.end]
    agree, uncertain = _first_per_patient(reading for reading in in_days if not reading.blind)
    blind_agree, blind_uncertain = _first_per_patient(
        reading for reading in in_days if reading.blind
    )
    opinions = {(reading.image, reading.user): reading.truth for reading in judged if reading.blind}
    changes: dict[tuple[str, str], bool] = {}
    for reading in in_days:
        place = reading.image, reading.user
        if not reading.blind and place in opinions:
            changes.setdefault(reading.patient, opinions[place] is not reading.truth)
    changed = Proportion.of(sum(changes.values()), len(changes))
    return Agreement(days, agree, uncertain, blind_agree, blind_uncertain, changed)


def _first_per_patient(judged: Iterable[JudgedReading]) -> tuple[Proportion, int]:
    """Return the agreement by the first judgement of each patient, and how many are uncertain."""
    first: dict[tuple[str, str], bool | None] = {}
    for reading in judged:
        first.setdefault(reading.patient, reading.agrees)
    counts = Counter(first.values())
    return Proportion.of(counts[True], counts[True] + counts[False]), counts[None]


def judged_accuracy(
    observations: Sequence[Observation],
    judged: Iterable[JudgedReading],
    bundle: str,
    name: str,
    point: OperatingPoint,
) -> JudgedAccuracy:
    """Estimate sensitivity and specificity at an operating point from judgements.

    The strata of patients are those that the finding distinguishes: below the uncertain band, in it
    below the threshold, in it from the threshold on, and above it; and those whose finding at the
    named operating point is uncertain. Images, the oldest first, that another bundle read are
    ignored, and so are judgements of other images.
    """
    # The last judgement of each clinician: an answer replaces the opinion before it.
    last = {(reading.image, reading.user): reading for reading in judged}
    truths: dict[str, set[Truth]] = {}
    seen: set[str] = set()
    for reading in last.values():
        if reading.truth is not None:
            truths.setdefault(reading.image, set()).add(reading.truth)
        if not reading.blind:
            seen.add(reading.image)
    blind = 0
    counts: Counter[tuple[int, Truth | None]] = Counter()
    images = (
        observation
        for observation in observations
        if observation.bundle == bundle and observation.probability is not None
    )
    for image in first_per_patient(images):
        of_image = truths.get(image.image, set())
        truth = next(iter(of_image)) if len(of_image) == 1 else None
        blind += truth is not None and image.image not in seen
        counts[_stratum_number(image, name, point), truth] += 1
    strata = _strata(counts, uncertain_called=False)
    return JudgedAccuracy(
        patients=counts.total(),
        judged=sum(stratum.verified for stratum in strata),
        blind=blind,
        uncertain=sum(count for (number, _), count in counts.items() if number == _UNCERTAIN),
        among_judged=_accuracy(counts, accuracy_among_verified),
        corrected=_accuracy(counts, correct_verification_bias),
    )


def _accuracy(
    counts: Counter[tuple[int, Truth | None]],
    estimate: Callable[[Sequence[Stratum]], DiagnosticAccuracy],
) -> DiagnosticAccuracy:
    """Return the share of the ill that are found, and of the well that are cleared."""
    found, cleared = (
        estimate(_strata(counts, uncertain_called=called)) for called in (False, True)
    )
    return DiagnosticAccuracy(found.sensitivity, cleared.specificity)


def _strata(counts: Counter[tuple[int, Truth | None]], *, uncertain_called: bool) -> list[Stratum]:
    return [
        Stratum(
            uncertain_called if number == _UNCERTAIN else number >= 2,
            *(counts[number, truth] for truth in (*reversed(Truth), None)),
        )
        for number in range(_UNCERTAIN + 1)
    ]


def _stratum_number(image: Observation, name: str, point: OperatingPoint) -> int:
    if image.findings.get(name) == Finding.UNCERTAIN:
        return _UNCERTAIN
    probability = image.probability or 0.0
    if probability >= point.threshold:
        return 3 if probability > point.high else 2
    return 1 if probability >= point.low else 0
