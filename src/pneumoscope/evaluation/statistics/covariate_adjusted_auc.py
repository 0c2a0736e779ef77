"""Covariate-adjusted area under the ROC curve: the AUC among images of the same stratum."""

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats
from pneumoscope.evaluation.statistics.roc import roc_auc


def covariate_adjusted_auc(
    labels: NDArray[np.int8], probabilities: Floats, strata: NDArray[np.integer]
) -> float | None:
    """Return the AUC adjusted for a covariate, such as the scanner.

    It is the probability that an ill image gets the higher probability than a normal one of the
    same stratum: a network that recognises the scanner instead of the disease gains nothing. The
    AUCs of the strata are averaged with van Elteren's weights for strata of ranks [1]_, so that a
    stratum with few images of a class counts little. For other covariates see [2]_.

    Parameters
    ----------
    labels
        Labels, PNEUMONIA = 1, shape (n,).
    probabilities
        Probabilities of PNEUMONIA, shape (n,).
    strata
        Number of each image's stratum, shape (n,). Strata of one class only are left out.

    Returns
    -------
    float or None
        In [0, 1]; None if no stratum has both classes.

    References
    ----------
    .. [1] van Elteren, "On the combination of independent two sample tests of Wilcoxon", Bulletin
       of the International Statistical Institute 37:351-361, 1960.
    .. [2] Janes and Pepe, "Adjusting for covariate effects on classification accuracy using the
       covariate-adjusted receiver operating characteristic curve", Biometrika 96:371-382, 2009.

    Examples
    --------
    A model that recognises the scanner alone, and calls all images of the second one ill:

    >>> labels, scanner = np.int8([0, 0, 0, 1, 0, 1, 1, 1]), np.array([0, 0, 0, 0, 1, 1, 1, 1])
    >>> covariate_adjusted_auc(labels, scanner.astype(float), np.zeros(8, int))
    0.75
    >>> covariate_adjusted_auc(labels, scanner.astype(float), scanner)
    0.5
    """
    aucs, weights = [], []
    for stratum in np.unique(strata):
        rows = strata == stratum
        auc = roc_auc(labels[rows], probabilities[rows])
        if auc is not None:
            aucs.append(auc)
            ill, n = int(labels[rows].sum()), int(rows.sum())
            weights.append(ill * (n - ill) / (n + 1))
    return float(np.average(aucs, weights=weights)) if aucs else None
