"""Operating points: decision thresholds, and the band of uncertain probabilities around them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats, Predictions
from pneumoscope.evaluation.statistics.metrics import point_metrics
from pneumoscope.evaluation.statistics.roc import Ranking
from pneumoscope.report.operating_point import OperatingPoint
from pneumoscope.support.errors import PredictionsError

MIN_SCREENING_SENSITIVITY = 0.99
"""Lowest sensitivity of the operating point ``screening``."""

MIN_CONFIRM_PPV = 0.98
"""Lowest PPV of the operating point ``confirm``."""

MIN_SENSITIVITY = 0.05
"""Lowest sensitivity of any operating point; one that finds fewer is of no use."""

BAND_ERROR_RATE = 0.01
"""Largest share of either class that lies beyond the far end of the uncertain band."""


def choose_operating_points(*tables: Predictions) -> dict[str, OperatingPoint]:
    """Choose the operating points, from the most sensitive to the most precise.

    ``screening`` is the highest threshold with a sensitivity of at least 0.99, ``balanced``
    maximises Youden's index [1]_ among thresholds not below it, ``confirm`` is the lowest, not
    below that, with a PPV of at least 0.98, and a sensitivity of at least 0.05 in the first table;
    if there is none, there is no ``confirm``. Each threshold lies in the middle, in log-odds,
    between two observed probabilities.

    With several tables, each condition holds in all of them: sensitivity, PPV and band are those of
    the worst table, as is prudent where it is unknown which one new images will resemble [2]_.
    Youden's index is the mean over the tables.

    Parameters
    ----------
    *tables
        Calibrated predictions on validation images of both classes; or on the same images several
        times, with simulated acquisitions.

    Returns
    -------
    dict of str to OperatingPoint
        Operating points by name, not yet measured.

    Raises
    ------
    PredictionsError
        If a class is missing.

    References
    ----------
    .. [1] Youden WJ. Index for rating diagnostic tests. Cancer 3:32-35, 1950.
    .. [2] Sagawa et al., "Distributionally Robust Neural Networks for Group Shifts", ICLR 2020,
       there for losses.

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
    observed = np.unique(np.concatenate([table.probabilities for table in tables]))
    indices = _threshold_indices([_rates(table, observed) for table in tables])
    bands = [uncertain_band(table.labels, table.probabilities) for table in tables]
    low, high = min(low for low, _ in bands), max(high for _, high in bands)
    rules = {
        "screening": f"highest threshold with sensitivity >= {MIN_SCREENING_SENSITIVITY}",
        "balanced": "highest sensitivity + specificity (Youden)",
        "confirm": f"lowest threshold with PPV >= {MIN_CONFIRM_PPV}",
    }
    points = {}
    for (name, rule), index in zip(rules.items(), indices, strict=False):
        threshold = _between(observed[index - 1] if index else 0.0, observed[index])
        points[name] = OperatingPoint(
            rule=f"{rule}, on {_describe(tables)}",
            threshold=threshold,
            low=min(low, threshold),
            high=max(high, threshold),
            level=BAND_ERROR_RATE,
        )
    return points


def most_precise_threshold(validation: Predictions, min_recall: float) -> float:
    """Return the threshold of highest precision among those with an acceptable recall.

    It lies in the middle, in log-odds, between two observed probabilities; of several the highest
    is taken.

    Parameters
    ----------
    validation
        Predictions on validation images, with PNEUMONIA among them.
    min_recall
        Lowest acceptable recall, within [0, 1].

    Examples
    --------
    >>> labels, files = np.array([0, 1, 0, 1]), ("a", "b", "c", "d")
    >>> table = Predictions(files, labels, np.array([0.1, 0.4, 0.6, 0.9]), files)
    >>> round(most_precise_threshold(table, min_recall=0.5), 2)
    0.79
    >>> round(most_precise_threshold(table, min_recall=1), 2)
    0.21
    """
    observed = np.unique(validation.probabilities)
    rates = _rates(validation, observed)
    acceptable = rates["sensitivity"] >= min_recall  # the lowest threshold finds everyone
    precision = np.where(acceptable, rates["ppv"], -1)
    index = int(np.flatnonzero(precision == precision.max()).max())
    return _between(observed[index - 1] if index else 0.0, observed[index])


