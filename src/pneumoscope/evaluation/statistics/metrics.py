"""How good predictions are: the usual metrics, for one weighting of the images or many at once."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Predictions

Floats: TypeAlias = NDArray[np.float64]

METRIC_NAMES = (
    "accuracy",
    "precision",
    "recall",
    "specificity",
    "f1",
    "auc",
    "average_precision",
)
"""The metrics, in the order in which they are reported."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of one table of predictions at one threshold.

    Each lies within [0, 1], and is None where it is undefined: precision if nothing is called
    PNEUMONIA, recall and average precision without PNEUMONIA, specificity without NORMAL, the
    area under the ROC curve (AUC) with one class only.

    Parameters
    ----------
    n
        Number of images.
    accuracy, precision, recall, specificity, f1
        At the threshold. Recall is the sensitivity, precision the positive predictive value.
    auc, average_precision
        Over all thresholds.
    confusion
        ``((tn, fp), (fn, tp))``, numbers of images.
    """

    n: int
    accuracy: float | None
    precision: float | None
    recall: float | None
    specificity: float | None
    f1: float | None
    auc: float | None
    average_precision: float | None
    confusion: tuple[tuple[int, int], tuple[int, int]]

    def values(self) -> dict[str, float | None]:
        """Return the metrics by name, in the order of `METRIC_NAMES`."""
        return {name: getattr(self, name) for name in METRIC_NAMES}

    def to_json(self) -> dict[str, object]:
        """Return the metrics as the JSON object of the results file."""
        return {"n": self.n, **self.values(), "confusion": [list(row) for row in self.confusion]}


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Points of a curve, one per distinct threshold, from the highest threshold down.

    Parameters
    ----------
    x, y
        Coordinates within [0, 1], float64, shape (points,).
    """

    x: Floats
    y: Floats


def measure(predictions: Predictions, threshold: float = 0.5) -> Metrics:
    """Return the metrics of ``predictions`` where a probability >= ``threshold`` means PNEUMONIA.

    Parameters
    ----------
    predictions
        The table to judge.
    threshold
        The operating point.

    Returns
    -------
    Metrics
        Undefined ones are None.

    Examples
    --------
    >>> table = Predictions(
    ...     files=("a", "b", "c", "d"),
    ...     labels=np.array([0, 0, 1, 1]),
    ...     probabilities=np.array([0.1, 0.6, 0.4, 0.9]),
    ...     patients=("a", "b", "c", "d"),
    ... )
    >>> measure(table).recall, measure(table).auc, measure(table).confusion
    (0.5, 0.75, ((1, 1), (1, 1)))
    """
    weights = np.ones((1, len(predictions.files)))
    values = {
        name: None if np.isnan(value[0]) else float(value[0])
        for name, value in weighted_metrics(predictions, threshold, weights).items()
    }
    tn, fp, fn, tp = (int(count[0]) for count in _confusions(predictions, threshold, weights))
    return Metrics(n=len(predictions.files), confusion=((tn, fp), (fn, tp)), **values)


def weighted_metrics(
    predictions: Predictions, threshold: float, weights: Floats
) -> dict[str, Floats]:
    """Return every metric for every row of ``weights``, all rows at once.

    Tied probabilities count one half in the AUC (the Mann-Whitney statistic [1]_), and average
    precision is the step-wise sum over distinct thresholds, without interpolation [2]_.

    Parameters
    ----------
    predictions
        The table to judge, n images.
    threshold
        A probability of at least this means PNEUMONIA.
    weights
        How much each image counts, float64 >= 0, shape (rows, n).

    Returns
    -------
    dict of str to array
        For each of `METRIC_NAMES` float64 of shape (rows,), NaN where the metric is undefined.

    References
    ----------
    .. [1] Hanley JA, McNeil BJ. The meaning and use of the area under a receiver operating
       characteristic (ROC) curve. Radiology 143:29-36, 1982.
    .. [2] Davis J, Goadrich M. The relationship between precision-recall and ROC curves.
       ICML 2006.

    Examples
    --------
    >>> table = Predictions(("a", "b"), np.array([0, 1]), np.array([0.6, 0.8]), ("a", "b"))
    >>> weighted_metrics(table, 0.5, np.array([[1.0, 1.0], [1.0, 3.0]]))["precision"]
    array([0.5 , 0.75])
    """
    tn, fp, fn, tp = _confusions(predictions, threshold, weights)
    hits, alarms = _cumulative(predictions.labels, predictions.probabilities, weights)
    return {
        "accuracy": ratio(tp + tn, tp + tn + fp + fn),
        "precision": ratio(tp, tp + fp),
        "recall": ratio(tp, tp + fn),
        "specificity": ratio(tn, tn + fp),
        "f1": ratio(2 * tp, 2 * tp + fp + fn),
        "auc": _auc(hits, alarms),
        "average_precision": _average_precision(hits, alarms),
    }


