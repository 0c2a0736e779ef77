"""Where probability becomes a finding: thresholds, and the band in which none is given."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats, Predictions
from pneumoscope.evaluation.statistics.metrics import point_metrics
from pneumoscope.evaluation.statistics.roc import Ranking
from pneumoscope.report.operating_point import OperatingPoint
from pneumoscope.support.errors import PredictionsError

SCREENING_RECALL = 0.99
CONFIRM_PRECISION = 0.98
ABSTAIN_LEVEL = 0.01
"""At most this share of either class is to be given the other's finding, outside the band."""


def choose_operating_points(*tables: Predictions) -> dict[str, OperatingPoint]:
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
    >>> points = choose_operating_points(plain)
    >>> {name: round(point.threshold, 3) for name, point in points.items()}
    {'screening': 0.5, 'balanced': 0.5, 'confirm': 0.5}
    >>> round(choose_operating_points(plain, darker)["screening"].threshold, 3)
    0.29
    """
    for table in tables:
        require_both_classes(table.labels)
    seen = np.unique(np.concatenate([table.probabilities for table in tables]))
    rates = [_rates(table, seen) for table in tables]
    sensitivity = np.min([values["sensitivity"] for values in rates], axis=0)
    # Where nothing is called ill, nothing is called so wrongly: the precision is 1.
    precision = np.min([np.nan_to_num(values["ppv"], nan=1.0) for values in rates], axis=0)
    youden = np.mean([values["sensitivity"] + values["specificity"] for values in rates], axis=0)
    screening = int(np.flatnonzero(sensitivity >= SCREENING_RECALL).max())
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
    points = {}
    for (name, rule), index in zip(rules.items(), chosen, strict=False):
        threshold = _between(seen[index - 1] if index else 0.0, seen[index])
        points[name] = OperatingPoint(
            rule=f"{rule}, on {_in_words(tables)}",
            threshold=threshold,
            low=min(low, threshold),
            high=max(high, threshold),
            level=ABSTAIN_LEVEL,
        )
    return points


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


def _rates(table: Predictions, thresholds: Floats) -> dict[str, Floats]:
    """Return each of `POINT_METRICS` at each threshold, shape (thresholds,)."""
    ranking = Ranking.of(table.labels, table.probabilities, thresholds=thresholds)
    counts = ranking.confusions(np.ones(len(table.files), np.int32))
    return point_metrics(counts.T.astype(np.float64))


def _between(low: float, high: float) -> float:
    """Return the middle of two probabilities as log-odds, above the first."""
    odds = [p / (1 - p) for p in np.clip([low, high], 1e-9, 1 - 1e-9)]
    middle = float(np.sqrt(odds[0] * odds[1]))
    inside = middle / (1 + middle)
    return inside if low < inside <= high else high
