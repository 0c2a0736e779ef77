"""The verdict of a local validation: whether a reader may be relied on here, by a stated rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from pneumoscope.report.estimate import Estimate
from pneumoscope.support.errors import PredictionsError

FEWEST = 20
"""Patients of a class with fewer than which nothing is decided."""

_LASTING = ("auc", "rejected")
"""Criteria that no recalibration mends."""

_CALIBRATION = ("slope", "intercept")

_MOST = 1_000_000
"""Images beyond which no sample is called practical."""


class State(StrEnum):
    """Whether a criterion is met, by its whole interval."""

    MET = "met"
    FAILED = "failed"
    UNDECIDED = "undecided"


class Outcome(StrEnum):
    """What a local validation concludes."""

    FIT = "fit for this population"
    AFTER_RECALIBRATION = "fit after recalibration"
    NOT_FIT = "not fit"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a hospital asks for, at the operating point at which it means to read.

    Parameters
    ----------
    auc, sensitivity, specificity
        The least, within [0, 1].
    rejected
        The greatest share of radiographs that is not read.
    slope
        Least and greatest calibration slope.
    intercept
        Greatest calibration in the large, either way, in log-odds.

    Raises
    ------
    PredictionsError
        If one is out of range.
    """

    auc: float = 0.90
    sensitivity: float = 0.95
    specificity: float = 0.80
    rejected: float = 0.10
    slope: tuple[float, float] = (0.5, 2.0)
    intercept: float = 1.0

    def __post_init__(self) -> None:
        for name in ("auc", "sensitivity", "specificity"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise PredictionsError(
                    f"a least {name} of {value} cannot be; give a number from 0 to 1, such as 0.9"
                )


@dataclass(frozen=True, slots=True)
class Criterion:
    """One figure and the limits that it must keep.

    Parameters
    ----------
    name
        Such as ``sensitivity``.
    recalibrated
        Whether the figure is what recalibration on these images would give.
    estimate
        The figure with its interval.
    low, high
        The limits; None where there is none.
    """

    name: str
    recalibrated: bool
    estimate: Estimate
    low: float | None = None
    high: float | None = None

    @property
    def state(self) -> State:
        """Met if the whole interval keeps the limits, failed if all of it breaks one."""
        if self.estimate.interval is None:
            return State.UNDECIDED
        first, last = self.estimate.interval
        low = float("-inf") if self.low is None else self.low
        high = float("inf") if self.high is None else self.high
        if last < low or first > high:
            return State.FAILED
        return State.MET if low <= first and last <= high else State.UNDECIDED

    def heads_for(self) -> State:
        """Return what it would become if the figure stayed and its interval shrank."""
        value = self.estimate.value
        limits = (self.low, self.high)
        if value is None or value in limits:
            return State.UNDECIDED
        low, high = self.low, self.high
        inside = (low is None or value > low) and (high is None or value < high)
        return State.MET if inside else State.FAILED

    def factor_needed(self) -> float | None:
        """Return how many times as many images would settle an undecided criterion.

        An interval's longer arm is taken for both, since one that ends at 0 or 1 is cut short; it
        shrinks with the root of the number of patients. None where the figure lies on a limit or
        has no interval.
        """
        value, interval = self.estimate.value, self.estimate.interval
        if value is None or interval is None or self.heads_for() is State.UNDECIDED:
            return None
        arm = max(interval[1] - value, value - interval[0])
        distances = [abs(limit - value) for limit in (self.low, self.high) if limit is not None]
        return max(1.0, (arm / min(distances)) ** 2)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What was concluded, why, and what would settle it.

    Parameters
    ----------
    answer
        See `Outcome`.
    reasons
        In words, one for each criterion that speaks against, or is open.
    rule
        By which it was concluded, in words.
    criteria
        All of them.
    sample
        Images in all, with the same share of pneumonia, that would settle the open criteria if
        their figures stayed as they are; None if the verdict is settled, or if no practical number
        would do.
    """

    answer: Outcome
    reasons: tuple[str, ...]
    rule: str
    criteria: tuple[Criterion, ...]
    sample: int | None


def decide(
    criteria: Sequence[Criterion], n: int, patients: tuple[int, int], requirements: Requirements
) -> Acceptance:
    """Conclude from the criteria.

    Parameters
    ----------
    criteria
        ``auc``, ``rejected``, ``sensitivity``, ``specificity``, ``slope`` and ``intercept`` as the
        reader is, and where it could be had ``sensitivity`` and ``specificity`` recalibrated.
    n
        Images that they were measured on.
    patients
        With and without pneumonia; with fewer than `FEWEST` of either nothing is decided.
    requirements
        Whose limits the criteria carry.

    Examples
    --------
    >>> poor = Criterion("auc", False, Estimate(0.5, 0.45, 0.55), low=0.9)
    >>> decide([poor], 500, (100, 100), Requirements()).answer.value
    'not fit'
    """
    answer = _answer(criteria) if min(patients) >= FEWEST else Outcome.UNDECIDED
    reasons = [_words(one) for one in _decisive(criteria, answer)]
    sample = None
    if min(patients) < FEWEST:
        reasons.insert(0, f"fewer than {FEWEST} patients with or without pneumonia: too few to say")
        sample = ceil(n * FEWEST / max(1, min(patients)))
    elif answer is Outcome.UNDECIDED:
        sample = _sample(criteria, n)
    return Acceptance(answer, tuple(reasons), _rule(requirements), tuple(criteria), sample)


def _answer(criteria: Sequence[Criterion]) -> Outcome:
    as_it_is = [one for one in criteria if not one.recalibrated]
    refitted = {one.name: one for one in criteria if one.recalibrated}
    open_ones = [one for one in as_it_is if one.state is not State.MET]
    if not open_ones:
        return Outcome.FIT
    if any(_is_beyond_mending(one, refitted) for one in as_it_is):
        return Outcome.NOT_FIT
    # What cannot be computed says nothing for or against, and is no ground to recalibrate.
    grounds = [one for one in open_ones if one.estimate.interval is not None]
    lasting = [one for one in as_it_is if one.name in _LASTING]
    settled = all(one.state is State.MET for one in (*lasting, *refitted.values()))
    if refitted and settled and grounds:
        return Outcome.AFTER_RECALIBRATION
    return Outcome.UNDECIDED


def _is_beyond_mending(criterion: Criterion, refitted: Mapping[str, Criterion]) -> bool:
    if criterion.state is not State.FAILED:
        return False
    if criterion.name in _LASTING:
        return True
    if criterion.name in _CALIBRATION:
        return False
    return criterion.name not in refitted or refitted[criterion.name].state is State.FAILED


def _decisive(criteria: Sequence[Criterion], answer: Outcome) -> list[Criterion]:
    """Return the criteria that are named as reasons."""
    refitted = {one.name: one for one in criteria if one.recalibrated}
    if answer is Outcome.NOT_FIT:
        names = {one.name for one in criteria if _is_beyond_mending(one, refitted)}
        return [one for one in criteria if one.name in names]
    if answer is Outcome.AFTER_RECALIBRATION:
        return [one for one in criteria if one.state is not State.MET and not one.recalibrated]
    return [one for one in criteria if one.state is not State.MET]


def _sample(criteria: Sequence[Criterion], n: int) -> int | None:
    """Return the images after which one criterion would fail for good, or all be met."""
    undecided = [one for one in criteria if one.state is State.UNDECIDED]
    lasting = [one for one in undecided if one.name in _LASTING]
    failing = [one.factor_needed() for one in lasting if one.heads_for() is State.FAILED]
    factors = [one.factor_needed() for one in undecided]
    if failing:
        factor = min((one for one in failing if one is not None), default=None)
    else:
        known = [one for one in factors if one is not None]
        factor = max(known) if known and len(known) == len(factors) else None
    if factor is None or n * factor > _MOST:
        return None
    return ceil(n * factor)


def _words(criterion: Criterion) -> str:
    limits = [
        f"{word} {limit:g}"
        for word, limit in (("at least", criterion.low), ("at most", criterion.high))
        if limit is not None
    ]
    name = TERMS.get(criterion.name, criterion.name)
    stage = " with calibration and threshold fitted here" if criterion.recalibrated else ""
    if criterion.estimate.interval is None:
        return f"{name}{stage}: cannot be computed on these images"
    said = {
        State.FAILED: "is not",
        State.UNDECIDED: "may or may not be",
        State.MET: "is",
    }[criterion.state]
    return f"{name}{stage}: {criterion.estimate} {said} {' and '.join(limits)}"


TERMS = {
    "auc": "AUC",
    "rejected": "share of radiographs that was not read",
    "slope": "calibration slope",
    "intercept": "calibration in the large",
}
"""What reports call the criteria, where that is not their name."""


def _rule(asked: Requirements) -> str:
    least, greatest = asked.slope
    return (
        f"Fit: the whole 95 % intervals, by patient, keep an AUC of at least {asked.auc:g} and, at "
        f"the operating point, a sensitivity of at least {asked.sensitivity:g} and a specificity "
        f"of at least {asked.specificity:g}, with at most {asked.rejected:.0%} of radiographs not "
        f"read, a calibration slope from {least:g} to {greatest:g} and calibration in the large "
        f"within {asked.intercept:g} of 0 in log-odds. Fit after recalibration: not that, but AUC "
        "and the share not read, and sensitivity and specificity with calibration and threshold "
        "fitted anew on other patients of these (five folds), keep their limits. Not fit: AUC or "
        "the share not read breaks its limit with its whole interval, or sensitivity or "
        "specificity does so both as it is and fitted anew. Undecided: none of these, or fewer "
        f"than {FEWEST} patients of either class."
    )
