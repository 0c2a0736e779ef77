"""DeLong's variance of the AUC, and the test that compares two AUCs of the same images."""

from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats
from pneumoscope.evaluation.statistics.intervals import Z
from pneumoscope.evaluation.statistics.roc import roc_auc
from pneumoscope.report.estimate import Estimate
from pneumoscope.support.errors import PredictionsError


@dataclass(frozen=True, slots=True)
class AucComparison:
    """Two AUCs of the same images, and whether they differ by more than chance.

    Parameters
    ----------
    first, second
        The AUCs, within [0, 1]; None where a class is missing.
    difference
        The first less the second, within [-1, 1].
    z, p
        The difference in units of its standard error, and the two-sided probability of one at
        least as far from 0 if the AUCs are alike; None where no standard error is known, or where
        it is 0 and the AUCs differ.
    """

    first: float | None
    second: float | None
    difference: Estimate
    z: float | None
    p: float | None


def delong(labels: NDArray[np.int8], probabilities: Floats) -> Estimate:
    """Return the AUC with DeLong's 95 % interval.

    The variance is that of DeLong [1]_, computed from midranks [2]_; the interval is normal and
    cut off at 0 and 1. It takes images as independent: where patients have several, resample by
    patient instead. If all images are ranked rightly its width is 0, which is too sure.

    Parameters
    ----------
    labels
        Shape (n,), PNEUMONIA = 1.
    probabilities
        Shape (n,); only their order matters, ties count one half.

    Returns
    -------
    Estimate
        Without a value where a class is missing, without an interval where one has a single image.

    References
    ----------
    .. [1] DeLong ER, DeLong DM, Clarke-Pearson DL. Comparing the areas under two or more correlated
       receiver operating characteristic curves. Biometrics 44:837-845, 1988.
    .. [2] Sun X, Xu W. Fast implementation of DeLong's algorithm for comparing the areas under
       correlated receiver operating characteristic curves. IEEE Signal Processing Letters
       21:1389-1393, 2014.

    Examples
    --------
    >>> labels = np.array([0, 0, 0, 1, 1, 1], dtype=np.int8)
    >>> str(delong(labels, np.array([0.1, 0.2, 0.6, 0.4, 0.7, 0.9])))
    '0.889 (0.581 to 1.000)'
    """
    auc = roc_auc(labels, probabilities)
    if auc is None:
        return Estimate(None)
    return _normal(auc, _standard_error(*_placements(labels, probabilities)), lowest=0.0)


def compare_aucs(labels: NDArray[np.int8], first: Floats, second: Floats) -> AucComparison:
    """Compare two models' AUCs on the same images by DeLong's paired test; see `delong`.

    Parameters
    ----------
    labels
        Shape (n,), PNEUMONIA = 1.
    first, second
        Probabilities of the two models, shape (n,), in the order of the labels.

    Raises
    ------
    PredictionsError
        If the three differ in shape.

    Examples
    --------
    >>> labels = np.array([0, 0, 0, 1, 1, 1], dtype=np.int8)
    >>> good, poor = np.array([1, 2, 4, 3, 5, 6]), np.array([2, 4, 5, 3, 1, 6])
    >>> compared = compare_aucs(labels, good, poor)
    >>> str(compared.difference), round(compared.p, 3)
    ('0.444 (−0.172 to 1.000)', 0.157)
    """
    if not labels.shape == first.shape == second.shape:
        raise PredictionsError(
            f"labels of shape {labels.shape}, but probabilities of shapes {first.shape} and "
            f"{second.shape}; compare models on the same images"
        )
    aucs = roc_auc(labels, first), roc_auc(labels, second)
    if aucs[0] is None or aucs[1] is None:
        return AucComparison(None, None, Estimate(None), None, None)
    difference = aucs[0] - aucs[1]
    # The variance of a difference holds the covariance: that is what pairing gains.
    pairs = zip(_placements(labels, first), _placements(labels, second), strict=True)
    error = _standard_error(*(ours - theirs for ours, theirs in pairs))
    z = _in_errors(difference, error)
    return AucComparison(
        *aucs,
        _normal(difference, error, lowest=-1.0),
        z,
        None if z is None else erfc(abs(z) / sqrt(2)),
    )


def _placements(labels: NDArray[np.int8], probabilities: Floats) -> tuple[Floats, Floats]:
    """Return the share of the other class that each ill, and each healthy, image is right about."""
    ill = labels == 1
    m, n = int(ill.sum()), int((~ill).sum())
    among_all = _midranks(probabilities)
    above = among_all[ill] - _midranks(probabilities[ill])
    below = among_all[~ill] - _midranks(probabilities[~ill])
    return above / max(1, n), 1 - below / max(1, m)


def _midranks(values: Floats) -> Floats:
    """Return the ranks from 1 on; equal values share the mean of theirs."""
    _, which, times = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(times) - (times - 1) / 2)[which]
    return ranks


def _standard_error(ill: Floats, healthy: Floats) -> float | None:
    if len(ill) < 2 or len(healthy) < 2:
        return None
    return sqrt(ill.var(ddof=1) / len(ill) + healthy.var(ddof=1) / len(healthy))


def _normal(value: float, error: float | None, lowest: float) -> Estimate:
    if error is None:
        return Estimate(value)
    return Estimate(value, max(lowest, value - Z * error), min(1.0, value + Z * error))


def _in_errors(difference: float, error: float | None) -> float | None:
    if error:
        return difference / error
    return 0.0 if error == 0 and difference == 0 else None
