"""Where probability becomes a finding: thresholds, and the band in which none is given."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.statistics.metrics import Floats
from pneumoscope.support.errors import PredictionsError

SCREENING_RECALL = 0.99
CONFIRM_PRECISION = 0.98
ABSTAIN_LEVEL = 0.01
"""At most this share of either class is to be given the other's finding, outside the band."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold and the band around it.

    Parameters
    ----------
    name
        ``screening``, ``balanced`` or ``confirm``.
    rule
        How the threshold was chosen, in words.
    threshold
        A probability of at least this means PNEUMONIA.
    low, high
        Of the band, both included, in which no finding is sure. It holds the threshold.
    """

    name: str
    rule: str
    threshold: float
    low: float
    high: float


def choose_operating_points(*tables: Predictions) -> tuple[OperatingPoint, ...]:
    """Choose the operating points, from the most sensitive to the most precise.

    ``screening`` is the highest threshold whose recall is at least 0.99, ``balanced`` maximises
    Youden's index [1]_ among thresholds not below it, ``confirm`` is the lowest, not below that,
    whose precision is at least 0.98; where none is, there is no ``confirm``. Each threshold lies in
    the middle, as log-odds, between two probabilities that were seen.

    Of several tables, each promise is kept in every one: recall, precision and band by the worst
    of them, as is prudent where it is not known which one new images will be like [2]_. Youden's
    index is the mean of theirs.

    Parameters
    ----------
    *tables
        Validation images of both classes, calibrated; or the same images several times, as
        different machines might have made them.

    Raises
    ------
    PredictionsError
        If a class is missing.

    References
    ----------
    .. [1] Youden WJ. Index for rating diagnostic tests. Cancer 3:32-35, 1950.
    .. [2] Sagawa et al., "Distributionally Robust Neural Networks for Group Shifts", ICLR 2020,
       there of losses.

    Examples
    --------
    >>> def table(*probabilities: float) -> Predictions:
    ...     return Predictions(
    ...         files=("a", "b", "c", "d"),
    ...         labels=np.array([0, 0, 1, 1]),
    ...         probabilities=np.array(probabilities),
    ...         patients=("a", "b", "c", "d"),
    ...     )
    >>> plain, darker = table(0.1, 0.2, 0.8, 0.9), table(0.1, 0.2, 0.4, 0.9)
    >>> [(point.name, round(point.threshold, 3)) for point in choose_operating_points(plain)]
    [('screening', 0.5), ('balanced', 0.5), ('confirm', 0.5)]
    >>> round(choose_operating_points(plain, darker)[0].threshold, 3)
    0.29
    """
    for table in tables:
        require_both_classes(table.labels)
    seen = np.unique(np.concatenate([table.probabilities for table in tables]))
    rates = np.stack([_rates(table.labels, table.probabilities, seen) for table in tables])
    recall, precision = rates[:, 0].min(0), rates[:, 2].min(0)
    youden = (rates[:, 0] + rates[:, 1]).mean(0)
    screening = int(np.flatnonzero(recall >= SCREENING_RECALL).max())
    balanced = screening + int(np.argmax(youden[screening:]))
    chosen = [screening, balanced]
    precise = balanced + np.flatnonzero(precision[balanced:] >= CONFIRM_PRECISION)
    chosen += [int(precise.min())] if len(precise) else []
    bands = [abstaining_band(table.labels, table.probabilities) for table in tables]
    low, high = min(low for low, _ in bands), max(high for _, high in bands)
    rules = {
        "screening": f"highest threshold with recall >= {SCREENING_RECALL}",
        "balanced": "highest recall + specificity (Youden)",
        "confirm": f"lowest threshold with precision >= {CONFIRM_PRECISION}",
    }
    points = []
    for (name, rule), index in zip(rules.items(), chosen, strict=False):
        threshold = _between(seen[index - 1] if index else 0.0, seen[index])
        points.append(
            OperatingPoint(
                name,
                f"{rule}, on {_in_words(tables)}",
                threshold,
                min(low, threshold),
                max(high, threshold),
            )
        )
    return tuple(points)


def _in_words(tables: Sequence[Predictions]) -> str:
    images = f"{len(tables[0].files)} validation images"
    if len(tables) == 1:
        return images
    return f"{images} as they are and as {len(tables) - 1} other machines might have made them"


def require_both_classes(labels: NDArray[np.int8]) -> None:
    """Refuse validation images of one class alone.

    Raises
    ------
    PredictionsError
        If NORMAL or PNEUMONIA is missing.
    """
    if len(set(labels.tolist())) < 2:
        raise PredictionsError(
            "operating points need NORMAL and PNEUMONIA among the validation images, and one class "
            "is missing; split the dataset anew"
        )


def abstaining_band(
    labels: NDArray[np.int8], probabilities: Floats, level: float = ABSTAIN_LEVEL
) -> tuple[float, float]:
    """Return the band of probabilities for which no finding is sure, by split conformal prediction.

    For new images exchangeable with these, at most ``level`` of those with PNEUMONIA get a
    probability below ``low``, and at most ``level`` of the NORMAL ones get one above ``high``; each
    class is counted by itself (Mondrian). With fewer than ``1 / level - 1`` images of a class
    nothing can be promised, and the band reaches 0 or 1.

    Parameters
    ----------
    labels
        Shape (n,), of images that nothing was learned from.
    probabilities
        Shape (n,).
    level
        Share of a class.

    Returns
    -------
    low, high : float
        ``low`` above ``high`` means that there is no band: both promises hold everywhere between.

    References
    ----------
    Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005, chapter 4.

    Examples
    --------
    >>> abstaining_band(np.repeat([0, 1], 9), np.tile(np.arange(1, 10) / 10, 2), level=0.2)
    (0.2, 0.8)
    """
    ill, healthy = np.sort(probabilities[labels == 1]), np.sort(probabilities[labels == 0])
    below = int(np.floor(level * (len(ill) + 1)))
    above = int(np.floor(level * (len(healthy) + 1)))
    low = float(ill[below - 1]) if below else 0.0
    high = float(healthy[-above]) if above else 1.0
    return low, high


def _rates(labels: NDArray[np.int8], probabilities: Floats, thresholds: Floats) -> Floats:
    """Return recall, specificity and precision at each threshold, shape (3, n).

    Where nothing is called ill, nothing is called so wrongly: the precision is 1.
    """
    ill, healthy = (np.sort(probabilities[labels == label]) for label in (1, 0))
    healthy_below = np.searchsorted(healthy, thresholds)
    called_ill = len(ill) - np.searchsorted(ill, thresholds)
    called = called_ill + len(healthy) - healthy_below
    precision = np.where(called, called_ill / np.maximum(called, 1), 1.0)
    return np.stack([called_ill / len(ill), healthy_below / len(healthy), precision])


def _between(low: float, high: float) -> float:
    """Return the middle of two probabilities as log-odds, above the first."""
    odds = [p / (1 - p) for p in np.clip([low, high], 1e-9, 1 - 1e-9)]
    middle = float(np.sqrt(odds[0] * odds[1]))
    inside = middle / (1 + middle)
    return inside if low < inside <= high else high
