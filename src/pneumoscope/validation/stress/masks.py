"""Masks of the lungs, the border and the corners of a radiograph."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from pneumoscope.lungs import LungField

Pixels: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]

BORDER_SHARE = 1 / 8
"""Width of the border, as a share of each side."""

CORNER_SHARE = 1 / 5
"""Extent of a corner, where side markers stand, as a share of each side."""

WIDENING_SHARE = 4 / 224
"""Width by which the mask of the lungs is widened, as a share of each side."""

_GRID = 448
"""Places along each side of the grid on which the mask is widened."""


def widened_lungs(field: LungField, shape: tuple[int, int]) -> Mask:
    """Return the mask of both lungs, widened so that no edge of a lung is left beside it.

    Parameters
    ----------
    field
        Lung field of the image.
    shape
        Height and width of the image.

    Examples
    --------
    >>> lungs = np.zeros((2, 56, 56), np.bool_)
    >>> lungs[0, 14:42, 7:21] = lungs[1, 14:42, 35:49] = True
    >>> mask = widened_lungs(LungField(lungs, confidence=1, min_confidence=0.5), (224, 224))
    >>> np.flatnonzero(mask.any(1))[[0, -1]].tolist()  # rows 56 to 167, and 4 on either side
    [52, 171]
    """
    grid = field.mask_at(_GRID, _GRID).astype(np.uint8) * 255
    widened = ndimage.maximum_filter(grid, 2 * round(WIDENING_SHARE * _GRID) + 1)
    height, width = shape
    resized = Image.fromarray(widened).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized) >= 128


def border(shape: tuple[int, int]) -> Mask:
    """Return the mask of the outer eighth of an image on each side.

    Examples
    --------
    >>> border((8, 16)).sum(0).tolist()
    [8, 8, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 8, 8]
    """
    rows, columns = _distance_from_edge(shape)
    return (rows[:, None] < BORDER_SHARE) | (columns[None, :] < BORDER_SHARE)


def corners(shape: tuple[int, int]) -> Mask:
    """Return the mask of the four corners of an image, each a fifth of its height and width.

    Examples
    --------
    >>> corners((5, 5)).astype(int)[0].tolist(), corners((5, 5)).astype(int)[1].tolist()
    ([1, 0, 0, 0, 1], [0, 0, 0, 0, 0])
    """
    rows, columns = _distance_from_edge(shape)
    return (rows[:, None] < CORNER_SHARE) & (columns[None, :] < CORNER_SHARE)


def _distance_from_edge(shape: tuple[int, int]) -> list[NDArray[np.float64]]:
    """Return the distance of rows and columns from the nearer edge, as shares of the sides."""
    positions = [(np.arange(side) + 0.5) / side for side in shape]
    return [np.minimum(position, 1 - position) for position in positions]
