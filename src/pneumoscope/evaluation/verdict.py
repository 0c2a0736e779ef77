"""The verdict of a local validation: whether a reader may be relied on here, by a stated rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from pneumoscope.errors import PredictionsError
from pneumoscope.evaluation.intervals import Estimate

_MOST = 1_000_000
"""Images beyond which no sample is called practical."""


class State(StrEnum):
    """Whether a criterion is met, by its whole interval."""

    MET = "met"
    FAILED = "failed"
    UNDECIDED = "undecided"


class Answer(StrEnum):
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
        interval = self.estimate.interval
        if interval is None:
            return State.UNDECIDED
        low = float("-inf") if self.low is None else self.low
        high = float("inf") if self.high is None else self.high
        if interval.high < low or interval.low > high:
            return State.FAILED
        return State.MET if low <= interval.low and interval.high <= high else State.UNDECIDED

    def factor_needed(self) -> float | None:
        """Return how many times as many images would settle an undecided criterion.

        The interval's arm towards the limit shrinks with the root of the number of patients, and
        the figure is taken to stay where it is. None where the figure lies on the limit or is
        undefined.
        """
        value, interval = self.estimate.value, self.estimate.interval
        if value is None or interval is None:
            return None
        factors = []
        for limit in (self.low, self.high):
            if limit is None or not interval.low <= limit <= interval.high:
                continue
            arm = interval.high - value if limit > value else value - interval.low
            if limit == value:
                return None
            factors.append((arm / abs(limit - value)) ** 2)
        return max(factors, default=1.0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was concluded, why, and what would settle it.

    Parameters
    ----------
    answer
        See `Answer`.
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

    answer: Answer
    reasons: tuple[str, ...]
    rule: str
    criteria: tuple[Criterion, ...]
    sample: int | None


def decide(criteria: Sequence[Criterion], n: int, requirements: Requirements) -> Verdict:
    """Conclude from the criteria.

    Parameters
    ----------
    criteria
        Named ``auc``, ``sensitivity``, ``specificity``, ``slope`` and ``intercept`` as the reader
        is, and ``sensitivity`` and ``specificity`` recalibrated.
    n
        Images that they were measured on.
    requirements
        Whose limits the criteria carry.

    Examples
    --------
    >>> from pneumoscope.evaluation.intervals import Interval
    >>> poor = Criterion("auc", False, Estimate(0.5, Interval(0.45, 0.55)), low=0.9)
    >>> decide([poor], 500, Requirements()).answer.value
    'not fit'
    """
    as_it_is = [one for one in criteria if not one.recalibrated]
    ranking = [one for one in as_it_is if one.name == "auc"]
    after = ranking + [one for one in criteria if one.recalibrated]
    if _all(as_it_is, State.MET):
        answer, decisive = Answer.FIT, as_it_is
    elif any(one.recalibrated for one in criteria) and _all(after, State.MET):
        answer, decisive = Answer.AFTER_RECALIBRATION, [*as_it_is, *after]
    elif _any(after, State.FAILED):
        answer, decisive = Answer.NOT_FIT, after
    else:
        answer, decisive = Answer.UNDECIDED, [one for one in after if one.state is State.UNDECIDED]
    reasons = tuple(_words(one) for one in dict.fromkeys(decisive) if one.state is not State.MET)
    sample = _sample(decisive, n) if answer is Answer.UNDECIDED else None
    return Verdict(answer, reasons, _rule(requirements), tuple(criteria), sample)


def _all(criteria: Sequence[Criterion], state: State) -> bool:
    return all(one.state is state for one in criteria)


def _any(criteria: Sequence[Criterion], state: State) -> bool:
    return any(one.state is state for one in criteria)


def _sample(criteria: Sequence[Criterion], n: int) -> int | None:
    factors = [one.factor_needed() for one in criteria]
    if not factors or any(factor is None for factor in factors):
        return None
    wanted = ceil(n * max(factor for factor in factors if factor is not None))
    return wanted if wanted <= _MOST else None


def _words(criterion: Criterion) -> str:
    limits = [
        f"{word} {limit:g}"
        for word, limit in (("at least", criterion.low), ("at most", criterion.high))
        if limit is not None
    ]
    stage = " after recalibration" if criterion.recalibrated else ""
    said = "is not" if criterion.state is State.FAILED else "may or may not be"
    return f"{criterion.name}{stage}: {criterion.estimate} {said} {' and '.join(limits)}"


def _rule(asked: Requirements) -> str:
    least, greatest = asked.slope
    return (
        f"Fit: the whole 95 % intervals, by patient, keep an AUC of at least {asked.auc:g} and, at "
        f"the operating point, a sensitivity of at least {asked.sensitivity:g} and a specificity "
        f"of at least {asked.specificity:g}, with a calibration slope from {least:g} to "
        f"{greatest:g} and calibration in the large within {asked.intercept:g} of 0 in log-odds. "
        "Fit after recalibration: not that, but AUC, and sensitivity and specificity with "
        "calibration and threshold fitted anew on other patients of these (five folds), keep "
        "their limits. Not fit: one of those three, so recalibrated, breaks its limit with its "
        "whole interval. Undecided: none of these."
    )
