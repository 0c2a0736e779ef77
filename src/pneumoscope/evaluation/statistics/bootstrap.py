"""How sure the metrics are: bootstrap intervals, resampled by patient."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.statistics.intervals import Interval
from pneumoscope.evaluation.statistics.metrics import (
    METRIC_NAMES,
    Floats,
    measure,
    weighted_metrics,
)
from pneumoscope.support.host import usable_cores
from pneumoscope.support.parallel import in_order
from pneumoscope.support.terminal import track

Number = TypeVar("Number", np.float64, np.int32)

DRAWS = 2000
"""Bootstrap draws unless asked otherwise."""

_PERCENTILES = (2.5, 97.5)
_CELLS_AT_ONCE = 1_000_000
_LONG = 100_000_000
"""Images times draws from which on it takes seconds, and progress is shown."""


def bootstrap_intervals(
    predictions: Predictions, threshold: float, draws: int = DRAWS, seed: int = 0
) -> dict[str, Interval | None]:
    """Return the 95 % percentile bootstrap interval of every metric.

    Whole patients are drawn with replacement, and all images of a drawn patient come along:
    images of one patient resemble each other, and drawing them singly would pretend to know
    more than is known [1]_. A draw in which a metric is undefined is left out for that metric.

    Parameters
    ----------
    predictions
        The table to judge.
    threshold
        A probability of at least this means PNEUMONIA.
    draws
        Number of resamplings.
    seed
        The same seed gives the same intervals.

    Returns
    -------
    dict of str to Interval or None
        For each of `METRIC_NAMES`; None where the metric itself is undefined, and everywhere if
        there is only one patient, from whom nothing can be said about others.

    References
    ----------
    .. [1] Field CA, Welsh AH. Bootstrapping clustered data. J R Stat Soc B 69:369-390, 2007;
       for the percentile interval: Efron B, Tibshirani RJ. An Introduction to the Bootstrap,
       ch. 13, 1993.

    Examples
    --------
    >>> table = Predictions(
    ...     files=("a", "b", "c", "d"),
    ...     labels=np.array([0, 0, 1, 1]),
    ...     probabilities=np.array([0.1, 0.2, 0.8, 0.9]),
    ...     patients=("A", "B", "C", "D"),
    ... )
    >>> bootstrap_intervals(table, threshold=0.5)["accuracy"]
    Interval(low=1.0, high=1.0)
    """
    patient = np.unique(np.array(predictions.patients), return_inverse=True)[1]
    if patient.max() == 0:
        return dict.fromkeys(METRIC_NAMES)
    chunks = [
        weighted_metrics(predictions, threshold, weights)
        for weights in weight_chunks(patient, draws, seed)
    ]
    return {
        name: None
        if value is None
        else percentile_interval(np.concatenate([part[name] for part in chunks]))
        for name, value in measure(predictions, threshold).values().items()
    }


def patient_draws(
    patients: int, draws: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int32]]:
    """Draw as many patients as there are, with replacement, ``draws`` times, one after another.

    The draws are those of `patient_weights`.

    Parameters
    ----------
    patients
        How many there are.
    draws
        Number of resamplings.
    rng
        Where the randomness comes from.

    Yields
    ------
    array
        How often each patient counts in the draw, shape (patients,).

    Examples
    --------
    >>> [int(times.sum()) for times in patient_draws(7, 2, np.random.default_rng(0))]
    [7, 7]
    """
    for _ in range(draws):
        drawn = rng.integers(0, patients, size=patients)
        yield np.bincount(drawn, minlength=patients).astype(np.int32)


def patient_weights(patient: NDArray[np.intp], draws: int, rng: np.random.Generator) -> Floats:
    """Draw as many patients as there are, with replacement, ``draws`` times.

    Parameters
    ----------
    patient
        Number of each image's patient, 0 to patients - 1, shape (n,).
    draws
        Number of resamplings.
    rng
        Where the randomness comes from.

    Returns
    -------
    array
        How often each image counts in each draw, float64, shape (draws, n).

    Examples
    --------
    >>> weights = patient_weights(np.array([0, 0, 1]), 5, np.random.default_rng(0))
    >>> bool(np.all(weights[:, 0] == weights[:, 1])), bool(np.all(weights[:, 1:].sum(axis=1) == 2))
    (True, True)
    """
    patients = int(patient.max()) + 1
    drawn = rng.integers(0, patients, size=(draws, patients))
    rows = patients * np.arange(draws)[:, None]
    times = np.bincount((drawn + rows).ravel(), minlength=draws * patients)
    return times.reshape(draws, patients)[:, patient].astype(np.float64)


def weight_chunks(patient: NDArray[np.intp], draws: int, seed: int) -> Iterator[Floats]:
    """Draw as `patient_weights` does, a part of the draws at a time.

    All draws of a large table at once would not fit into memory.

    Parameters
    ----------
    patient
        Number of each image's patient, 0 to patients - 1, shape (n,).
    draws
        Number of resamplings.
    seed
        The same seed gives the same draws.

    Yields
    ------
    array
        How often each image counts in each draw of the part, float64, shape (draws of the part, n).

    Examples
    --------
    >>> [weights.shape for weights in weight_chunks(np.arange(400_000), 5, seed=0)]
    [(2, 400000), (2, 400000), (1, 400000)]
    """
    rng = np.random.default_rng(seed)
    at_once = max(1, _CELLS_AT_ONCE // len(patient))
    for start in range(0, draws, at_once):
        yield patient_weights(patient, min(at_once, draws - start), rng)


def resample(
    figures: Callable[[NDArray[np.int32]], NDArray[Number]],
    patient: NDArray[np.intp],
    draws: int,
    seed: int,
) -> NDArray[Number]:
    """Return figures of a table as it is and, below them, of each bootstrap draw of its patients.

    Parameters
    ----------
    figures
        Gives the figures where each patient counts some number of times, shape (patients,); safe
        to be called by several threads.
    patient
        Number of each image's patient, 0 to patients - 1, shape (n,).
    draws
        Number of resamplings, those of `patient_draws`.
    seed
        The same seed gives the same draws, on any number of cores.

    Returns
    -------
    array
        Shape (1 + draws, ...); of a single patient, who says nothing about others, (1, ...).

    Examples
    --------
    >>> def images(times):
    ...     return times[[0, 0, 1]].sum(dtype=np.float64)
    >>> resample(images, np.array([0, 0, 1]), draws=4, seed=0)
    array([3., 2., 3., 4., 4.])
    """
    patients = int(patient.max()) + 1
    rows: Iterable[NDArray[Number]] = ()
    if patients > 1:
        times = patient_draws(patients, draws, np.random.default_rng(seed))
        threads = usable_cores()
        rows = in_order(figures, times, threads, ahead=4 * threads)
        if draws * len(patient) >= _LONG:
            rows = track(rows, "Resampling", draws)
    return np.stack([figures(np.ones(patients, np.int32)), *rows])


def percentile_interval(values: Floats) -> Interval:
    """Return the 95 % percentile interval of a figure's bootstrap draws.

    Parameters
    ----------
    values
        The figure in each draw; NaN where it is undefined, and left out.

    Examples
    --------
    >>> percentile_interval(np.append(np.arange(1001) / 1000, np.nan))
    Interval(low=0.025, high=0.975)
    """
    low, high = np.nanpercentile(values, _PERCENTILES)
    return Interval(float(low), float(high))
