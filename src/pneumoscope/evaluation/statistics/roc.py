"""Receiver operating characteristic (ROC) and precision-recall curves, and the areas under them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats

MAX_MISSED_SHARE = 0.1
"""Region of the partial AUC: at most this share of PNEUMONIA is missed."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Points of a curve within [0, 1], one per distinct threshold, from the highest down."""

    x: Floats
    y: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Images sorted by descending probability, to be counted for many weightings of patients.

    ``patient`` is the number of each image's patient and ``ill`` is 1 for PNEUMONIA, shape (n,).
    ``ends`` are the numbers of images with at least each distinct probability, ascending from 0,
    ``called`` the numbers that each operating point calls PNEUMONIA.
    """

    patient: NDArray[np.intp]
    ill: NDArray[np.int32]
    ends: NDArray[np.intp]
    called: NDArray[np.intp]

    @classmethod
    def of(
        cls,
        labels: NDArray[np.int8],
        probabilities: Floats,
        patient: NDArray[np.intp] | None = None,
        thresholds: Sequence[float] | Floats = (),
    ) -> "Ranking":
        """Sort images by descending probability.

        ``patient`` is the number of each image's patient, from 0 without gaps, shape (n,); if None,
        each image is a patient of its own. ``thresholds`` are the lowest probabilities that each
        operating point calls PNEUMONIA.
        """
        order = np.argsort(-probabilities, kind="stable")
        ranked = probabilities[order]
        # Images of one probability cross a threshold together: that is what treats ties rightly.
        ends = np.flatnonzero(np.diff(ranked, prepend=np.inf, append=-np.inf))
        called = np.searchsorted(-ranked, -np.asarray(thresholds, np.float64), side="right")
        numbers = order if patient is None else patient[order]
        return cls(numbers, (labels[order] == 1).astype(np.int32), ends, called)

    def areas_and_counts(self, times: NDArray[np.int32]) -> Floats:
        """Return the areas under the curves, then the confusion matrix of each operating point.

        Tied probabilities count one half in the AUC (the Mann-Whitney statistic [1]_), and average
        precision is the step-wise sum over distinct thresholds, without interpolation [2]_.

        Parameters
        ----------
        times
            Number of times that each patient counts, shape (patients,).

        Returns
        -------
        array
            AUC, average precision and standardised partial AUC [3]_, NaN where they are undefined;
            then tn, fp, fn and tp of each operating point.

        References
        ----------
        .. [1] Hanley JA, McNeil BJ. The meaning and use of the area under a receiver operating
           characteristic (ROC) curve. Radiology 143:29-36, 1982.
        .. [2] Davis J, Goadrich M. The relationship between precision-recall and ROC curves.
           ICML 2006.
        .. [3] McClish DK. Analyzing a portion of the ROC curve. Medical Decision Making 9:190-195,
           1989.

        Examples
        --------
        >>> labels, probabilities = np.array([0, 1, 1], np.int8), np.array([0.5, 0.4, 0.8])
        >>> ranking = Ranking.of(labels, probabilities, thresholds=[0.6])
        >>> ranking.areas_and_counts(np.array([1, 1, 3], np.int32)).tolist()[:2]
        [0.75, 0.95]
        """
        ill, healthy = self._cumulative(times)
        areas = _areas(ill[self.ends].astype(np.float64), healthy[self.ends].astype(np.float64))
        return np.concatenate([areas, self._confusions(ill, healthy).ravel()])

    def confusions(self, times: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return tn, fp, fn and tp of each operating point, shape (points, 4).

        ``times`` is the number of times that each patient counts, shape (patients,).

        Examples
        --------
        >>> labels, probabilities = np.array([0, 1, 1], np.int8), np.array([0.5, 0.4, 0.8])
        >>> ranking = Ranking.of(labels, probabilities, thresholds=[0.6])
        >>> ranking.confusions(np.array([1, 1, 3], np.int32)).tolist()
        [[1, 0, 1, 3]]
        """
        return self._confusions(*self._cumulative(times))

    def true_and_false_positives(self) -> tuple[Floats, Floats]:
        """Return the numbers of both at each distinct threshold, descending, from 0 on."""
        ill, healthy = self._cumulative(np.ones(len(self.patient), np.int32))
        return ill[self.ends].astype(np.float64), healthy[self.ends].astype(np.float64)

    def _cumulative(self, times: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the number of ill and of healthy images among the first 0, 1, ..., (2, n + 1)."""
        weights = times.take(self.patient)
        ill, healthy = counts = np.zeros((2, len(weights) + 1), np.int32)
        np.cumsum(weights * self.ill, out=ill[1:])
        np.cumsum(weights, out=healthy[1:])
        healthy -= ill
        return counts

    def _confusions(self, ill: NDArray[np.int32], healthy: NDArray[np.int32]) -> NDArray[np.int32]:
        tp, fp = ill[self.called], healthy[self.called]
        return np.stack([healthy[-1] - fp, fp, ill[-1] - tp, tp], axis=1)


def roc_auc(labels: NDArray[np.int8], probabilities: Floats) -> float | None:
    """Return the area under the ROC curve; None where a class is missing.

    Parameters
    ----------
    labels
        0 or 1, shape (n,).
    probabilities
        Scores, shape (n,); only their order matters, ties count one half.

    Examples
    --------
    >>> roc_auc(np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.4, 0.8]))
    0.875
    """
    auc = _areas(*Ranking.of(labels, probabilities).true_and_false_positives())[0]
    return None if np.isnan(auc) else auc


def roc_curve(labels: NDArray[np.int8], probabilities: Floats) -> Curve:
    """Return the ROC curve: sensitivity (y) against the false positive rate (x), from (0, 0) on.

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
    tp, fp = Ranking.of(labels, probabilities).true_and_false_positives()
    return Curve(ratio(fp, fp[-1]), ratio(tp, tp[-1]))


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
    tp, fp = Ranking.of(labels, probabilities).true_and_false_positives()
    precision = ratio(tp, tp + fp)
    precision[0] = 1.0
    return Curve(ratio(tp, tp[-1]), precision)


