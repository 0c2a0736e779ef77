"""Verification bias: accuracy where only some patients' disease status was verified."""

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
    """Patients with similar test results, by whether the test calls them ill.

    ``ill`` and ``well`` are the numbers of verified patients with and without the disease.
    """

    called: bool
    ill: int
    well: int
    unverified: int

    @property
    def verified(self) -> int:
        """Number of patients whose disease status is known."""
        return self.ill + self.well

    @property
    def patients(self) -> int:
        """Number of all patients."""
        return self.verified + self.unverified


@dataclass(frozen=True, slots=True)
class DiagnosticAccuracy:
    """Sensitivity and specificity, with 95 % intervals."""

    sensitivity: Estimate
    specificity: Estimate


UNDEFINED_ACCURACY = DiagnosticAccuracy(Estimate(None), Estimate(None))


def accuracy_among_verified(strata: Sequence[Stratum]) -> DiagnosticAccuracy:
    """Return the accuracy among the verified patients alone, with Wilson's intervals.

    Examples
    --------
    >>> strata = [Stratum(True, 8, 1, 0), Stratum(False, 2, 9, 40)]
    >>> str(accuracy_among_verified(strata).sensitivity)
    '0.800 (0.490 to 0.943)'
    """
    tp, fn = (sum(part.ill for part in strata if part.called is called) for called in (True, False))
    fp, tn = (
        sum(part.well for part in strata if part.called is called) for called in (True, False)
    )
    return DiagnosticAccuracy(proportion(tp, tp + fn), proportion(tn, tn + fp))


def correct_verification_bias(strata: Sequence[Stratum], seed: int = 0) -> DiagnosticAccuracy:
    """Return the accuracy among all patients, if verification depends on the stratum alone.

    Within a stratum, the prevalence among the unverified patients is assumed to be that among the
    verified ones. Strata with the same call are pooled if one of them has no verified patient.

    Parameters
    ----------
    strata
        Strata of patients, each patient counted once. With two of them, called and not called, it
        is the method of Begg and Greenes [1]_; with more, their version with covariates.
    seed
        Random seed; the same seed gives the same intervals.

    Returns
    -------
    DiagnosticAccuracy
        Undefined if no patient was verified among those called ill, or among the others. Intervals
        hold the middle 95 % of 10,000 draws: the prevalence of each stratum from its posterior
        under Jeffreys' prior [2]_, the sizes of the strata by Bayesian bootstrap [3]_. Resampling
        the verified patients instead would call it certain that no patient was missed where none
        of a few verified patients was.

    References
    ----------
    .. [1] Begg CB, Greenes RA. Assessment of diagnostic tests when disease verification is subject
       to selection bias. Biometrics 39:207-215, 1983.
    .. [2] Brown LD, Cai TT, DasGupta A. Interval estimation for a binomial proportion. Statistical
       Science 16:101-133, 2001.
    .. [3] Rubin DB. The Bayesian bootstrap. Annals of Statistics 9:130-134, 1981.

    Examples
    --------
    Few of the patients that were not called ill were verified, so most of the ill among them are
    unknown:

    >>> strata = [Stratum(True, 80, 20, 0), Stratum(False, 10, 40, 450)]
    >>> str(correct_verification_bias(strata).sensitivity)
    '0.444 (0.313 to 0.605)'
    """
    pooled = [
        stratum
        for called in (True, False)
        for stratum in _pool([part for part in strata if part.called == called])
    ]
    if {part.called for part in pooled} != {True, False} or not all(
        part.verified for part in pooled
    ):
        return UNDEFINED_ACCURACY
    cells = np.array([(part.ill, part.well, part.unverified) for part in pooled], np.float64)
    ill, verified, sizes = cells[:, 0], cells[:, :2].sum(1), cells.sum(1)
    called = np.array([part.called for part in pooled])
    rng = np.random.default_rng(seed)
    prevalences = rng.beta(ill + 0.5, verified - ill + 0.5, (_DRAWS, len(pooled)))
    draws = _rates(rng.dirichlet(sizes, _DRAWS), prevalences, called)
    values = _rates(sizes[None], (ill / verified)[None], called)[:, 0]
    return DiagnosticAccuracy(*map(_estimate, values, draws))


def _pool(strata: list[Stratum]) -> list[Stratum]:
    """Pool strata if one has no verified patient, and leave out those without any patient."""
    strata = [stratum for stratum in strata if stratum.patients]
    if all(stratum.verified for stratum in strata):
        return strata
    sums = (sum(getattr(part, name) for part in strata) for name in ("ill", "well", "unverified"))
    return [Stratum(strata[0].called, *sums)]


def _rates(sizes: Floats, prevalences: Floats, called: NDArray[np.bool_]) -> Floats:
    """Return sensitivity and specificity, shape (2, draws), from arrays of (draws, strata)."""
    ill, well = sizes * prevalences, sizes * (1 - prevalences)
    with np.errstate(invalid="ignore"):  # no patient ill, or none well
        return np.stack([ill[:, called].sum(1) / ill.sum(1), well[:, ~called].sum(1) / well.sum(1)])


def _estimate(value: float, draws: Floats) -> Estimate:
    if np.isnan(value):
        return Estimate(None)
    low, high = percentile_interval(draws)
    # The value lies in its interval, also at an end that no draw reaches.
    return Estimate(float(value), min(low, float(value)), max(high, float(value)))
