"""The one preparation of pixels for a network, in training and in reading alike."""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image

VERSION = 2
"""Raise it whenever decoding or `prepare_pixels` gives other pixels: kept ones are then renewed."""

PREPARATION = 1
"""Raise it whenever `prepare_pixels` gives other squares: bundles made before are then refused."""

MARGIN = 2
"""Images for a square are decoded to at least so many times its side (see `read_radiograph`).

Half as many would take a sixth less time, and be much further from the pixels of full decoding.
"""


class Resampling(StrEnum):
    """How the square's pixels are got from the radiograph's.

    ``nearest`` takes single pixels, as Keras' ``load_img`` does by default and so the notebook;
    ``bilinear`` weighs all pixels that a new one covers, so that the same radiograph at another
    size gives nearly the same square.
    """

    NEAREST = "nearest"
    BILINEAR = "bilinear"


def prepare_pixels(
    pixels: NDArray[np.float32], size: int, resampling: Resampling = Resampling.NEAREST
) -> NDArray[np.uint8]:
    """Resize to a square and round to 8 bits.

    Both ways of resizing are Pillow's, which is what Keras uses; the aspect ratio is not kept. The
    network divides by 255.

    Parameters
    ----------
    pixels
        float32, shape (height, width), range [0, 1].
    size
        Side of the square in pixels.
    resampling
        How.

    Returns
    -------
    NDArray[np.uint8]
        Shape (size, size), range [0, 255].

    Examples
    --------
    >>> stripes = np.tile(np.array([0, 1], np.float32), (2, 2))
    >>> prepare_pixels(stripes, 2)
    array([[255, 255],
           [255, 255]], dtype=uint8)
    >>> prepare_pixels(stripes, 2, Resampling.BILINEAR)
    array([[109, 146],
           [109, 146]], dtype=uint8)
    """
    square = Image.fromarray(pixels).resize((size, size), _FILTERS[resampling])
    return np.rint(np.asarray(square) * np.float32(255)).astype(np.uint8)


_FILTERS = {
    Resampling.NEAREST: Image.Resampling.NEAREST,
    Resampling.BILINEAR: Image.Resampling.BILINEAR,
}
