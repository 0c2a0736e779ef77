"""Confidence intervals of proportions, and of sums and ratios of independent estimates."""

from collections.abc import Sequence
from math import sqrt

from pneumoscope.report.estimate import Estimate

Z = 1.959963984540054
"""The 97.5 % point of the standard normal distribution."""


def proportion(count: float, total: float) -> Estimate:
    """Return ``count / total`` with Wilson's 95 % score interval; undefined where total is 0.

    Effective numbers, such as those of patients behind images, need not be whole.

    References
    ----------
    Wilson EB. Probable inference, the law of succession, and statistical inference. Journal of the
    American Statistical Association 22:209-212, 1927.

    Examples
    --------
    >>> print(proportion(0, 10), proportion(9, 10), proportion(0, 0), sep="; ")
    0.000 (0.000 to 0.278); 0.900 (0.596 to 0.982); undefined
    """
    if total == 0:
        return Estimate(None)
    share, square = count / total, Z * Z
    centre = (share + square / (2 * total)) / (1 + square / total)
    half = Z * sqrt(share * (1 - share) / total + square / (4 * total**2)) / (1 + square / total)
    # Exactly 0 and 1 at the ends, where rounding would leave a little beside them.
    return Estimate(
        share,
        0.0 if count == 0 else max(0.0, centre - half),
        1.0 if count == total else min(1.0, centre + half),
    )


def widen_certain(estimate: Estimate, patients: int) -> Estimate:
    """Return an estimate of exactly 0 or 1 with Wilson's interval; any other one as it is.

    A bootstrap of images that are all classified alike never draws another result, so its interval
    has no width. For an AUC, Wilson's interval of the smaller class is conservative.

    Parameters
    ----------
    estimate
        A proportion, or an AUC, with its bootstrap interval.
    patients
        Number of patients that it is based on.

    Examples
    --------
    >>> str(widen_certain(Estimate(1.0, 1.0, 1.0), 16))
    '1.000 (0.806 to 1.000)'
    """
    if estimate.interval is None or estimate.value not in (0.0, 1.0):
        return estimate
    return proportion(round(estimate.value * patients), patients)


def weighted_sum(terms: Sequence[tuple[float, Estimate]]) -> Estimate:
    """Return a weighted sum of independent estimates, with an interval from theirs.

    The distance to either end is the root of the sum of the squares of each term's distance to the
    end that lies that way (MOVER, the method of variance estimates recovery).

    Parameters
    ----------
    terms
        Weights, of either sign, and estimates that are based on different images.

    Returns
    -------
    Estimate
        Undefined if a term is; without interval if a term has none.

    References
    ----------
    Zou GY, Donner A. Construction of confidence limits about effect measures: a general approach.
    Statistics in Medicine 27:1693-1702, 2008.

    Examples
    --------
    >>> print(weighted_sum([(1, Estimate(0.9, 0.8, 0.95)), (-1, Estimate(0.8, 0.7, 0.9))]))
    0.100 (−0.041 to 0.212)
    """
    value, below, above = 0.0, 0.0, 0.0
    bounded = True
    for weight, term in terms:
        if term.value is None:
            return Estimate(None)
        value += weight * term.value
        if term.interval is None:
            bounded = False
            continue
        low, high = sorted(weight * end for end in term.interval)
        below += (weight * term.value - low) ** 2
        above += (high - weight * term.value) ** 2
    return Estimate(value, value - sqrt(below), value + sqrt(above)) if bounded else Estimate(value)


def ratio(numerator: Estimate, denominator: Estimate) -> Estimate:
    """Return the ratio of two independent proportions, with an interval from theirs (MOVER-R).

    It has a width where the numerator is 0, too. Undefined if either is, or the denominator is 0.

    Parameters
    ----------
    numerator, denominator
        Proportions with their intervals, based on different images.

    References
    ----------
    Donner A, Zou GY. Closed-form confidence intervals for functions of the normal mean and standard
    deviation. Statistical Methods in Medical Research 21:347-359, 2012.

    Examples
    --------
    >>> print(ratio(proportion(0, 50), proportion(10, 20)))
    0.000 (0.000 to 0.156)
    """
    first, second = numerator.value, denominator.value
    if first is None or not second:
        return Estimate(None)
    if numerator.interval is None or denominator.interval is None:
        return Estimate(first / second)
    (low, high), (least, most) = numerator.interval, denominator.interval
    product = first * second
    below = low * (2 * first - low)
    root = sqrt(product**2 - below * most * (2 * second - most))
    above, bound = high * (2 * first - high), least * (2 * second - least)
    return Estimate(
        first / second,
        below / (product + root) if below else 0.0,
        (product + sqrt(product**2 - above * bound)) / bound,
    )
