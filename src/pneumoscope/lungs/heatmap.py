"""Heat map of framed lungs, placed on the whole radiograph and confined to the lung field."""

import numpy as np
from numpy.typing import NDArray

from pneumoscope.lungs.framing import framed_box
from pneumoscope.lungs.lung_field import LungField

SIDE = 64
"""Places along each side of a placed heat map."""


def place_heatmap(heatmap: NDArray[np.float32], field: LungField) -> NDArray[np.float32]:
    """Place the heat map of a framed square on the whole radiograph.

    A place within the lungs times the number of places is the log-odds that the network would give
    if all of the framed square were like it; places outside of the lungs are 0. What the network
    took from there is left out, so that the map does not add up to its log-odds.

    Parameters
    ----------
    heatmap
        Log-odds that each place of the square adds, float32, shape (rows, columns).
    field
        Lung field that the square was framed with.

    Returns
    -------
    NDArray[np.float32]
        Shape (64, 64), stretched over the whole radiograph.

    Examples
    --------
    >>> lungs = np.zeros((2, 8, 8), np.bool_)
    >>> lungs[0, 2:6, 1:3] = lungs[1, 2:6, 5:7] = True
    >>> field = LungField(lungs, confidence=1, min_confidence=0.5)
    >>> placed = place_heatmap(np.float32([[0.25, 0.5]]), field)
    >>> placed.shape, float(placed[32, 8]) * placed.size, float(placed[32, 55]) * placed.size
    ((64, 64), 0.5, 1.0)
    >>> float(np.abs(placed[:, 25:39]).max())
    0.0
    """
    box = framed_box(field)
    mask = field.mask_at(SIDE, SIDE)
    centres = (np.arange(SIDE) + 0.5) / SIDE
    across = (centres - box.left) / box.width * heatmap.shape[1] - 0.5
    down = (centres - box.top) / box.height * heatmap.shape[0] - 0.5
    log_odds = _interpolate(_interpolate(heatmap, down).T, across).T * np.float32(heatmap.size)
    placed: NDArray[np.float32] = np.where(mask, log_odds / (SIDE * SIDE), 0).astype(np.float32)
    return placed


def _interpolate(
    values: NDArray[np.float32], positions: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Interpolate rows linearly at positions; those beyond the ends take the nearest row."""
    clipped = positions.clip(0, len(values) - 1)
    first = np.minimum(clipped.astype(np.intp), max(0, len(values) - 2))
    share = (clipped - first).astype(np.float32)[:, np.newaxis]
    second = np.minimum(first + 1, len(values) - 1)
    interpolated: NDArray[np.float32] = values[first] * (1 - share) + values[second] * share
    return interpolated