def require_both_classes(labels: NDArray[np.int8]) -> None:
    """Raise unless there are validation images of both classes.

    Raises
    ------
    PredictionsError
        If NORMAL or PNEUMONIA is missing.
    """
    if len(set(labels.tolist())) < 2:
        raise PredictionsError(
            "operating points need NORMAL and PNEUMONIA among the validation images, and one class "
            "is missing; split the dataset again"
        )


def uncertain_band(
    labels: NDArray[np.int8], probabilities: Floats, level: float = BAND_ERROR_RATE
) -> tuple[float, float]:
    """Return the band of probabilities without a certain finding, by split conformal prediction.

    For new images exchangeable with these, at most ``level`` of those with PNEUMONIA get a
    probability below ``low``, and at most ``level`` of the NORMAL ones get one above ``high``; each
    class is counted by itself (Mondrian). With fewer than ``1 / level - 1`` images of a class
    nothing can be guaranteed, and the band reaches 0 or 1.

    Parameters
    ----------
    labels
        Labels of images that nothing was fitted on, shape (n,).
    probabilities
        Probabilities of PNEUMONIA, shape (n,).
    level
        Largest share of a class beyond the far end of the band.

    Returns
    -------
    low, high : float
        ``low`` above ``high`` means that there is no band: both guarantees hold everywhere between.

    References
    ----------
    Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005, chapter 4.

    Examples
    --------
    >>> uncertain_band(np.repeat([0, 1], 9), np.tile(np.arange(1, 10) / 10, 2), level=0.2)
    (0.2, 0.8)
    """
    ill, healthy = np.sort(probabilities[labels == 1]), np.sort(probabilities[labels == 0])
    below = int(np.floor(level * (len(ill) + 1)))
    above = int(np.floor(level * (len(healthy) + 1)))
    low = float(ill[below - 1]) if below else 0.0
    high = float(healthy[-above]) if above else 1.0
    return low, high


def _threshold_indices(rates: Sequence[dict[str, Floats]]) -> list[int]:
    """Return the indices of the thresholds of screening, balanced and, if possible, confirm."""
    sensitivity = np.min([table["sensitivity"] for table in rates], axis=0)
    # Where no image is called ill, none is called so wrongly: the PPV is 1.
    ppv = np.min([np.nan_to_num(table["ppv"], nan=1.0) for table in rates], axis=0)
    youden = np.mean([table["sensitivity"] + table["specificity"] for table in rates], axis=0)
    screening = int(np.flatnonzero(sensitivity >= MIN_SCREENING_SENSITIVITY).max())
    balanced = screening + int(np.argmax(youden[screening:]))
    # The simulated ones bound what is promised; whether a point is of use, the images themselves.
    useful = rates[0]["sensitivity"] >= MIN_SENSITIVITY
    reachable = (ppv >= MIN_CONFIRM_PPV) & useful
    precise = balanced + np.flatnonzero(reachable[balanced:])
    return [screening, balanced, *precise[:1].tolist()]


def _rates(table: Predictions, thresholds: Floats) -> dict[str, Floats]:
    """Return each of `POINT_METRICS` at each threshold, shape (thresholds,)."""
    ranking = Ranking.of(table.labels, table.probabilities, thresholds=thresholds)
    counts = ranking.confusions(np.ones(len(table.files), np.int32))
    return point_metrics(counts.T.astype(np.float64))


def _describe(tables: Sequence[Predictions]) -> str:
    images = f"{len(tables[0].files)} validation images"
    if len(tables) == 1:
        return images
    return f"{images} as they are and in {len(tables) - 1} simulated acquisitions"


def _between(low: float, high: float) -> float:
    """Return the middle of two probabilities in log-odds, above the first."""
    odds = [p / (1 - p) for p in np.clip([low, high], 1e-9, 1 - 1e-9)]
    middle = float(np.sqrt(odds[0] * odds[1]))
    inside = middle / (1 + middle)
    return inside if low < inside <= high else high
