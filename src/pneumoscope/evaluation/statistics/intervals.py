"""Figures with their intervals: what every judgement is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TypeAlias

Z = 1.959963984540054
"""The 97.5 % point of the standard normal distribution."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval, from ``low`` to ``high``."""

    low: float
    high: float

    def to_json(self) -> list[float]:
        """Return the two ends."""
        return [self.low, self.high]


Intervals: TypeAlias = Mapping[str, Interval | None]
"""The interval of each metric by its name; None where there is none."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval; either is None where it is undefined."""

    value: float | None
    interval: Interval | None = None

    def __str__(self) -> str:
        """Return the figure as reports state it.

        Examples
        --------
        >>> str(Estimate(0.9, Interval(0.85, 0.94))), str(Estimate(None))
        ('0.900 (0.850 to 0.940)', 'undefined')
        """
        if self.value is None:
            return "undefined"
        if self.interval is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.interval.low:.3f} to {self.interval.high:.3f})"


def never_certain(estimate: Estimate, patients: int) -> Estimate:
    """Give an estimate of exactly 0 or 1 Wilson's interval of so many patients.

    A bootstrap of images that are all alike never draws another, and so would call a handful
    certain. For an AUC, of the smaller class, that is cautious.

    Parameters
    ----------
    estimate
        A share, or an AUC, with its bootstrap interval.
    patients
        That it rests on.

    Examples
    --------
    >>> str(never_certain(Estimate(1.0, Interval(1.0, 1.0)), 16))
    '1.000 (0.806 to 1.000)'
    """
    if estimate.interval is None or estimate.value not in (0.0, 1.0):
        return estimate
    return Estimate(estimate.value, wilson(round(estimate.value * patients), patients))


def weighted_sum(parts: Sequence[tuple[float, Estimate]]) -> Estimate:
    """Return a weighted sum of independent figures, with an interval from theirs.

    The distance to either end is the root of the sum of the squares of each part's distance to the
    end that lies that way (MOVER, the method of variance estimates recovery).

    Parameters
    ----------
    parts
        Weights, of either sign, and figures that rest on different images.

    Returns
    -------
    Estimate
        Undefined if a figure is; without interval if one has none.

    References
    ----------
    Zou GY, Donner A. Construction of confidence limits about effect measures: a general approach.
    Statistics in Medicine 27:1693-1702, 2008.

    Examples
    --------
    >>> eight, nine = Estimate(0.8, Interval(0.7, 0.9)), Estimate(0.9, Interval(0.8, 0.95))
    >>> str(weighted_sum([(1, nine), (-1, eight)]))
    '0.100 (-0.041 to 0.212)'
    """
    value, below, above = 0.0, 0.0, 0.0
    bounded = True
    for weight, part in parts:
        if part.value is None:
            return Estimate(None)
        value += weight * part.value
        if part.interval is None:
            bounded = False
            continue
        ends = sorted((weight * part.interval.low, weight * part.interval.high))
        below += (weight * part.value - ends[0]) ** 2
        above += (ends[1] - weight * part.value) ** 2
    if not bounded:
        return Estimate(value)
    return Estimate(value, Interval(value - sqrt(below), value + sqrt(above)))


def wilson(part: int, whole: int) -> Interval | None:
    """Return Wilson's 95 % score interval of the share ``part / whole``; None of nothing.

    References
    ----------
    Wilson EB. Probable inference, the law of succession, and statistical inference. Journal of the
    American Statistical Association 22:209-212, 1927.

    Examples
    --------
    >>> wilson(0, 10).high.__round__(4)
    0.2775
    """
    if whole == 0:
        return None
    share, square = part / whole, Z * Z
    centre = (share + square / (2 * whole)) / (1 + square / whole)
    half = Z * sqrt(share * (1 - share) / whole + square / (4 * whole**2)) / (1 + square / whole)
    # Exactly 0 and 1 at the ends, where rounding would leave a little beside them.
    return Interval(
        0.0 if part == 0 else max(0.0, centre - half),
        1.0 if part == whole else min(1.0, centre + half),
    )
