"""Labels of points, placed so that they do not overlap the points or one another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

_SIZE = 9
_POINT_RADIUS = 6.0
_CLEARANCE = 2.0
_LEADER = {"arrowstyle": "-", "lw": 0.6, "shrinkA": 0, "shrinkB": 5}
_DISTANCES = (9.0, 16.0, 28.0, 42.0, 58.0)
_ANGLES = np.deg2rad((0, 180, 90, 270, 45, 135, 315, 225))


@dataclass(frozen=True, slots=True)
class _Position:
    """Position of a label: its box on the canvas in pixels, and its offset in points."""

    box: Bbox
    offset: tuple[float, float]
    near: bool


def place_labels(axes: Axes, points: Sequence[tuple[str, float, float]]) -> None:
    """Write the name of each point beside it, with a thin line to it if it is not near.

    Each name in turn gets the nearest position where it covers the fewest points and names before
    it. Points have data coordinates; the panel's position and limits must be final.
    """
    # Limits are computed on first access, which the transformation to pixels does not make.
    axes.get_xlim()
    centres = [axes.transData.transform((x, y)) for _, x, y in points]
    scale = axes.figure.dpi / 72
    radius = _POINT_RADIUS * scale
    taken = [Bbox([centre - radius, centre + radius]) for centre in centres]
    for (name, x, y), centre in zip(points, centres, strict=True):
        positions = _positions(centre, _extent(axes, name), scale)
        best = min(positions, key=lambda position: _overlaps(position.box, taken, axes.bbox))
        taken.append(best.box)
        axes.annotate(
            name,
            (x, y),
            xytext=best.offset,
            textcoords="offset points",
            ha="center",
            va="center",
            size=_SIZE,
            parse_math=False,
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"},
            zorder=2,
            arrowprops=None if best.near else _LEADER,
        )


def _extent(axes: Axes, name: str) -> Bbox:
    text = axes.text(0, 0, name, size=_SIZE, parse_math=False)
    extent = text.get_window_extent()
    text.remove()
    return extent


def _positions(centre: NDArray[np.float64], extent: Bbox, scale: float) -> Iterator[_Position]:
    half = np.array([extent.width, extent.height]) / 2
    for distance in _DISTANCES:
        for angle in _ANGLES:
            direction = np.array([np.cos(angle), np.sin(angle)])
            offset = direction * (distance * scale + half)
            reach = half + _CLEARANCE * scale
            box = Bbox([centre + offset - reach, centre + offset + reach])
            x, y = offset / scale
            yield _Position(box, (float(x), float(y)), near=distance == _DISTANCES[0])


def _overlaps(box: Bbox, taken: Sequence[Bbox], inside: Bbox) -> int:
    """Return the number of boxes that ``box`` overlaps; sticking out is worse than any overlap."""
    overlaps = sum(bool(box.overlaps(taken_box)) for taken_box in taken)
    contained = bool(np.all(box.min >= inside.min) and np.all(box.max <= inside.max))
    return overlaps if contained else overlaps + len(taken) + 1
