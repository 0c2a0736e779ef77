"""Distribution shift: population stability index and Kolmogorov-Smirnov test."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from pneumoscope.evaluation.predictions import Floats

BINS = 10
"""Number of bins of the stability index."""

MODERATE_INDEX, LARGE_INDEX = 0.1, 0.25
"""Stability index above which a shift is moderate and large (Siddiqi, Credit Risk Scorecards)."""

MIN_PATIENTS = 50
"""Fewest patients, in the sample and in the reference, that are compared."""


class ShiftSize(StrEnum):
    """Size of a distribution shift, by its stability index."""

    SMALL = "small"
    MODERATE = "moderate"
    LARGE = "large"


@dataclass(frozen=True, slots=True)
class DistributionShift:
    """Shift of a sample's distribution from that of a reference.

    Parameters
    ----------
    patients
        Number of patients in the sample, one value each.
    index
        Population stability index.
    by_chance
        Index expected for a sample of this size from the reference's own population.
    band
        Size of the shift by its index.
    distance
        Largest difference between the two distribution functions (Kolmogorov and Smirnov).
    p
        Probability of a distance at least as large if both come from one population.
    shares
        Share of the sample in each bin.
    expected
        Share of the reference in each bin.
    edges
        Edges between the bins: one fewer than bins.
    """

    patients: int
    index: float
    by_chance: float
    band: ShiftSize
    distance: float
    p: float
    shares: tuple[float, ...]
    expected: tuple[float, ...]
    edges: tuple[float, ...]


def ks_test(sample: Floats, reference: Floats) -> DistributionShift | None:
    """Compare a sample's distribution with that of a reference.

    Parameters
    ----------
    sample, reference
        One value per patient, shapes (n,) and (m,).

    Returns
    -------
    DistributionShift or None
        None if either has fewer than `MIN_PATIENTS` values, or the reference has only one distinct
        value.

    References
    ----------
    The index and its expectation by chance: Yurdakul B, Naranjo J. Statistical properties of the
    population stability index. Journal of Risk Model Validation 14(4), 2020. The test: Hodges JL.
    The significance probability of the Smirnov two-sample test. Arkiv för Matematik 3:469-486,
    1958; exact up to 10,000 values, and conservative where values are equal.

    Examples
    --------
    >>> reference = np.arange(1000.0)
    >>> same, other = ks_test(reference[::7], reference), ks_test(reference[500:], reference)
    >>> same.band.value, round(same.p, 3), other.band.value, other.distance, other.p < 1e-9
    ('small', 1.0, 'large', 0.5, True)
    """
    if min(len(sample), len(reference)) < MIN_PATIENTS or reference.min() == reference.max():
        return None
    edges: Floats = np.unique(np.quantile(reference, np.arange(1, BINS) / BINS))
    counts, expected = _counts(sample, edges), _counts(reference, edges)
    index = population_stability_index(counts, expected)
    test = ks_2samp(sample, reference)
    sizes = ((LARGE_INDEX, ShiftSize.LARGE), (MODERATE_INDEX, ShiftSize.MODERATE))
    return DistributionShift(
        patients=len(sample),
        index=index,
        by_chance=(len(counts) - 1) * (1 / len(sample) + 1 / len(reference)),
        band=next((size for limit, size in sizes if index > limit), ShiftSize.SMALL),
        distance=float(test.statistic),
        p=float(test.pvalue),
        shares=tuple((counts / counts.sum()).tolist()),
        expected=tuple((expected / expected.sum()).tolist()),
        edges=tuple(edges.tolist()),
    )


def population_stability_index(counts: NDArray[np.intp], expected: NDArray[np.intp]) -> float:
    """Return the population stability index: the sum of the two relative entropies.

    Half an image is added to each bin, so that an empty bin gives a finite index.

    Parameters
    ----------
    counts, expected
        Counts of sample and reference in the same bins.

    Examples
    --------
    >>> round(population_stability_index(np.array([2000, 8000]), np.array([5000, 5000])), 3)
    0.416
    """
    p, q = ((part + 0.5) / (part.sum() + 0.5 * len(part)) for part in (counts, expected))
    return float(((p - q) * np.log(p / q)).sum())


def _counts(values: Floats, edges: Floats) -> NDArray[np.intp]:
    return np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
