"""Classification metrics of a table of predictions at one threshold, and over all thresholds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats, Predictions
from pneumoscope.evaluation.statistics.intervals import proportion
from pneumoscope.evaluation.statistics.roc import Ranking
from pneumoscope.report.estimate import Estimate
from pneumoscope.report.operating_point import POINT_METRICS

Confusion: TypeAlias = tuple[tuple[int, int], tuple[int, int]]
"""``((tn, fp), (fn, tp))``, numbers of images."""

RESULT_METRICS: Mapping[str, str] = {
    "accuracy": "accuracy",
    "precision": "ppv",
    "recall": "sensitivity",
    "specificity": "specificity",
    "f1": "f1",
    "auc": "auc",
    "average_precision": "average_precision",
}
"""Metrics in the results of Runs and experiments, by the names of the notebook's table."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """Metrics of one table of predictions at one threshold, with its number of images.

    The estimates are `POINT_METRICS`, ``auc`` and ``average_precision`` by name. Undefined metrics
    have no value: PPV if nothing is called PNEUMONIA, sensitivity and average precision without
    PNEUMONIA, specificity without NORMAL, the area under the ROC curve (AUC) with one class only.
    """

    n: int
    confusion: Confusion
    estimates: Mapping[str, Estimate]

    def __getitem__(self, name: str) -> Estimate:
        """Return a metric by its name."""
        return self.estimates[name]

    def value(self, name: str) -> float | None:
        """Return the value of a metric, without its interval."""
        return self.estimates[name].value

    def to_json(self) -> dict[str, object]:
        """Return `RESULT_METRICS` as the JSON object of the results file."""
        values = {name: self.value(ours) for name, ours in RESULT_METRICS.items()}
        return {"n": self.n, **values, "confusion": [list(row) for row in self.confusion]}

    def intervals_json(self) -> dict[str, tuple[float, float] | None]:
        """Return the intervals of `RESULT_METRICS` as the JSON object of the results file."""
        return {name: self[ours].interval for name, ours in RESULT_METRICS.items()}


def measure(predictions: Predictions, threshold: float = 0.5) -> Metrics:
    """Return the metrics of predictions, without intervals; see `bootstrap_metrics` for those.

    Parameters
    ----------
    predictions
        Table to evaluate.
    threshold
        Lowest probability that is called PNEUMONIA.

    Examples
    --------
    >>> table = Predictions(
    ...     files=("a", "b", "c", "d"),
    ...     labels=np.array([0, 0, 1, 1]),
    ...     probabilities=np.array([0.1, 0.6, 0.4, 0.9]),
    ...     patients=("a", "b", "c", "d"),
    ... )
    >>> metrics = measure(table)
    >>> metrics.value("sensitivity"), metrics.value("auc"), metrics.confusion
    (0.5, 0.75, ((1, 1), (1, 1)))
    """
    n = len(predictions.files)
    ranking = Ranking.of(predictions.labels, predictions.probabilities, thresholds=[threshold])
    auc, average_precision, _, *cells = ranking.areas_and_counts(np.ones(n, np.int32))
    values = point_metrics(np.array(cells)[:, None])
    numbers = {name: float(value[0]) for name, value in values.items()}
    numbers |= {"auc": float(auc), "average_precision": float(average_precision)}
    estimates = {
        name: Estimate(number if np.isfinite(number) else None) for name, number in numbers.items()
    }
    tn, fp, fn, tp = (int(cell) for cell in cells)
    return Metrics(n, ((tn, fp), (fn, tp)), estimates)


def point_metrics(cells: Floats) -> dict[str, Floats]:
    """Return each of `POINT_METRICS` for many confusion matrices at once, shape (matrices,).

    ``cells`` are tn, fp, fn and tp, shape (4, matrices). A metric is NaN where 0 is divided by 0;
    only likelihood ratios may be infinite.

    Examples
    --------
    >>> values = point_metrics(np.array([[90.0], [10.0], [5.0], [45.0]]))
    >>> {name: round(float(value[0]), 2) for name, value in values.items()}["lr_positive"]
    9.0
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return {name: np.divide(*metric.fraction(*cells)) for name, metric in POINT_METRICS.items()}


def proportions(
    labels: NDArray[np.int8], probabilities: Floats, threshold: float
) -> dict[str, Estimate]:
    """Return sensitivity, specificity and the other proportions with Wilson's intervals.

    Parameters
    ----------
    labels, probabilities
        Shape (n,); each image counts as a patient of its own.
    threshold
        Lowest probability that is called PNEUMONIA.

    Examples
    --------
    >>> rates = proportions(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.9]), threshold=0.5)
    >>> print(rates["specificity"], rates["sensitivity"], sep="; ")
    1.000 (0.342 to 1.000); 0.500 (0.095 to 0.905)
    """
    ranking = Ranking.of(labels, probabilities, thresholds=[threshold])
    return wilson_proportions(ranking.confusions(np.ones(len(labels), np.int32))[0])


def wilson_proportions(cells: NDArray[np.int32] | Floats) -> dict[str, Estimate]:
    """Return the proportions among `POINT_METRICS` with Wilson's intervals.

    ``cells`` are tn, fp, fn and tp, shape (4,).
    """
    return {
        name: proportion(*map(int, metric.fraction(*cells)))
        for name, metric in POINT_METRICS.items()
        if metric.is_proportion
    }
