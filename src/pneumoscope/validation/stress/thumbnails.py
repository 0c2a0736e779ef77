"""Thumbnails of radiographs for reports."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def shrink(pixels: NDArray[np.float32], max_side: int) -> NDArray[np.float32]:
    """Shrink a radiograph so that its longer side has at most ``max_side`` pixels.

    Examples
    --------
    >>> shrink(np.zeros((40, 80), np.float32), 20).shape
    (10, 20)
    """
    height, width = pixels.shape
    scale = min(1.0, max_side / max(height, width))
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    shrunk = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
    return shrunk.clip(0, 1)


def png_bytes(pixels: NDArray[np.float32]) -> bytes:
    r"""Return pixels in [0, 1] as a greyscale PNG file.

    Examples
    --------
    >>> png_bytes(np.zeros((2, 2), np.float32))[:4]
    b'\x89PNG'
    """
    file = io.BytesIO()
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()