def roc_curve(labels: NDArray[np.int8], probabilities: Floats) -> Curve:
    """Return the ROC curve: recall (y) against the false positive rate (x), from (0, 0) on.

    Parameters
    ----------
    labels
        0 or 1, shape (n,); both must occur, else the coordinate without images is NaN.
    probabilities
        Scores, shape (n,).

    Returns
    -------
    Curve
        One point per distinct score, and the origin.

    Examples
    --------
    >>> curve = roc_curve(np.array([0, 1, 1], dtype=np.int8), np.array([0.5, 0.4, 0.8]))
    >>> curve.x.tolist(), curve.y.tolist()
    ([0.0, 0.0, 1.0, 1.0], [0.0, 0.5, 0.5, 1.0])
    """
    hits, alarms = _cumulative(labels, probabilities, np.ones((1, len(labels))))
    hits, alarms = np.insert(hits[0], 0, 0.0), np.insert(alarms[0], 0, 0.0)
    return Curve(ratio(alarms, alarms[-1:]), ratio(hits, hits[-1:]))


def precision_recall_curve(labels: NDArray[np.int8], probabilities: Floats) -> Curve:
    """Return precision (y) against recall (x), from recall 0 at precision 1 on.

    Parameters
    ----------
    labels
        0 or 1, shape (n,); 1 must occur, else recall is NaN.
    probabilities
        Scores, shape (n,).

    Returns
    -------
    Curve
        One point per distinct score after the conventional first one, (0, 1).

    Examples
    --------
    >>> curve = precision_recall_curve(np.array([0, 1], dtype=np.int8), np.array([0.4, 0.4]))
    >>> curve.x.tolist(), curve.y.tolist()
    ([0.0, 1.0], [1.0, 0.5])
    """
    hits, alarms = _cumulative(labels, probabilities, np.ones((1, len(labels))))
    recall, precision = ratio(hits[0], hits[0, -1:]), ratio(hits[0], hits[0] + alarms[0])
    return Curve(np.insert(recall, 0, 0.0), np.insert(precision, 0, 1.0))


def _confusions(
    predictions: Predictions, threshold: float, weights: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    ill = predictions.labels == 1
    called = predictions.probabilities >= threshold
    cells = np.stack([~ill & ~called, ~ill & called, ill & ~called, ill & called], axis=1)
    tn, fp, fn, tp = (weights @ cells.astype(np.float64)).T
    return tn, fp, fn, tp


def _cumulative(
    labels: NDArray[np.int8], probabilities: Floats, weights: Floats
) -> tuple[Floats, Floats]:
    """Return the weights of true and of false positives at each distinct threshold, descending.

    Both have shape (rows of weights, thresholds).
    """
    order = np.argsort(-probabilities, kind="stable")
    # Images of one probability cross a threshold together: that is what treats ties rightly.
    starts = np.flatnonzero(np.diff(probabilities[order], prepend=np.inf))
    ranked, ill = weights[:, order], labels[order] == 1
    hits = np.cumsum(np.add.reduceat(ranked * ill, starts, axis=1), axis=1)
    alarms = np.cumsum(np.add.reduceat(ranked * ~ill, starts, axis=1), axis=1)
    return hits, alarms


def _auc(hits: Floats, alarms: Floats) -> Floats:
    gained = np.diff(alarms, axis=1, prepend=0.0)
    before = np.concatenate([np.zeros_like(hits[:, :1]), hits[:, :-1]], axis=1)
    area = np.sum(gained * (before + hits) / 2, axis=1)
    return ratio(area, hits[:, -1] * alarms[:, -1])


def _average_precision(hits: Floats, alarms: Floats) -> Floats:
    gained = np.diff(hits, axis=1, prepend=0.0)
    # Before the first image of any weight there is no precision, and nothing gained either.
    precision = np.nan_to_num(ratio(hits, hits + alarms))
    return ratio(np.sum(gained * precision, axis=1), hits[:, -1])


def ratio(part: Floats, whole: Floats) -> Floats:
    """Return ``part / whole``, NaN where the whole is 0.

    Examples
    --------
    >>> ratio(np.array([1.0, 0.0]), np.array([4.0, 0.0]))
    array([0.25,  nan])
    """
    shares: Floats = np.full(part.shape, np.nan)
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares
