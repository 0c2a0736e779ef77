"""Post-test probability: what a finding means at the prevalence of the place where it is made."""

import math
from dataclasses import dataclass

from pneumoscope.report.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Prevalence:
    """Prevalence of pneumonia among the patients examined: a range, or one value at both ends.

    Parameters
    ----------
    low, high
        Ends of the range, above 0 and below 1, both included.

    Raises
    ------
    ValueError
        If an end is not between 0 and 1, or the first is above the second.

    Examples
    --------
    >>> str(Prevalence(0.05, 0.3)), str(Prevalence(0.125, 0.125))
    ('5 to 30 %', '12.5 %')
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high < 1:
            raise ValueError("a prevalence is above 0 and below 1, the lower end first")

    def __str__(self) -> str:
        """Return the prevalence in percent."""
        ends = dict.fromkeys((f"{100 * self.low:g}", f"{100 * self.high:g}"))
        return f"{' to '.join(ends)} %"


UNKNOWN_PREVALENCE = Prevalence(0.05, 0.3)
"""Range that is assumed where nobody stated the prevalence; wide, since sites differ that much."""


@dataclass(frozen=True, slots=True)
class PostTestProbability:
    """Share of patients with a finding who have pneumonia; its name for patients is PPV or 1 - NPV.

    Parameters
    ----------
    low, high
        Lowest and highest share, over the prevalence's range and the likelihood ratio's interval.
    value
        Share at the likelihood ratio's estimate; None where the prevalence is a range.
    prevalence
        Prevalence before the examination.

    Examples
    --------
    >>> print(post_test_probability(Estimate(9.0, 6.0, 18.0), Prevalence(0.1, 0.1)))
    of 100 such patients about 50 (40 to 67) have pneumonia, at a prevalence of 10 %
    >>> print(post_test_probability(Estimate(0.0071, 0.0015, 0.0139), UNKNOWN_PREVALENCE))
    of 100 such patients fewer than 1 have pneumonia, at a prevalence of 5 to 30 %
    """

    low: float
    high: float
    value: float | None
    prevalence: Prevalence

    def __str__(self) -> str:
        """Return the share as a number of 100 patients, in words."""
        ends = [f"{100 * self.low:.0f}", f"{100 * self.high:.0f}"]
        if self.high < 0.01:
            share = "fewer than 1"
        elif self.low > 0.99:
            share = "more than 99"
        elif self.value is not None:
            share = f"about {100 * self.value:.0f} ({' to '.join(ends)})"
        else:
            share = f"about {' to '.join(dict.fromkeys(ends))}"
        return f"of 100 such patients {share} have pneumonia, at a prevalence of {self.prevalence}"


def post_test_probability(
    likelihood_ratio: Estimate, prevalence: Prevalence
) -> PostTestProbability | None:
    """Return the post-test probability by Bayes' theorem; None where the ratio is undefined.

    Post-test odds are pre-test odds times the likelihood ratio. Without an interval of the ratio
    the ends are those of its value.

    Parameters
    ----------
    likelihood_ratio
        Likelihood ratio of the finding: LR+ if pneumonia is suspected, LR- if there is no sign.
    prevalence
        Prevalence before the examination.

    References
    ----------
    Deeks and Altman, "Diagnostic tests 4: likelihood ratios", BMJ 329, 168 (2004).

    Examples
    --------
    >>> found = post_test_probability(Estimate(4.0), Prevalence(0.2, 0.2))
    >>> found.value
    0.5
    """
    ratio = likelihood_ratio
    if ratio.value is None or not math.isfinite(ratio.value):
        return None
    low, high = ratio.interval or (ratio.value, ratio.value)
    is_range = prevalence.low < prevalence.high
    return PostTestProbability(
        _update(prevalence.low, low),
        _update(prevalence.high, high),
        None if is_range else _update(prevalence.low, ratio.value),
        prevalence,
    )


def pre_test_probability(ppv: Estimate | None, lr_positive: Estimate | None) -> float | None:
    """Return the prevalence among the images that a PPV and an LR+ were measured on.

    None where either is undefined or not stated.

    Examples
    --------
    >>> pre_test_probability(Estimate(0.5), Estimate(4.0))
    0.2
    """
    if ppv is None or lr_positive is None or ppv.value is None or not lr_positive.value:
        return None
    return ppv.value / (ppv.value + (1 - ppv.value) * lr_positive.value)


def _update(prevalence: float, ratio: float) -> float:
    if not math.isfinite(ratio):
        return 1.0
    odds = prevalence / (1 - prevalence) * ratio
    return odds / (1 + odds)
