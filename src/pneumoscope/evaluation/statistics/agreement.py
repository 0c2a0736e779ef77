"""Agreement of two readers of the same images, beyond chance."""

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats
from pneumoscope.evaluation.statistics.bootstrap import DRAWS, estimate_from_resamples, resample
from pneumoscope.evaluation.statistics.intervals import proportion
from pneumoscope.evaluation.statistics.roc import Ranking
from pneumoscope.report.estimate import Estimate


def cohen_kappa(
    first: NDArray[np.int8],
    second: NDArray[np.int8],
    patient: NDArray[np.intp],
    draws: int = DRAWS,
    seed: int = 0,
) -> Estimate:
    """Return Cohen's kappa [1]_ of two readers with its bootstrap interval by patient.

    1 is complete agreement, 0 as much as chance would give readers who call that many images ill.
    Where the readers agree on every image, no resample can differ: the interval then begins where
    Wilson's interval of the share of agreement does.

    Parameters
    ----------
    first, second
        Labels by the two readers, 0 or 1, shape (n,).
    patient
        Number of each image's patient, from 0 without gaps, shape (n,).
    draws
        Number of bootstrap resamples.
    seed
        Random seed of the resamples.

    Returns
    -------
    Estimate
        Undefined where both readers call all images the same.

    References
    ----------
    .. [1] Cohen J. A coefficient of agreement for nominal scales. Educational and Psychological
       Measurement 20:37-46, 1960.

    Examples
    --------
    >>> counts = [20, 5, 10, 15]
    >>> first, second = (np.repeat(labels, counts) for labels in ([1, 1, 0, 0], [1, 0, 1, 0]))
    >>> round(cohen_kappa(first, second, np.arange(50)).value, 3)
    0.4
    """
    ranking = Ranking.of(first, second.astype(np.float64), patient, (0.5,))
    cells = resample(lambda times: ranking.confusions(times)[0], patient, draws, seed)
    observed, expected = _agreement(cells.astype(np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = estimate_from_resamples((observed - expected) / (1 - expected))
    patients = int(patient.max()) + 1
    if estimate.interval is not None and observed[0] == 1:
        lowest, by_chance = proportion(patients, patients).low or 0.0, float(expected[0])
        # With a label on few images, as little agreement as that is below what kappa can be.
        return Estimate(1.0, max(-1.0, (lowest - by_chance) / (1 - by_chance)), 1.0)
    return estimate


def _agreement(cells: Floats) -> tuple[Floats, Floats]:
    """Return the share of agreement, and that by chance, of tn, fp, fn and tp, shape (n, 4)."""
    tn, fp, fn, tp = cells.T
    total = cells.sum(axis=1)
    by_chance = (tp + fn) * (tp + fp) + (tn + fp) * (tn + fn)
    return (tn + tp) / total, by_chance / total**2
