"""Body mask of a radiograph, without the air and the collimator's shadow around it."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

_SIDE = 64
_DARK_SHARE = 0.1
"""Share of the brightest grey below which a place is dark; lungs are brighter than air beside."""


def body_mask(pixels: NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.bool_]:
    """Return the mask of the body: what is not dark, or is enclosed by it.

    Markers and labels apart from the body are left out.

    Parameters
    ----------
    pixels
        Whole radiograph, uint8, shape (height, width), 0 = black.
    rows, columns
        Shape of the mask.

    Returns
    -------
    NDArray[np.bool_]
        Shape (rows, columns), stretched over the radiograph; all of it if nothing is dark.

    Examples
    --------
    >>> pixels = np.zeros((64, 64), np.uint8)
    >>> pixels[8:, 16:48], pixels[30:40, 20:28], pixels[2:5, 2:5] = 200, 10, 255
    >>> body_mask(pixels, 8, 8).astype(int)[:5]
    array([[0, 0, 0, 0, 0, 0, 0, 0],
           [0, 0, 1, 1, 1, 1, 0, 0],
           [0, 0, 1, 1, 1, 1, 0, 0],
           [0, 0, 1, 1, 1, 1, 0, 0],
           [0, 0, 1, 1, 1, 1, 0, 0]])
    """
    small = np.asarray(Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BOX))
    bright = small >= max(1.0, _DARK_SHARE * float(np.quantile(small, 0.95)))
    # A frame of background joins all dark places that reach an edge.
    framed = np.pad(bright, 1).astype(np.uint8)
    inside = ~_connected(framed, (0, 0))
    if not inside.any():
        return np.ones((rows, columns), np.bool_)
    body = _connected(inside.astype(np.uint8), _most_central(inside))[1:-1, 1:-1]
    picture = Image.fromarray(body.astype(np.uint8) * 255)
    mask: NDArray[np.bool_] = (
        np.asarray(picture.resize((columns, rows), Image.Resampling.BOX)) >= 128
    )
    return mask


def _connected(values: NDArray[np.uint8], seed: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the places that equal places of the same value join to a column and a row."""
    picture = Image.fromarray(values).copy()  # an array's own memory is not written to
    ImageDraw.floodfill(picture, seed, _FILLED)
    connected: NDArray[np.bool_] = np.asarray(picture) == _FILLED
    return connected


def _most_central(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """Return column and row of the place of a mask that is nearest to its middle."""
    rows, columns = np.nonzero(mask)
    middle = (len(mask) - 1) / 2
    nearest = int(np.argmin((rows - middle) ** 2 + (columns - middle) ** 2))
    return int(columns[nearest]), int(rows[nearest])


_FILLED = 2
