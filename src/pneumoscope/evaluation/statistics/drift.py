"""Whether a sample comes from the population of another: how far apart, and whether by chance."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from pneumoscope.evaluation.predictions import Floats

BINS = 10
MODERATE, LARGE = 0.1, 0.25
"""Where the stability index's usual bands begin (Siddiqi, Credit Risk Scorecards, 2006)."""

LEAST = 50
"""Of fewer patients nothing is said."""


class Band(StrEnum):
    """How large a shift is, by its stability index."""

    SMALL = "small"
    MODERATE = "moderate"
    LARGE = "large"


@dataclass(frozen=True, slots=True)
class Shift:
    """A sample beside a reference.

    Parameters
    ----------
    patients
        In the sample, one value of each.
    index
        Population stability index.
    by_chance
        The index to be expected of a sample of this size from the reference's own population.
    band
        Of the index.
    distance
        Largest difference between the two distribution functions (Kolmogorov and Smirnov).
    p
        Of a distance at least as large, had both come from one population.
    shares
        Of the sample in each bin.
    expected
        Of the reference in each bin.
    edges
        Between the bins: one fewer than bins.
    """

    patients: int
    index: float
    by_chance: float
    band: Band
    distance: float
    p: float
    shares: tuple[float, ...]
    expected: tuple[float, ...]
    edges: tuple[float, ...]


def ks_test(sample: Floats, reference: Floats) -> Shift | None:
    """Compare a sample with a reference.

    Parameters
    ----------
    sample, reference
        One value of each patient, shapes (n,) and (m,).

    Returns
    -------
    Shift or None
        None if either has fewer than `LEAST` values, or the reference has one value only.

    References
    ----------
    The index and what it is by chance: Yurdakul B, Naranjo J. Statistical properties of the
    population stability index. Journal of Risk Model Validation 14(4), 2020. The test: Hodges JL.
    The significance probability of the Smirnov two-sample test. Arkiv för Matematik 3:469-486,
    1958; exact up to 10,000 values, and cautious where values are equal.

    Examples
    --------
    >>> reference = np.arange(1000.0)
    >>> same, other = ks_test(reference[::7], reference), ks_test(reference[500:], reference)
    >>> same.band.value, round(same.p, 3), other.band.value, other.distance, other.p < 1e-9
    ('small', 1.0, 'large', 0.5, True)
    """
    if min(len(sample), len(reference)) < LEAST or reference.min() == reference.max():
        return None
    edges: Floats = np.unique(np.quantile(reference, np.arange(1, BINS) / BINS))
    found, expected = _counts(sample, edges), _counts(reference, edges)
    index = stability_index(found, expected)
    test = ks_2samp(sample, reference)
    return Shift(
        patients=len(sample),
        index=index,
        by_chance=(len(found) - 1) * (1 / len(sample) + 1 / len(reference)),
        band=Band.LARGE if index > LARGE else Band.MODERATE if index > MODERATE else Band.SMALL,
        distance=float(test.statistic),
        p=float(test.pvalue),
        shares=tuple((found / found.sum()).tolist()),
        expected=tuple((expected / expected.sum()).tolist()),
        edges=tuple(edges.tolist()),
    )


def stability_index(found: NDArray[np.intp], expected: NDArray[np.intp]) -> float:
    """Return the population stability index: the relative entropy one way plus the other way.

    Half an image is added to each bin, so that an empty one is no infinity.

    Parameters
    ----------
    found, expected
        Counts in the same bins.

    Examples
    --------
    >>> round(stability_index(np.array([2000, 8000]), np.array([5000, 5000])), 3)
    0.416
    """
    p, q = ((counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (found, expected))
    return float(((p - q) * np.log(p / q)).sum())


def _counts(values: Floats, edges: Floats) -> NDArray[np.intp]:
    return np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
