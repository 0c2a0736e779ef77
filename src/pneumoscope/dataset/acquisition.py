"""Acquisition of an image, measured from its pixels: borders, markers, exposure and noise.

Where the acquisition differs between the classes, a network may learn it instead of the lungs
(shortcut learning), and validation images from the same scanners do not reveal it. Everything is
measured in the outermost eighth of the image, which shows no lung.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_MARGIN = 0.125
"""Depth of the margin, as a fraction of the side."""

_MAX_BLACK, _MIN_WHITE = 0.05, 0.98
_MAX_COLLIMATED = 0.12
"""Grey value that no pixel of a row or column outside of the collimated field exceeds."""

_MIN_MARKER_CONTRAST = 0.35
"""Difference between the grey values of a marker and of its surroundings."""

_MIN_MARKER_HEIGHT, _MAX_TEXT_HEIGHT, _MAX_MARKER_HEIGHT = 0.018, 0.036, 0.14
"""Heights of markers and of burned-in text, as fractions of the image's height."""


@dataclass(frozen=True, slots=True)
class Acquisition:
    """Acquisition of an image, measured in its margin.

    Parameters
    ----------
    black, white
        Shares of black and white pixels.
    collimated
        Share of the image outside of the collimated field.
    dark, median, bright
        10th, 50th and 90th percentiles of the grey values.
    noise
        Median of the absolute Laplacian where the image is not black.
    marker_height
        Height of the tallest letter or marker, as a fraction of the image's height.
    markers, text
        Number of markers, and of those that are as small as burned-in text.
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
"""Version of the measurements; increase it when they give other values for an image."""

COLUMNS = tuple(field.name for field in fields(Acquisition))
"""Columns of `acquisition_table`."""


def describe_acquisition(pixels: NDArray[np.floating]) -> Acquisition:
    """Measure the acquisition of an image.

    Parameters
    ----------
    pixels
        Grey values, shape (height, width), range [0, 1].

    Examples
    --------
    >>> plain = np.full((100, 100), 0.5)
    >>> plain[:, :10] = 0
    >>> acquisition = describe_acquisition(plain)
    >>> round(acquisition.collimated, 2), acquisition.bright, acquisition.markers
    (0.1, 0.5, 0)
    """
    margin = _margin(pixels.shape)
    greys = pixels[margin]
    masked = np.where(margin, pixels, np.median(greys))
    heights = _marker_heights(masked, margin)
    changes = np.abs(ndimage.laplace(masked))[margin & (pixels >= _MAX_BLACK)]
    dark, median, bright = np.quantile(greys, (0.1, 0.5, 0.9))
    return Acquisition(
        black=float((greys < _MAX_BLACK).mean()),
        white=float((greys >= _MIN_WHITE).mean()),
        collimated=_collimated_share(np.where(margin, pixels, 1)),
        dark=float(dark),
        median=float(median),
        bright=float(bright),
        noise=float(np.median(changes)) if len(changes) else 0.0,
        marker_height=max(heights, default=0.0),
        markers=len(heights),
        text=sum(height <= _MAX_TEXT_HEIGHT for height in heights),
    )


def acquisition_table(acquisitions: Sequence[Acquisition]) -> NDArray[np.float64]:
    """Return acquisitions as rows of a table, shape (n, columns), with the columns `COLUMNS`."""
    rows = [astuple(acquisition) for acquisition in acquisitions]
    return np.array(rows, np.float64).reshape(-1, len(COLUMNS))


def _margin(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    margin = np.ones(shape, np.bool_)
    rows, columns = (max(1, round(side * _MARGIN)) for side in shape)
    margin[rows:-rows, columns:-columns] = False
    return margin


def _collimated_share(pixels: NDArray[np.floating]) -> float:
    """Return the share of the image in dark rows and columns at its edges."""
    field = 1.0
    for axis in (0, 1):
        exposed = np.flatnonzero(pixels.max(axis=axis) > _MAX_COLLIMATED)
        extent = exposed[-1] - exposed[0] + 1 if len(exposed) else 0
        field *= extent / pixels.shape[1 - axis]
    return float(1 - field)


def _marker_heights(pixels: NDArray[np.floating], margin: NDArray[np.bool_]) -> list[float]:
    """Return the heights of small objects that are brighter than their surroundings."""
    height, width = pixels.shape
    max_height, max_width = round(height * _MAX_MARKER_HEIGHT), round(width * _MAX_MARKER_HEIGHT)
    # A white top-hat keeps bright objects that are smaller than its window.
    contrast = ndimage.white_tophat(pixels, size=(max_height, max_width))
    labels, _ = ndimage.label((contrast > _MIN_MARKER_CONTRAST) & margin)
    sizes = (
        (rows.stop - rows.start, columns.stop - columns.start)
        for rows, columns in ndimage.find_objects(labels)
    )
    return [
        marker_height / height
        for marker_height, marker_width in sizes
        if height * _MIN_MARKER_HEIGHT <= marker_height <= max_height and marker_width <= max_width
    ]
