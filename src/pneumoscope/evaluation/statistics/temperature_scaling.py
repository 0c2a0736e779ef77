"""Temperature scaling: probabilities that mean what they say, without changing the order."""

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats

_COOLEST, _HOTTEST = 0.05, 20.0

_LEAST = 1e-15
"""Probabilities nearer to 0 or 1 have no log-odds in a table of numbers."""


def fit_temperature(logits: Floats, labels: NDArray[np.int8]) -> float:
    """Return the temperature whose probabilities, sigmoid(logit / temperature), fit labels best.

    Best is the least cross-entropy, which is convex in the temperature's inverse; where it has no
    minimum, because the logits separate the classes or say nothing, the nearest of 0.05 and 20 is
    taken.

    Parameters
    ----------
    logits
        Shape (n,), of validation images.
    labels
        Shape (n,), PNEUMONIA = 1.

    References
    ----------
    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.

    Examples
    --------
    >>> logits = np.log([0.9, 0.9, 0.9, 0.9, 0.1]) - np.log([0.1, 0.1, 0.1, 0.1, 0.9])
    >>> temperature = fit_temperature(logits, np.array([1, 1, 1, 0, 0]))
    >>> bool(np.isclose(calibrate(logits, temperature)[0], 0.8))
    True
    """

    def slope(inverse: float) -> float:
        """Return the derivative of the cross-entropy: it grows with the inverse."""
        return float(((calibrate(logits, 1 / inverse) - labels) * logits).sum())

    low, high = 1 / _HOTTEST, 1 / _COOLEST
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return 2 / (low + high)


def calibrate(logits: Floats, temperature: float) -> Floats:
    """Return the probabilities of logits at a temperature.

    Examples
    --------
    >>> calibrate(np.array([0.0, 2.0]), 2.0).round(3)
    array([0.5  , 0.731])
    """
    # Halves of a tangent: no overflow, however large the logit.
    probabilities: Floats = 0.5 * (1 + np.tanh(0.5 * np.asarray(logits, np.float64) / temperature))
    return probabilities


def log_odds(probabilities: Floats) -> Floats:
    """Return log(p / (1 - p)); of 0 and 1 that of a probability just beside.

    Examples
    --------
    >>> log_odds(np.array([0.5, 0.731, 1.0])).round(2)
    array([ 0.  ,  1.  , 34.54])
    """
    inside = np.clip(probabilities, _LEAST, 1 - _LEAST)
    odds: Floats = np.log(inside) - np.log1p(-inside)
    return odds
