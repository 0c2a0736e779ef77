"""Bootstrap confidence intervals, resampled by patient."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats
from pneumoscope.report.estimate import Estimate
from pneumoscope.support.host import usable_cores
from pneumoscope.support.parallel import map_in_order
from pneumoscope.support.terminal import track

Number = TypeVar("Number", np.float64, np.int32)

DRAWS = 2000
"""Default number of bootstrap resamples."""

_PERCENTILES = (2.5, 97.5)
_MIN_PARALLEL = 50_000
"""Patients from which on threads gain time; with fewer they wait for Python's lock, up to twice as
long as one thread works."""

_MIN_TRACKED = 100_000_000
"""Images times resamples from which on it takes seconds, and progress is shown."""


def patient_draws(
    patients: int, draws: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int32]]:
    """Draw as many patients as there are, with replacement, ``draws`` times.

    All images of a drawn patient come along: images of one patient resemble each other, and drawing
    them singly would make intervals too narrow [1]_.

    Parameters
    ----------
    patients
        Number of patients.
    draws
        Number of bootstrap resamples.
    rng
        Source of randomness.

    Yields
    ------
    array
        Number of times that each patient counts in the resample, shape (patients,).

    References
    ----------
    .. [1] Field CA, Welsh AH. Bootstrapping clustered data. J R Stat Soc B 69:369-390, 2007.

    Examples
    --------
    >>> [int(times.sum()) for times in patient_draws(7, 2, np.random.default_rng(0))]
    [7, 7]
    """
    for _ in range(draws):
        drawn = rng.integers(0, patients, size=patients)
        yield np.bincount(drawn, minlength=patients).astype(np.int32)


def resample(
    statistic: Callable[[NDArray[np.int32]], NDArray[Number]],
    patient: NDArray[np.intp],
    draws: int,
    seed: int,
) -> NDArray[Number]:
    """Return a statistic of a table as it is and, below it, of each bootstrap resample.

    Parameters
    ----------
    statistic
        Function of the number of times that each patient counts, shape (patients,); it must be safe
        to call from several threads.
    patient
        Number of each image's patient, 0 to patients - 1, shape (n,).
    draws
        Number of bootstrap resamples; see `patient_draws`.
    seed
        Random seed; the same seed gives the same resamples, on any number of cores.

    Returns
    -------
    array
        Shape (1 + draws, ...); (1, ...) with a single patient, from whom nothing follows for
        others.

    Examples
    --------
    >>> def count_images(times):
    ...     return times[[0, 0, 1]].sum(dtype=np.float64)
    >>> resample(count_images, np.array([0, 0, 1]), draws=4, seed=0)
    array([3., 2., 3., 4., 4.])
    """
    patients = int(patient.max()) + 1
    rows: Iterable[NDArray[Number]] = ()
    if patients > 1:
        times = patient_draws(patients, draws, np.random.default_rng(seed))
        threads = usable_cores() if patients >= _MIN_PARALLEL else 1
        if threads > 1:
            rows = map_in_order(statistic, times, threads, ahead=4 * threads)
        else:
            rows = map(statistic, times)
        if draws * len(patient) >= _MIN_TRACKED:
            rows = track(rows, "Resampling", draws)
    return np.stack([statistic(np.ones(patients, np.int32)), *rows])


def percentile_interval(values: Floats) -> tuple[float, float]:
    """Return the 95 % percentile interval of a statistic's bootstrap resamples [1]_.

    Parameters
    ----------
    values
        Statistic in each resample; NaN where it is undefined, which is left out.

    References
    ----------
    .. [1] Efron B, Tibshirani RJ. An Introduction to the Bootstrap, ch. 13, 1993.

    Examples
    --------
    >>> percentile_interval(np.append(np.arange(1001) / 1000, np.nan))
    (0.025, 0.975)
    """
    low, high = np.nanpercentile(values, _PERCENTILES)
    return float(low), float(high)


def estimate_from_resamples(values: Floats) -> Estimate:
    """Return the estimate of a statistic with its percentile interval.

    ``values`` are those of `resample`: the statistic of the table as it is, then in each resample;
    NaN where it is undefined.

    Examples
    --------
    >>> print(estimate_from_resamples(np.array([0.5, 0.25, 0.5, np.nan, 0.75])))
    0.500 (0.263 to 0.738)
    """
    value, resampled = float(values[0]), values[1:][~np.isnan(values[1:])]
    if not np.isfinite(value):
        return Estimate(None)
    if not len(resampled):
        return Estimate(value)
    # Between a number and an infinity nothing can be interpolated: the end becomes either or NaN.
    with np.errstate(invalid="ignore"):
        low, high = percentile_interval(resampled)
    return Estimate(value, low, high) if np.isfinite([low, high]).all() else Estimate(value)
