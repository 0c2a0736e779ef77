"""What the pixels tell of the machine and the ward that made an image, and not of the lungs.

Where that tells the classes apart, a network may learn it instead of the lungs, and validation
images, which come from the same machines, will not notice.
"""

from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_BORDER = 0.04
"""Depth of the border, as a fraction of the side."""

_MARGIN = 0.22
"""Depth in which markers and text are looked for: most lie beside the lungs."""

_MIDDLE = 0.2
"""What is left out at each side where the middle is meant."""

_BLACK, _WHITE = 0.05, 0.98
_COLLIMATED = 0.12
"""A row or column with nothing brighter lies outside the collimated field."""

_STANDS_OUT = 0.25
"""How much brighter than all around a marker is."""

_WIDEST, _SMALLEST, _TEXT = 0.14, 0.018, 0.036
"""Heights of the tallest marker, of the smallest, and of the tallest text, as fractions."""


@dataclass(frozen=True, slots=True)
class Acquisition:
    """How an image was made, as far as its pixels tell.

    Parameters
    ----------
    border_grey, border_black
        Mean of the outermost pixels, and the share of them that is black.
    collimated
        Share of the image that lies outside the collimated field.
    dark, median, bright
        Grey values that 5, 50 and 95 % of the pixels do not exceed.
    saturated
        Share of white pixels.
    noise
        Median of the absolute Laplacian in the middle.
    marker_height
        Of the tallest letter or marker beside the lungs, as a fraction of the image's height.
    markers, text
        How many markers there are, and how many of them are as small as burned-in text.
    """

    border_grey: float
    border_black: float
    collimated: float
    dark: float
    median: float
    bright: float
    saturated: float
    noise: float
    marker_height: float
    markers: int
    text: int


NAMES = tuple(field.name for field in fields(Acquisition))
"""Of the columns of `as_table`."""


def describe_acquisition(pixels: NDArray[np.floating]) -> Acquisition:
    """Describe how an image was made.

    Parameters
    ----------
    pixels
        Shape (height, width), range [0, 1].

    Examples
    --------
    >>> plain = np.full((100, 100), 0.5)
    >>> plain[:, :20] = 0
    >>> made = describe_acquisition(plain)
    >>> round(made.collimated, 2), made.median, made.markers
    (0.2, 0.5, 0)
    """
    border = pixels[_edge(pixels.shape, _BORDER)]
    dark, median, bright = np.quantile(pixels, (0.05, 0.5, 0.95))
    heights = _marker_heights(pixels)
    middle = pixels[~_edge(pixels.shape, _MIDDLE)]
    laplacian = ndimage.laplace(pixels)[~_edge(pixels.shape, _MIDDLE)]
    return Acquisition(
        border_grey=float(border.mean()),
        border_black=float((border < _BLACK).mean()),
        collimated=_collimated(pixels),
        dark=float(dark),
        median=float(median),
        bright=float(bright),
        saturated=float((middle >= _WHITE).mean()),
        noise=float(np.median(np.abs(laplacian))),
        marker_height=max(heights, default=0.0),
        markers=len(heights),
        text=sum(height <= _TEXT for height in heights),
    )


def as_table(made: list[Acquisition]) -> NDArray[np.float64]:
    """Return descriptions as rows of numbers, in the order of `NAMES`."""
    return np.array([astuple(one) for one in made], np.float64).reshape(-1, len(NAMES))


def _edge(shape: tuple[int, ...], depth: float) -> NDArray[np.bool_]:
    """Mark the pixels that are no deeper than a fraction of the side."""
    edge = np.ones(shape, np.bool_)
    rows, columns = (max(1, round(side * depth)) for side in shape)
    edge[rows:-rows, columns:-columns] = False
    return edge


def _collimated(pixels: NDArray[np.floating]) -> float:
    """Return the share of rows and columns, from the edges inwards, that are dark throughout."""
    inside = 1.0
    for axis in (0, 1):
        lit = np.flatnonzero(pixels.max(axis=axis) > _COLLIMATED)
        inside *= (lit[-1] - lit[0] + 1) / pixels.shape[1 - axis] if len(lit) else 0.0
    return float(1 - inside)


def _marker_heights(pixels: NDArray[np.floating]) -> list[float]:
    """Return the heights of what is small, brighter than all around it, and beside the lungs."""
    height, width = pixels.shape
    tallest, widest = round(height * _WIDEST), round(width * _WIDEST)
    # A white top-hat leaves what is bright and smaller than its window.
    standing_out = ndimage.white_tophat(pixels, size=(tallest, widest)) > _STANDS_OUT
    found, _ = ndimage.label(standing_out & _edge(pixels.shape, _MARGIN))
    sizes = ((rows.stop - rows.start, columns) for rows, columns in ndimage.find_objects(found))
    return [
        tall / height
        for tall, columns in sizes
        if tall >= height * _SMALLEST and columns.stop - columns.start <= widest
    ]
