"""The one preparation of pixels for a network, in training and in reading alike."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

VERSION = 1
"""Raise it whenever decoding or `prepare_pixels` gives other pixels: kept ones are then renewed."""

MARGIN = 2
"""Images for a square are decoded to at least so many times its side (see `read_radiograph`).

Half as many would take a sixth less time, and be much further from the pixels of full decoding.
"""


def prepare_pixels(pixels: NDArray[np.float32], size: int) -> NDArray[np.uint8]:
    """Resize by nearest neighbour to a square and round to 8 bits.

    This is what Keras' ``load_img`` does with its default interpolation, by the same library
    (Pillow); the aspect ratio is not kept. The network divides by 255.

    Parameters
    ----------
    pixels
        float32, shape (height, width), range [0, 1].
    size
        Side of the square in pixels.

    Returns
    -------
    NDArray[np.uint8]
        Shape (size, size), range [0, 255].

    Examples
    --------
    >>> prepare_pixels(np.array([[0.0, 1.0], [0.5, 0.2]], np.float32), 2)
    array([[  0, 255],
           [128,  51]], dtype=uint8)
    """
    square = Image.fromarray(pixels).resize((size, size), Image.Resampling.NEAREST)
    return np.rint(np.asarray(square) * np.float32(255)).astype(np.uint8)
