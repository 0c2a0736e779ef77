"""What the pixels tell of the machine and the ward that made an image, and not of the lungs.

Where that tells the classes apart, a network may learn it instead of the lungs, and validation
images, which come from the same machines, will not notice. So that no lung is looked at, everything
is measured in the outermost eighth of the image.
"""

from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_MARGIN = 0.125
"""Depth of the outermost eighth, as a fraction of the side."""

_BLACK, _WHITE = 0.05, 0.98
_COLLIMATED = 0.12
"""A row or column with nothing brighter lies outside the collimated field."""

_STANDS_OUT = 0.35
"""How much brighter than all around a marker is."""

_LARGEST, _SMALLEST, _TEXT = 0.14, 0.018, 0.036
"""Heights of the tallest marker, of the smallest, and of the tallest text, as fractions."""


@dataclass(frozen=True, slots=True)
class Acquisition:
    """How an image was made, as far as its pixels tell.

    Parameters
    ----------
    black, white
        Shares of pixels that are so.
    collimated
        Share of the image that lies outside the collimated field, as far as the margin shows.
    dark, median, bright
        Grey values that 10, 50 and 90 % of the pixels do not exceed.
    noise
        Median of the absolute Laplacian where it is not black.
    marker_height
        Of the tallest letter or marker, as a fraction of the image's height.
    markers, text
        How many markers there are, and how many of them are as small as burned-in text.
    """

    black: float
    white: float
    collimated: float
    dark: float
    median: float
    bright: float
    noise: float
    marker_height: float
    markers: int
    text: int


VERSION = 1
"""Of what is described and how: raised when the numbers of an image change."""

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
    >>> plain[:, :10] = 0
    >>> made = describe_acquisition(plain)
    >>> round(made.collimated, 2), made.bright, made.markers
    (0.1, 0.5, 0)
    """
    margin = _margin(pixels.shape)
    greys = pixels[margin]
    alone = np.where(margin, pixels, np.median(greys))
    heights = _marker_heights(alone, margin)
    changes = np.abs(ndimage.laplace(alone))[margin & (pixels >= _BLACK)]
    dark, median, bright = np.quantile(greys, (0.1, 0.5, 0.9))
    return Acquisition(
        black=float((greys < _BLACK).mean()),
        white=float((greys >= _WHITE).mean()),
        collimated=_collimated(np.where(margin, pixels, 1)),
        dark=float(dark),
        median=float(median),
        bright=float(bright),
        noise=float(np.median(changes)) if len(changes) else 0.0,
        marker_height=max(heights, default=0.0),
        markers=len(heights),
        text=sum(height <= _TEXT for height in heights),
    )


def as_table(made: list[Acquisition]) -> NDArray[np.float64]:
    """Return descriptions as rows of numbers, in the order of `NAMES`."""
    return np.array([astuple(one) for one in made], np.float64).reshape(-1, len(NAMES))


def _margin(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    margin = np.ones(shape, np.bool_)
    rows, columns = (max(1, round(side * _MARGIN)) for side in shape)
    margin[rows:-rows, columns:-columns] = False
    return margin


def _collimated(pixels: NDArray[np.floating]) -> float:
    """Return the share of rows and columns, from the edges inwards, that are dark throughout."""
    inside = 1.0
    for axis in (0, 1):
        lit = np.flatnonzero(pixels.max(axis=axis) > _COLLIMATED)
        inside *= (lit[-1] - lit[0] + 1) / pixels.shape[1 - axis] if len(lit) else 0.0
    return float(1 - inside)


def _marker_heights(pixels: NDArray[np.floating], margin: NDArray[np.bool_]) -> list[float]:
    """Return the heights of what is small and brighter than all around it."""
    height, width = pixels.shape
    tallest, widest = round(height * _LARGEST), round(width * _LARGEST)
    # A white top-hat leaves what is bright and smaller than its window.
    standing_out = ndimage.white_tophat(pixels, size=(tallest, widest)) > _STANDS_OUT
    found, _ = ndimage.label(standing_out & margin)
    sizes = (
        (rows.stop - rows.start, columns.stop - columns.start)
        for rows, columns in ndimage.find_objects(found)
    )
    return [
        tall / height
        for tall, wide in sizes
        if height * _SMALLEST <= tall <= tallest and wide <= widest
    ]
