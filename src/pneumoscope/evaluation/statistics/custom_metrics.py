"""Metrics of other packages, with bootstrap intervals by patient."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats, Predictions
from pneumoscope.evaluation.statistics.bootstrap import DRAWS, estimate_from_resamples, resample
from pneumoscope.evaluation.statistics.discrimination import drop_zero_width
from pneumoscope.report.estimate import Estimate
from pneumoscope.support.errors import PluginError
from pneumoscope.support.plugins import find_plugin, installed_plugins

Metric: TypeAlias = Callable[[NDArray[np.int8], Floats], float]
"""Function of labels (0 and 1) and probabilities, both of shape (n,), that returns a number.

NaN where it is undefined. It is called for each bootstrap resample, from several threads."""

GROUP = "pneumoscope.metrics"
"""Group of entry points by which installed packages offer metrics."""


def find_metrics(names: Sequence[str]) -> dict[str, Metric]:
    """Find metrics by the names that installed packages offer, or as MODULE:FUNCTION.

    Raises
    ------
    PluginError
        If there is no such metric, or it cannot be imported.

    Examples
    --------
    >>> list(find_metrics(["sklearn.metrics:brier_score_loss"]))
    ['sklearn.metrics:brier_score_loss']
    """
    return {name: _find_metric(name) for name in names}


def _find_metric(name: str) -> Metric:
    plugin = find_plugin(GROUP, name)
    if plugin is None:
        installed = ", ".join(found.name for found in installed_plugins(GROUP)) or "none"
        raise PluginError(
            f"--metric {name}: no installed package offers this metric (installed: {installed}); "
            "install one, or name a function, such as my_package.my_module:my_metric"
        )
    return plugin.load()


def assess_metrics(
    predictions: Predictions, metrics: Mapping[str, Metric], draws: int = DRAWS, seed: int = 0
) -> dict[str, Estimate]:
    """Return metrics of a table with percentile bootstrap intervals, resampled by patient.

    A resample in which a metric is NaN is left out for that metric. Where no resample differs there
    is no interval.

    Parameters
    ----------
    predictions
        Table to evaluate.
    metrics
        Metrics by name.
    draws
        Number of bootstrap resamples.
    seed
        Random seed of the resamples, which are those of `assess_discrimination`.

    Raises
    ------
    PluginError
        If a metric fails, or returns no number.

    Examples
    --------
    >>> labels, files = np.arange(40) % 2, tuple(map(str, range(40)))
    >>> table = Predictions(files, labels, 0.2 + 0.01 * np.arange(40), files)
    >>> mean_of_ill = lambda labels, probabilities: probabilities[labels == 1].mean()
    >>> print(assess_metrics(table, {"mean": mean_of_ill})["mean"])
    0.400 (0.346 to 0.454)
    """
    patient = predictions.patient_numbers()
    return {
        name: drop_zero_width(
            estimate_from_resamples(
                resample(_of_resample(name, metric, predictions), patient, draws, seed)
            )
        )
        for name, metric in metrics.items()
    }


def _of_resample(
    name: str, metric: Metric, predictions: Predictions
) -> Callable[[NDArray[np.int32]], Floats]:
    """Return the metric as a function of the number of times that each patient counts."""
    patient = predictions.patient_numbers()

    def measure(times: NDArray[np.int32]) -> Floats:
        rows = np.repeat(np.arange(len(patient)), times[patient])
        try:
            value = float(metric(predictions.labels[rows], predictions.probabilities[rows]))
        except Exception as error:
            raise PluginError(
                f"--metric {name}: it failed ({type(error).__name__}: {error}); it must return a "
                "number for labels and probabilities of any images, NaN where it is undefined"
            ) from error
        return np.array(value)

    return measure