def ratio(part: Floats, whole: Floats | np.float64) -> Floats:
    """Return ``part / whole``, NaN where the whole is 0.

    Examples
    --------
    >>> ratio(np.array([1.0, 0.0]), np.array([4.0, 0.0]))
    array([0.25,  nan])
    """
    shares: Floats = np.full(part.shape, np.nan)
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares


def _areas(tp: Floats, fp: Floats) -> tuple[float, float, float]:
    """Return AUC, average precision and partial AUC from the counts at each distinct threshold."""
    ill, healthy = tp[-1], fp[-1]
    if ill == 0:
        return np.nan, np.nan, np.nan
    gained = np.diff(tp)
    # Before the first image of any weight nothing is gained either.
    precision = tp[1:] / np.maximum(tp[1:] + fp[1:], 1)
    average_precision = float((gained * precision).sum() / ill)
    if healthy == 0:
        return np.nan, average_precision, np.nan
    # Pairs of an ill image and a healthy one above it; a tie is half a pair.
    lost = gained * (fp[1:] + fp[:-1]) / 2
    pairs = ill * healthy
    auc = float((pairs - lost.sum()) / pairs)
    edge = ill * (1 - MAX_MISSED_SHARE)
    first = int(np.searchsorted(tp, edge, side="right"))
    # The curve runs straight between its points, and crosses the edge of the region between two.
    inside = tp[first] - edge
    slope = (fp[first] - fp[first - 1]) / gained[first - 1]
    crossing = inside * (fp[first] - slope * inside / 2)
    missing = float(lost[first:].sum() + crossing) / pairs
    return auc, average_precision, _standardised(missing)


def _standardised(missing: float) -> float:
    """Return 0.5 for the area by chance and 1 for a perfect one, from what the region lacks."""
    by_chance = MAX_MISSED_SHARE - MAX_MISSED_SHARE**2 / 2
    return 1 - missing / by_chance / 2
