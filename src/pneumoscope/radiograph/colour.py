"""Luminance and colourfulness of colour images."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def luminance(colours: Floats) -> Floats:
    """Return the luminance of RGB colours, with the weights of ITU-R BT.601.

    Parameters
    ----------
    colours
        Shape (..., 3), range [0, 1].

    Examples
    --------
    >>> luminance(np.float32([[[1, 0, 0], [1, 1, 1]]])).round(3)
    array([[0.299, 1.   ]], dtype=float32)
    """
    grey: Floats = np.clip(colours @ _WEIGHTS, 0, 1)
    return grey


_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)


def measure_colourfulness(colours: Floats) -> float:
    """Return the mean difference between the largest and the smallest channel.

    Parameters
    ----------
    colours
        Shape (height, width, 3), range [0, 1].

    Examples
    --------
    >>> measure_colourfulness(np.float32([[[1, 0, 0], [0.5, 0.5, 0.5]]]))
    0.5
    """
    return float((colours.max(-1) - colours.min(-1)).mean())
