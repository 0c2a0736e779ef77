"""DeLong's variance of the area under the ROC curve, and the paired test of two such areas."""

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
    """Paired comparison of two AUCs on the same images.

    Parameters
    ----------
    first, second
        AUCs of the two models, within [0, 1]; None where a class is missing.
    difference
        First AUC minus the second, within [-1, 1].
    z, p
        Difference in units of its standard error, and the two-sided p-value of equal AUCs; None
        where the standard error is unknown, or where it is 0 and the AUCs differ.
    """

    first: float | None
    second: float | None
    difference: Estimate
    z: float | None
    p: float | None


def delong(
    labels: NDArray[np.int8], probabilities: Floats, patient: NDArray[np.intp] | None = None
) -> Estimate:
    """Return the AUC with DeLong's 95 % interval, clustered by patient.

    The variance is that of DeLong [1]_, computed from midranks [2]_, or Obuchowski's [3]_ where
    patients have several images; the interval is normal and cut off at 0 and 1. If all images are
    ranked rightly its width is 0, which is too narrow.

    Parameters
    ----------
    labels
        Labels, PNEUMONIA = 1, shape (n,).
    probabilities
        Probabilities of PNEUMONIA, shape (n,); only their order matters, ties count one half.
    patient
        Number of each image's patient, shape (n,); None if images are independent.

    Returns
    -------
    Estimate
        Undefined where a class is missing, without interval where a class has a single patient.

    References
    ----------
    .. [1] DeLong ER, DeLong DM, Clarke-Pearson DL. Comparing the areas under two or more correlated
       receiver operating characteristic curves. Biometrics 44:837-845, 1988.
    .. [2] Sun X, Xu W. Fast implementation of DeLong's algorithm for comparing the areas under
       correlated receiver operating characteristic curves. IEEE Signal Processing Letters
       21:1389-1393, 2014.
    .. [3] Obuchowski NA. Nonparametric analysis of clustered ROC curve data. Biometrics 53:567-578,
       1997.

    Examples
    --------
    >>> labels = np.array([0, 0, 0, 1, 1, 1], dtype=np.int8)
    >>> str(delong(labels, np.array([0.1, 0.2, 0.6, 0.4, 0.7, 0.9])))
    '0.889 (0.581 to 1.000)'
    """
    auc = roc_auc(labels, probabilities)
    if auc is None:
        return Estimate(None)
    error = _standard_error(labels, *_placements(labels, probabilities), patient)
    return _normal_estimate(auc, error, minimum=0.0)


def compare_aucs(
    labels: NDArray[np.int8],
    first: Floats,
    second: Floats,
    patient: NDArray[np.intp] | None = None,
) -> AucComparison:
    """Compare two models' AUCs on the same images by DeLong's paired test, clustered by patient.

    See `delong` for the variance and the references.

    Parameters
    ----------
    labels
        Labels, PNEUMONIA = 1, shape (n,).
    first, second
        Probabilities of the two models, shape (n,), in the order of the labels.
    patient
        Number of each image's patient, shape (n,); None if images are independent.

    Raises
    ------
    PredictionsError
        If the three shapes differ.

    Examples
    --------
    >>> labels = np.array([0, 0, 0, 1, 1, 1], dtype=np.int8)
    >>> good, poor = np.array([1, 2, 4, 3, 5, 6]), np.array([2, 4, 5, 3, 1, 6])
    >>> comparison = compare_aucs(labels, good, poor)
    >>> str(comparison.difference), round(comparison.p, 3)
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
    # The variance of the difference includes the covariance: that is what pairing gains.
    placements = zip(_placements(labels, first), _placements(labels, second), strict=True)
    ill, healthy = (ours - theirs for ours, theirs in placements)
    error = _standard_error(labels, ill, healthy, patient)
    z = _z_score(difference, error)
    return AucComparison(
        *aucs,
        _normal_estimate(difference, error, minimum=-1.0),
        z,
        None if z is None else erfc(abs(z) / sqrt(2)),
    )


def _placements(labels: NDArray[np.int8], probabilities: Floats) -> tuple[Floats, Floats]:
    """Return the share of the other class that each ill and each healthy image is ranked above.

    For healthy images it is the share of ill images that they are ranked below.
    """
    ill = labels == 1
    m, n = int(ill.sum()), int((~ill).sum())
    among_all = _midranks(probabilities)
    above = among_all[ill] - _midranks(probabilities[ill])
    below = among_all[~ill] - _midranks(probabilities[~ill])
    return above / max(1, n), 1 - below / max(1, m)


def _midranks(values: Floats) -> Floats:
    """Return the ranks from 1 on; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks


def _standard_error(
    labels: NDArray[np.int8],
    ill: Floats,
    healthy: Floats,
    patient: NDArray[np.intp] | None,
) -> float | None:
    """Return the standard error of the mean placement of either class, clustered by patient.

    The names of Obuchowski's article: a patient's sums of deviations are X and Y, and S10, S01 and
    S11 their variances and covariance.
    """
    if patient is None:
        patient = np.arange(len(labels))
    sides = []
    for values, of_class in ((ill, labels == 1), (healthy, labels != 1)):
        numbers = patient[of_class]
        clusters = len(np.unique(numbers))
        if clusters < 2:
            return None
        deviations = np.bincount(numbers, values - values.mean(), minlength=int(patient.max()) + 1)
        sides.append((deviations / len(values), clusters / (clusters - 1)))
    (x, factor_10), (y, factor_01) = sides
    clusters = len(np.unique(patient))
    variance = factor_10 * (x @ x) + factor_01 * (y @ y) + 2 * clusters / (clusters - 1) * (x @ y)
    return sqrt(max(0.0, float(variance)))


def _normal_estimate(value: float, error: float | None, minimum: float) -> Estimate:
    if error is None:
        return Estimate(value)
    return Estimate(value, max(minimum, value - Z * error), min(1.0, value + Z * error))


def _z_score(difference: float, error: float | None) -> float | None:
    if error:
        return difference / error
    return 0.0 if error == 0 and difference == 0 else None
