"""Preparation of pixels for a network, the same in training and in reading."""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PIXELS_VERSION = 3
"""Version of decoding and `prepare_pixels`; increase it with any change to their pixels.

Cached pixels of another version are made again.
"""

PREPARATION_VERSION = 1
"""Version of `prepare_pixels`; increase it with any change to its squares.

Bundles of another version are refused.
"""

OVERSAMPLING = 2
"""Smallest side of a decoded image, in sides of the square that it is prepared for.

1 would take a sixth less time, and give pixels much further from those of full decoding.
"""


class Resampling(StrEnum):
    """Resampling filter of the resize to a square.

    ``nearest`` takes single pixels, as the notebook does (the default of Keras' ``load_img``);
    ``bilinear`` averages all pixels that a new one covers, so that the same radiograph at another
    size gives nearly the same square.
    """

    NEAREST = "nearest"
    BILINEAR = "bilinear"


def prepare_pixels(
    pixels: NDArray[np.float32], size: int, resampling: Resampling = Resampling.NEAREST
) -> NDArray[np.uint8]:
    """Resize to a square and round to 8 bits.

    Both filters are Pillow's, which Keras uses as well; the aspect ratio is not kept. The network
    divides by 255.

    Parameters
    ----------
    pixels
        Grey values, float32, shape (height, width), range [0, 1].
    size
        Side of the square in pixels.
    resampling
        Resampling filter.

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
