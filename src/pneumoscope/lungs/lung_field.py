"""Lung field: where the two lungs are on a radiograph."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_MIN_AREA = 0.01
"""Smallest area of a lung, as a share of the image."""


class Box(NamedTuple):
    """Rectangle on an image; its edges as shares of the width and the height."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Width as a share of the image's."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Height as a share of the image's."""
        return self.bottom - self.top


@dataclass(frozen=True, eq=False)
class LungField:
    """Lung field of a radiograph.

    Parameters
    ----------
    lungs
        Masks of the lung on the image's left and of that on its right, shape (2, side, side): a
        grid that is stretched over the whole image.
    confidence
        Agreement of the probabilities with the mask, of the lung that agrees less, range [0, 1]:
        1 where every place is certain.
    min_confidence
        Confidence from which the lungs count as found.

    Examples
    --------
    >>> lungs = np.zeros((2, 8, 8), np.bool_)
    >>> lungs[0, 2:6, 1:3] = lungs[1, 2:6, 5:7] = True
    >>> field = LungField(lungs, confidence=0.98, min_confidence=0.8)
    >>> field.found, field.box, field.orientation
    (True, Box(left=0.125, top=0.25, right=0.875, bottom=0.75), 0.0)
    """

    lungs: NDArray[np.bool_]
    confidence: float
    min_confidence: float

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """Mask of both lungs, shape (side, side)."""
        return np.asarray(self.lungs.any(0))

    @property
    def found(self) -> bool:
        """Whether both lungs are there, and the confidence is high enough."""
        areas = self.lungs.mean((1, 2))
        return self.confidence >= self.min_confidence and bool((areas >= _MIN_AREA).all())

    @property
    def box(self) -> Box:
        """Smallest box around both lungs; the whole image if there is none."""
        if not self.mask.any():
            return Box(0, 0, 1, 1)
        (top, bottom), (left, right) = (_extent(np.asarray(self.mask.any(axis))) for axis in (1, 0))
        return Box(left, top, right, bottom)

    @property
    def orientation(self) -> float | None:
        """Angle of the line between the lungs' centres, in degrees; positive if turned clockwise.

        Of the image as a square. None if a lung is missing.
        """
        if not self.lungs.any((1, 2)).all():
            return None
        (row, column), (other_row, other_column) = (
            np.argwhere(lung).mean(0) for lung in self.lungs
        )
        return math.degrees(math.atan2(other_row - row, other_column - column))

    def mask_at(self, width: int, height: int) -> NDArray[np.bool_]:
        """Return the mask of both lungs in another size, shape (height, width)."""
        picture = Image.fromarray(self.mask.astype(np.uint8) * 255)
        resized = picture.resize((width, height), Image.Resampling.BILINEAR)
        mask: NDArray[np.bool_] = np.asarray(resized) >= 128
        return mask


def _extent(occupied: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the first and the last occupied place, as shares of the length."""
    places = np.flatnonzero(occupied)
    return float(places[0] / len(occupied)), float((places[-1] + 1) / len(occupied))
