"""Framing: the square of pixels that a network gets, of the whole image or of the lungs alone.

The same functions frame radiographs in training and in reading.
"""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscope.lungs.lung_field import Box, LungField
from pneumoscope.radiograph import preprocess

FRAMING_VERSION = 3
"""Version of the squares of framed lungs; increase it with any change to them.

Bundles of another version are refused, and cached pixels are made again.
"""

MARGIN = 0.05
"""Margin around the lungs' box, as a share of its width and height."""

_WIDENING = 3
"""Places by which the mask is widened, of the lung field's grid, before the rest is blackened."""

_LEVELS = 4096
"""Greys that histogram equalisation tells apart."""

_SHARES = np.linspace(0, 1, 65)
"""Shares of the lungs' pixels whose quantiles are the knots of the equalisation."""

_ADDED_RANGE = 2 / 255
"""Range that is added to that of the lungs' greys, so that lungs of one grey stay flat."""


def preparation_version(framing: "Framing") -> int:
    """Return the version of the squares that a bundle's network was trained on."""
    if framing is Framing.WHOLE:
        return preprocess.PREPARATION_VERSION
    return FRAMING_VERSION


class Framing(StrEnum):
    """Framing of a radiograph.

    ``whole``: the whole image; ``lung_box``: the box of the lungs with a margin, greys equalised on
    the lungs' pixels; ``lungs``: the same with everything outside of the lungs black.
    """

    WHOLE = "whole"
    LUNG_BOX = "lung_box"
    LUNGS = "lungs"


def frame_lungs(
    pixels: NDArray[np.float32], field: LungField, size: int, framing: Framing
) -> NDArray[np.uint8]:
    """Crop to the lungs' box, equalise the histogram of the lungs' pixels, and round to 8 bits.

    The box is stretched to the square, so that an image whose width was squeezed gives the same
    square as the original. Places beyond the image are black. After histogram equalisation an equal
    share of the lungs has each grey, so that exposure, window and look-up table hardly matter.

    Parameters
    ----------
    pixels
        Grey values, float32, shape (height, width), range [0, 1], 0 = black.
    field
        Lung field of the image.
    size
        Side of the square in pixels.
    framing
        `Framing.LUNG_BOX` or `Framing.LUNGS`.

    Returns
    -------
    NDArray[np.uint8]
        Shape (size, size), range [0, 255].

    Examples
    --------
    >>> pixels = np.full((64, 64), 0.9, np.float32)
    >>> pixels[16:48, 8:24] = pixels[16:48, 40:56] = np.linspace(0.2, 0.4, 16)
    >>> field = LungField(np.zeros((2, 64, 64), np.bool_), 1.0, 0.5)
    >>> field.lungs[0, 16:48, 8:24] = field.lungs[1, 16:48, 40:56] = True
    >>> square = frame_lungs(pixels, field, 32, Framing.LUNGS)
    >>> square.shape, int(square[16, 16]), 100 < square[8:24, 2:11].mean() < 150
    ((32, 32), 0, np.True_)
    """
    box = framed_box(field)
    square = _crop(pixels, box, size)
    lungs = _crop(field.mask.astype(np.float32), box, size) >= 0.5
    framed = _equalise(square, lungs if lungs.any() else np.ones_like(lungs))
    if framing is Framing.LUNGS:
        framed *= _crop(_widen(field.mask), box, size) >= 0.5
    return framed


def _equalise(square: NDArray[np.float32], lungs: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Map greys so that the histogram of the lungs' pixels becomes flat, to 8 bits."""
    levels = np.minimum(square * np.float32(_LEVELS), _LEVELS - 1).astype(np.uint16)
    counts = np.bincount(levels[lungs], minlength=_LEVELS)
    edges = np.arange(_LEVELS + 1) / _LEVELS
    shares = np.concatenate([[0], np.cumsum(counts)]) / counts.sum()
    knots = np.interp(_SHARES, shares, edges) + _ADDED_RANGE * (_SHARES - 0.5)
    table = np.rint(np.interp((edges[1:] + edges[:-1]) / 2, knots, _SHARES) * 255)
    equalised: NDArray[np.uint8] = table.astype(np.uint8).take(levels)
    return equalised


def framed_box(field: LungField) -> Box:
    """Return the lungs' box with its margin; it may reach beyond the image."""
    box = field.box
    across, down = MARGIN * box.width, MARGIN * box.height
    return Box(box.left - across, box.top - down, box.right + across, box.bottom + down)


def _crop(pixels: NDArray[np.float32], box: Box, size: int) -> NDArray[np.float32]:
    """Resize a box of an image to a square, shape (size, size); places beyond the image are 0."""
    height, width = pixels.shape
    inside = Box(max(box.left, 0), max(box.top, 0), min(box.right, 1), min(box.bottom, 1))
    columns, rows = (
        [round((edge - start) / extent * size) for edge in edges]
        for start, extent, edges in (
            (box.left, box.width, (inside.left, inside.right)),
            (box.top, box.height, (inside.top, inside.bottom)),
        )
    )
    left, right = inside.left * width, inside.right * width
    top, bottom = inside.top * height, inside.bottom * height
    part = Image.fromarray(pixels).resize(
        (columns[1] - columns[0], rows[1] - rows[0]),
        Image.Resampling.BILINEAR,
        box=(left, top, right, bottom),
    )
    square = np.zeros((size, size), np.float32)
    square[rows[0] : rows[1], columns[0] : columns[1]] = np.asarray(part)
    return square


def _widen(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return a mask widened by `_WIDENING` places on each side, as 0 and 1."""
    for _ in range(2):  # along the columns, then along the rows
        widened = mask.copy()
        for shift in range(1, _WIDENING + 1):
            widened[shift:] |= mask[:-shift]
            widened[:-shift] |= mask[shift:]
        mask = widened.T
    return mask.astype(np.float32)
