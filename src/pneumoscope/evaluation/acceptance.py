"""Acceptance of a bundle after local validation: criteria, outcome and reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from pneumoscope.report.estimate import Estimate
from pneumoscope.support.errors import PredictionsError

MIN_PATIENTS_PER_CLASS = 20
"""Fewest patients of each class for an outcome other than undecided."""

CRITERION_LABELS = {
    "auc": "AUC",
    "rejected": "share of radiographs not read",
    "slope": "calibration slope",
    "intercept": "calibration in the large",
}
"""Names of the criteria in reports, where they differ from the criteria's own."""

_INDEPENDENT_OF_RECALIBRATION = ("auc", "rejected")
"""Criteria that recalibration cannot change."""

_OF_CALIBRATION = ("slope", "intercept")
"""Criteria that recalibration always meets."""

_MAX_SAMPLE_SIZE = 1_000_000
"""Largest practical sample, in images."""


class State(StrEnum):
    """State of a criterion, by its whole interval."""

    MET = "met"
    FAILED = "failed"
    UNDECIDED = "undecided"


class Outcome(StrEnum):
    """Outcome of a local validation."""

    FIT = "fit for this population"
    AFTER_RECALIBRATION = "fit after recalibration"
    NOT_FIT = "not fit"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Requirements:
    """Requirements of a hospital at the operating point that it intends to use.

    Parameters
    ----------
    min_auc, min_sensitivity, min_specificity
        Lowest acceptable value, within [0, 1].
    max_rejected
        Largest acceptable share of radiographs that is not read.
    slope_range
        Smallest and largest acceptable calibration slope.
    max_intercept
        Largest acceptable calibration in the large, in either direction, in log-odds.

    Raises
    ------
    PredictionsError
        If a lowest value is outside [0, 1].
    """

    min_auc: float = 0.90
    min_sensitivity: float = 0.95
    min_specificity: float = 0.80
    max_rejected: float = 0.10
    slope_range: tuple[float, float] = (0.5, 2.0)
    max_intercept: float = 1.0

    def __post_init__(self) -> None:
        for name in ("min_auc", "min_sensitivity", "min_specificity"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                option = name.replace("_", "-")
                raise PredictionsError(f"--{option} must be between 0 and 1, not {value:g}")


@dataclass(frozen=True, slots=True)
class Criterion:
    """Criterion: an estimate and its acceptable range, ``low`` to ``high``, without an end if None.

    The estimate may be that after recalibration on these images.
    """

    name: str
    recalibrated: bool
    estimate: Estimate
    low: float | None = None
    high: float | None = None

    @property
    def state(self) -> State:
        """Met if the whole interval is acceptable, failed if all of it is not."""
        if self.estimate.interval is None:
            return State.UNDECIDED
        first, last = self.estimate.interval
        low = float("-inf") if self.low is None else self.low
        high = float("inf") if self.high is None else self.high
        if last < low or first > high:
            return State.FAILED
        return State.MET if low <= first and last <= high else State.UNDECIDED

    @property
    def expected_state(self) -> State:
        """State with many more images, if the value stayed the same."""
        value = self.estimate.value
        if value is None or value in (self.low, self.high):
            return State.UNDECIDED
        acceptable = (self.low is None or value > self.low) and (
            self.high is None or value < self.high
        )
        return State.MET if acceptable else State.FAILED

    def sample_factor(self) -> float | None:
        """Return how many times as many images would settle an undecided criterion.

        The interval is taken as symmetric with its longer arm, since one that ends at 0 or 1 is cut
        off; it shrinks with the root of the number of patients. None where the value is at the end
        of the acceptable range or has no interval.
        """
        value, interval = self.estimate.value, self.estimate.interval
        if value is None or interval is None or self.expected_state is State.UNDECIDED:
            return None
        arm = max(interval[1] - value, value - interval[0])
        distances = [abs(limit - value) for limit in (self.low, self.high) if limit is not None]
        return max(1.0, (arm / min(distances)) ** 2)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Outcome of a local validation, the rule that it follows from, and its reasons.

    The reasons are sentences on the criteria that failed or are undecided. ``sample_size`` is the
    number of images, with the same prevalence, that would settle the undecided criteria if their
    values stayed the same; None if the outcome is settled, or if no practical number would do.
    """

    outcome: Outcome
    reasons: tuple[str, ...]
    rule: str
    criteria: tuple[Criterion, ...]
    sample_size: int | None


def decide_acceptance(
    criteria: Sequence[Criterion], n: int, patients: tuple[int, int], requirements: Requirements
) -> Acceptance:
    """Return the outcome that follows from the criteria.

    Parameters
    ----------
    criteria
        ``auc``, ``rejected``, ``sensitivity``, ``specificity``, ``slope`` and ``intercept`` before
        recalibration, and where they could be estimated ``sensitivity`` and ``specificity`` after
        it.
    n
        Number of images that they were estimated on.
    patients
        Numbers of patients with and without pneumonia; with fewer than `MIN_PATIENTS_PER_CLASS` of
        either the outcome is undecided.
    requirements
        Requirements that the criteria's ranges come from.

    Examples
    --------
    >>> poor = Criterion("auc", False, Estimate(0.5, 0.45, 0.55), low=0.9)
    >>> decide_acceptance([poor], 500, (100, 100), Requirements()).outcome.value
    'not fit'
    """
    too_few = min(patients) < MIN_PATIENTS_PER_CLASS
    outcome = Outcome.UNDECIDED if too_few else _outcome(criteria)
    reasons = [_sentence(criterion) for criterion in _decisive(criteria, outcome)]
    sample_size = None
    if too_few:
        reasons.insert(
            0,
            f"fewer than {MIN_PATIENTS_PER_CLASS} patients with or without pneumonia: too few for "
            "a verdict",
        )
        sample_size = ceil(n * MIN_PATIENTS_PER_CLASS / max(1, min(patients)))
    elif outcome is Outcome.UNDECIDED:
        sample_size = _sample_size(criteria, n)
    return Acceptance(outcome, tuple(reasons), _rule(requirements), tuple(criteria), sample_size)


def _outcome(criteria: Sequence[Criterion]) -> Outcome:
    before = [criterion for criterion in criteria if not criterion.recalibrated]
    after = _after_recalibration(criteria)
    not_met = [criterion for criterion in before if criterion.state is not State.MET]
    if not not_met:
        return Outcome.FIT
    if any(_fails_for_good(criterion, after) for criterion in before):
        return Outcome.NOT_FIT
    # An estimate that cannot be computed is no reason to recalibrate.
    reasons = [criterion for criterion in not_met if criterion.estimate.interval is not None]
    lasting = [criterion for criterion in before if criterion.name in _INDEPENDENT_OF_RECALIBRATION]
    settled = all(criterion.state is State.MET for criterion in (*lasting, *after.values()))
    if after and settled and reasons:
        return Outcome.AFTER_RECALIBRATION
    return Outcome.UNDECIDED


def _after_recalibration(criteria: Sequence[Criterion]) -> dict[str, Criterion]:
    return {criterion.name: criterion for criterion in criteria if criterion.recalibrated}


def _fails_for_good(criterion: Criterion, after: Mapping[str, Criterion]) -> bool:
    """Return whether a criterion fails, and would also do so after recalibration."""
    if criterion.state is not State.FAILED or criterion.name in _OF_CALIBRATION:
        return False
    if criterion.name in _INDEPENDENT_OF_RECALIBRATION or criterion.name not in after:
        return True
    return after[criterion.name].state is State.FAILED


def _decisive(criteria: Sequence[Criterion], outcome: Outcome) -> list[Criterion]:
    """Return the criteria that are stated as reasons for the outcome."""
    after = _after_recalibration(criteria)
    if outcome is Outcome.NOT_FIT:
        names = {criterion.name for criterion in criteria if _fails_for_good(criterion, after)}
        return [criterion for criterion in criteria if criterion.name in names]
    not_met = [criterion for criterion in criteria if criterion.state is not State.MET]
    if outcome is Outcome.AFTER_RECALIBRATION:
        return [criterion for criterion in not_met if not criterion.recalibrated]
    return not_met


def _sample_size(criteria: Sequence[Criterion], n: int) -> int | None:
    """Return the number of images after which one criterion would fail for good, or all be met."""
    undecided = [criterion for criterion in criteria if criterion.state is State.UNDECIDED]
    failing = [
        criterion
        for criterion in undecided
        if criterion.name in _INDEPENDENT_OF_RECALIBRATION
        and criterion.expected_state is State.FAILED
    ]
    factors = [criterion.sample_factor() for criterion in failing or undecided]
    known = [factor for factor in factors if factor is not None]
    if not known or (len(known) < len(factors) and not failing):
        return None
    factor = min(known) if failing else max(known)
    return None if n * factor > _MAX_SAMPLE_SIZE else ceil(n * factor)


def _sentence(criterion: Criterion) -> str:
    limits = [
        f"{word} {limit:g}"
        for word, limit in (("at least", criterion.low), ("at most", criterion.high))
        if limit is not None
    ]
    name = CRITERION_LABELS.get(criterion.name, criterion.name)
    stage = " with calibration and threshold fitted here" if criterion.recalibrated else ""
    if criterion.estimate.interval is None:
        return f"{name}{stage}: cannot be computed on these images"
    verb = {
        State.FAILED: "is not",
        State.UNDECIDED: "may or may not be",
        State.MET: "is",
    }[criterion.state]
    return f"{name}{stage}: {criterion.estimate} {verb} {' and '.join(limits)}"


def _rule(required: Requirements) -> str:
    min_slope, max_slope = required.slope_range
    return (
        f"Fit: the whole 95 % intervals show an AUC of at least {required.min_auc:g} "
        f"and, at the operating point, a sensitivity of at least {required.min_sensitivity:g} and "
        f"a specificity of at least {required.min_specificity:g}, with at most "
        f"{required.max_rejected:.0%} of radiographs not read, a calibration slope from "
        f"{min_slope:g} to {max_slope:g} and calibration in the large within "
        f"{required.max_intercept:g} of 0 in log-odds. Fit after recalibration: not so, but AUC "
        "and the share not read, and sensitivity and specificity with calibration and threshold "
        "fitted to others of these (five folds, patients whole), meet their requirements. Not fit: "
        "AUC or the share not read fails its requirement with the whole interval, or sensitivity "
        "or specificity does so both before and after recalibration. Undecided: none of these, or "
        f"fewer than {MIN_PATIENTS_PER_CLASS} patients of either class (images, where patients are "
        "unknown)."
    )
