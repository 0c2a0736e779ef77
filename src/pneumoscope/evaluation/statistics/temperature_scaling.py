"""Temperature scaling: calibration of probabilities that keeps the order of images."""

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats

_MIN_TEMPERATURE, _MAX_TEMPERATURE = 0.05, 20.0

_MIN_DISTANCE = 1e-15
"""Distance from 0 and 1 below which a probability has no finite log-odds in float64."""


def fit_temperature(logits: Floats, labels: NDArray[np.int8]) -> float:
    """Return the temperature with the least cross-entropy of sigmoid(logit / temperature) [1]_.

    The cross-entropy is convex in the inverse of the temperature. Where it has no minimum, because
    the logits separate the classes or do not tell them apart, the nearer end of 0.05 to 20 is
    returned.

    Parameters
    ----------
    logits
        Logits of validation images, shape (n,).
    labels
        Labels, PNEUMONIA = 1, shape (n,).

    References
    ----------
    .. [1] Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.

    Examples
    --------
    >>> logits = np.log([0.9, 0.9, 0.9, 0.9, 0.1]) - np.log([0.1, 0.1, 0.1, 0.1, 0.9])
    >>> temperature = fit_temperature(logits, np.array([1, 1, 1, 0, 0]))
    >>> bool(np.isclose(apply_temperature(logits, temperature)[0], 0.8))
    True
    """

    def slope(inverse: float) -> float:
        """Return the derivative of the cross-entropy, which increases with the inverse."""
        return float(((apply_temperature(logits, 1 / inverse) - labels) * logits).sum())

    low, high = 1 / _MAX_TEMPERATURE, 1 / _MIN_TEMPERATURE
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return 2 / (low + high)


def apply_temperature(logits: Floats, temperature: float) -> Floats:
    """Return the probabilities of logits at a temperature: sigmoid(logit / temperature).

    Examples
    --------
    >>> apply_temperature(np.array([0.0, 2.0]), 2.0).round(3)
    array([0.5  , 0.731])
    """
    # Halves of a tangent: no overflow, however large the logit.
    probabilities: Floats = 0.5 * (1 + np.tanh(0.5 * np.asarray(logits, np.float64) / temperature))
    return probabilities


def log_odds(probabilities: Floats) -> Floats:
    """Return log(p / (1 - p)); 0 and 1 are moved inwards by 1e-15, so that it is finite.

    Examples
    --------
    >>> log_odds(np.array([0.5, 0.731, 1.0])).round(2)
    array([ 0.  ,  1.  , 34.54])
    """
    inside = np.clip(probabilities, _MIN_DISTANCE, 1 - _MIN_DISTANCE)
    odds: Floats = np.log(inside) - np.log1p(-inside)
    return odds
