"""Overlap of lung fields: Dice coefficient of masks, intersection over union of boxes."""

import numpy as np
from numpy.typing import NDArray

from pneumoscope.lungs.lung_field import Box


def dice(mask: NDArray[np.bool_], reference: NDArray[np.bool_]) -> float:
    """Return the Dice coefficient of two masks of the same shape; 1 if both are empty.

    References
    ----------
    Dice, "Measures of the amount of ecologic association between species", Ecology 26:297-302,
    1945.

    Examples
    --------
    >>> dice(np.array([True, True, False]), np.array([True, False, False])).__round__(3)
    0.667
    """
    total = int(mask.sum() + reference.sum())
    return 1.0 if total == 0 else 2 * int((mask & reference).sum()) / total


def box_iou(box: Box, reference: Box) -> float:
    """Return the intersection over union of two boxes (Jaccard index).

    Examples
    --------
    >>> box_iou(Box(0, 0, 0.5, 1), Box(0, 0, 1, 1))
    0.5
    """
    width = min(box.right, reference.right) - max(box.left, reference.left)
    height = min(box.bottom, reference.bottom) - max(box.top, reference.top)
    common = max(width, 0) * max(height, 0)
    union = box.width * box.height + reference.width * reference.height - common
    return common / union if union else 1.0
