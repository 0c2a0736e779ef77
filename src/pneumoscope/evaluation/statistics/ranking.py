"""Predictions sorted once, to be counted for many weightings of their patients."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.statistics.metrics import Floats

MISSED = 0.1
"""The partial AUC's region: at most this share of PNEUMONIA is missed."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Images from the highest probability down, ready to be weighed by patient.

    Parameters
    ----------
    patient
        Number of each image's patient, shape (n,).
    ill
        1 for PNEUMONIA and 0 for NORMAL, shape (n,).
    ends
        How many images each distinct probability and those above it have; 0 comes first.
    called
        How many images each operating point calls PNEUMONIA.
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
        patient: NDArray[np.intp],
        thresholds: Sequence[float],
    ) -> "Ranking":
        """Sort images.

        Parameters
        ----------
        labels, probabilities
            As in `Predictions`.
        patient
            Number of each image's patient, 0 to patients - 1, shape (n,).
        thresholds
            Of the operating points.
        """
        order = np.argsort(-probabilities, kind="stable")
        ranked = probabilities[order]
        # Images of one probability cross a threshold together: that is what treats ties rightly.
        ends = np.flatnonzero(np.diff(ranked, prepend=np.inf, append=-np.inf))
        called = np.searchsorted(-ranked, -np.array(thresholds, dtype=np.float64), side="right")
        return cls(patient[order], (labels[order] == 1).astype(np.int32), ends, called)

    def figures(self, times: NDArray[np.int32]) -> Floats:
        """Return what the images say if each patient counts some number of times.

        Parameters
        ----------
        times
            How often each patient counts, shape (patients,).

        Returns
        -------
        array
            AUC, average precision and standardised partial AUC, NaN where they are undefined; then
            tn, fp, fn and tp of each operating point.

        Examples
        --------
        >>> ranking = Ranking.of(
        ...     np.array([0, 1, 1], np.int8), np.array([0.5, 0.4, 0.8]), np.array([0, 1, 2]), [0.6]
        ... )
        >>> ranking.figures(np.array([1, 1, 3], np.int32)).tolist()[:2]
        [0.75, 0.95]
        """
        ill, healthy = self._from_the_top(times)
        areas = _areas(ill[self.ends].astype(np.float64), healthy[self.ends].astype(np.float64))
        return np.concatenate([areas, self._confusions(ill, healthy).ravel()])

    def confusions(self, times: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return tn, fp, fn and tp of each operating point, shape (points, 4).

        Parameters
        ----------
        times
            How often each patient counts, shape (patients,).

        Examples
        --------
        >>> ranking = Ranking.of(
        ...     np.array([0, 1, 1], np.int8), np.array([0.5, 0.4, 0.8]), np.array([0, 1, 2]), [0.6]
        ... )
        >>> ranking.confusions(np.array([1, 1, 3], np.int32)).tolist()
        [[1, 0, 1, 3]]
        """
        return self._confusions(*self._from_the_top(times))

    def _from_the_top(self, times: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return how many ill and healthy images the first 0, 1, ... of all are, (2, n + 1)."""
        weights = times.take(self.patient)
        ill, healthy = counts = np.zeros((2, len(weights) + 1), np.int32)
        np.cumsum(weights * self.ill, out=ill[1:])
        np.cumsum(weights, out=healthy[1:])
        healthy -= ill
        return counts

    def _confusions(self, ill: NDArray[np.int32], healthy: NDArray[np.int32]) -> NDArray[np.int32]:
        tp, fp = ill[self.called], healthy[self.called]
        return np.stack([healthy[-1] - fp, fp, ill[-1] - tp, tp], axis=1)


def _areas(hits: Floats, alarms: Floats) -> tuple[float, float, float]:
    """Return AUC, average precision and partial AUC of one ROC curve in numbers of images."""
    ill, healthy = hits[-1], alarms[-1]
    if ill == 0:
        return np.nan, np.nan, np.nan
    gained = np.diff(hits)
    # Before the first image of any weight nothing is gained either.
    precision = hits[1:] / np.maximum(hits[1:] + alarms[1:], 1)
    average_precision = float((gained * precision).sum() / ill)
    if healthy == 0:
        return np.nan, average_precision, np.nan
    # Pairs of an ill image and a healthy one above it; a tie is half a pair.
    lost = gained * (alarms[1:] + alarms[:-1]) / 2
    pairs = ill * healthy
    auc = float((pairs - lost.sum()) / pairs)
    edge = ill * (1 - MISSED)
    first = int(np.searchsorted(hits, edge, side="right"))
    # The curve runs straight between its points, and crosses the edge of the region between two.
    inside = hits[first] - edge
    slope = (alarms[first] - alarms[first - 1]) / gained[first - 1]
    crossing = inside * (alarms[first] - slope * inside / 2)
    missing = float(lost[first:].sum() + crossing) / pairs
    return auc, average_precision, _standardised(missing)


def _standardised(missing: float) -> float:
    """Scale what the region lacks so that the area is 0.5 by chance and 1 if perfect."""
    by_chance = MISSED - MISSED**2 / 2
    return 1 - missing / by_chance / 2
