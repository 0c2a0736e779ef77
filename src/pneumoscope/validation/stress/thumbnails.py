"""Small pictures of radiographs for reports."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def small(pixels: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Return a radiograph whose longer side has ``side`` pixels at most, in its proportions.

    Examples
    --------
    >>> small(np.zeros((40, 80), np.float32), 20).shape
    (10, 20)
    """
    height, width = pixels.shape
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    smaller = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
    return smaller.clip(0, 1)


def png_of(pixels: NDArray[np.float32]) -> bytes:
    r"""Return pixels in [0, 1] as a grey PNG file.

    Examples
    --------
    >>> png_of(np.zeros((2, 2), np.float32))[:4]
    b'\x89PNG'
    """
    file = io.BytesIO()
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()
