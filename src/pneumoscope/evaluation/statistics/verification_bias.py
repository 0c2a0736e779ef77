"""Sensitivity and specificity where only some patients' truth is known, chosen by the test."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats
from pneumoscope.evaluation.statistics.bootstrap import percentile_interval
from pneumoscope.evaluation.statistics.intervals import proportion
from pneumoscope.report.estimate import Estimate

_DRAWS = 10_000


@dataclass(frozen=True, slots=True)
class Stratum:
    """Patients of whom the test said about the same.

    Parameters
    ----------
    called
        Whether the test calls them ill.
    ill, well
        Those verified, by their truth.
    unverified
        Those whose truth is not known.
    """

    called: bool
    ill: int
    well: int
    unverified: int

    @property
    def verified(self) -> int:
        """Those whose truth is known."""
        return self.ill + self.well


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Sensitivity and specificity, with 95 % intervals."""

    sensitivity: Estimate
    specificity: Estimate


UNKNOWN = Accuracy(Estimate(None), Estimate(None))


def among_verified(strata: Sequence[Stratum]) -> Accuracy:
    """Return the accuracy among the verified alone, with Wilson's intervals.

    Examples
    --------
    >>> str(among_verified([Stratum(True, 8, 1, 0), Stratum(False, 2, 9, 40)]).sensitivity)
    '0.800 (0.490 to 0.943)'
    """
    return Accuracy(
        proportion(sum(one.ill for one in strata if one.called), sum(one.ill for one in strata)),
        proportion(
            sum(one.well for one in strata if not one.called), sum(one.well for one in strata)
        ),
    )


def corrected(strata: Sequence[Stratum], seed: int = 0) -> Accuracy:
    """Return the accuracy of all, where who was verified depends on the stratum alone.

    Within a stratum the share of the ill is taken to be the same among the unverified. Strata that
    the test calls the same are put together if one has no verified patient.

    Parameters
    ----------
    strata
        One patient counts once. With two, called and not called, it is the method of Begg and
        Greenes [1]_; more are their version with covariates.
    seed
        The same seed gives the same intervals.

    Returns
    -------
    Accuracy
        Undefined if nobody was verified of those called ill, or of the others. Intervals hold the
        middle 95 % of 10,000 draws: of each stratum's share of the ill from its posterior under
        Jeffreys' prior [2]_, of the strata's sizes by Bayesian bootstrap [3]_. A resampling of the
        verified would call it certain that nobody was missed where none of a few verified was.

    References
    ----------
    .. [1] Begg CB, Greenes RA. Assessment of diagnostic tests when disease verification is subject
       to selection bias. Biometrics 39:207-215, 1983.
    .. [2] Brown LD, Cai TT, DasGupta A. Interval estimation for a binomial proportion. Statistical
       Science 16:101-133, 2001.
    .. [3] Rubin DB. The Bayesian bootstrap. Annals of Statistics 9:130-134, 1981.

    Examples
    --------
    Of those not called ill few were verified, and so most of the ill among them were not seen:

    >>> accuracy = corrected([Stratum(True, 80, 20, 0), Stratum(False, 10, 40, 450)])
    >>> str(accuracy.sensitivity)
    '0.444 (0.313 to 0.605)'
    """
    pooled = [
        one
        for called in (True, False)
        for one in _pooled([each for each in strata if each.called == called])
    ]
    if {one.called for one in pooled} != {True, False} or not all(one.verified for one in pooled):
        return UNKNOWN
    cells = np.array([(one.ill, one.well, one.unverified) for one in pooled], np.float64)
    ill, verified, sizes = cells[:, 0], cells[:, :2].sum(1), cells.sum(1)
    called = np.array([one.called for one in pooled])
    rng = np.random.default_rng(seed)
    shares = rng.beta(ill + 0.5, verified - ill + 0.5, (_DRAWS, len(pooled)))
    draws = _rates(rng.dirichlet(sizes, _DRAWS), shares, called)
    found = _rates(sizes[None], (ill / verified)[None], called)
    return Accuracy(*(_estimate(found[i, 0], draws[i]) for i in (0, 1)))


def _pooled(strata: list[Stratum]) -> list[Stratum]:
    """Put strata together if one has no verified patient, and leave out those without any."""
    peopled = [one for one in strata if one.verified + one.unverified]
    if all(one.verified for one in peopled):
        return peopled
    sums = (sum(getattr(one, part) for one in peopled) for part in ("ill", "well", "unverified"))
    return [Stratum(peopled[0].called, *sums)]


def _rates(sizes: Floats, shares: Floats, called: NDArray[np.bool_]) -> Floats:
    """Return sensitivity and specificity, shape (2, draws), of arrays of (draws, strata)."""
    ill, well = sizes * shares, sizes * (1 - shares)
    with np.errstate(invalid="ignore"):  # nobody ill, or nobody well
        return np.stack([ill[:, called].sum(1) / ill.sum(1), well[:, ~called].sum(1) / well.sum(1)])


def _estimate(value: float, draws: Floats) -> Estimate:
    if np.isnan(value):
        return Estimate(None)
    low, high = percentile_interval(draws)
    # The value lies in its interval, also at an end that no draw reaches.
    return Estimate(float(value), min(low, float(value)), max(high, float(value)))
