"""The AUC among images alike in something that is not the disease."""

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats
from pneumoscope.evaluation.statistics.roc import roc_auc


def adjusted_auc(
    labels: NDArray[np.int8], probabilities: Floats, strata: NDArray[np.integer]
) -> float | None:
    """Return the chance that an ill image gets the higher probability than a normal one like it.

    Alike are images of one stratum, such as those of one machine: a network that reads the machine
    instead of the lungs gains nothing by it. It is the mean of the strata's AUCs, weighed as van
    Elteren weighs strata of ranks [1]_, so that one with few images of a class counts for little.
    What else a stratum may be, see [2]_.

    Parameters
    ----------
    labels
        Shape (n,), PNEUMONIA = 1.
    probabilities
        Shape (n,).
    strata
        Shape (n,): which stratum each image belongs to. Those of one class alone are left out.

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
    A reader of the machine alone: all images of the second are called ill.

    >>> labels, machine = np.int8([0, 0, 0, 1, 0, 1, 1, 1]), np.array([0, 0, 0, 0, 1, 1, 1, 1])
    >>> adjusted_auc(labels, machine.astype(float), np.zeros(8, int))
    0.75
    >>> adjusted_auc(labels, machine.astype(float), machine)
    0.5
    """
    areas, weights = [], []
    for stratum in np.unique(strata):
        chosen = strata == stratum
        auc = roc_auc(labels[chosen], probabilities[chosen])
        if auc is not None:
            areas.append(auc)
            ill, n = int(labels[chosen].sum()), int(chosen.sum())
            weights.append(ill * (n - ill) / (n + 1))
    return float(np.average(areas, weights=weights)) if areas else None
