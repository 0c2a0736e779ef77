"""Colour pictures: their luminance, and how coloured they are."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def luminance(colours: Floats) -> Floats:
    """Return the grey values of red, green and blue, as ITU-R BT.601 weighs them.

    Examples
    --------
    >>> luminance(np.float32([[[1, 0, 0], [1, 1, 1]]])).round(3)
    array([[0.299, 1.   ]], dtype=float32)
    """
    grey: Floats = np.clip(colours @ _WEIGHTS, 0, 1)
    return grey


_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)


def colourfulness_of(colours: Floats) -> float:
    """Return the mean difference between the largest and the smallest channel.

    Parameters
    ----------
    colours
        Shape (height, width, 3), range [0, 1].

    Examples
    --------
    >>> colourfulness_of(np.float32([[[1, 0, 0], [0.5, 0.5, 0.5]]]))
    0.5
    """
    return float((colours.max(-1) - colours.min(-1)).mean())
