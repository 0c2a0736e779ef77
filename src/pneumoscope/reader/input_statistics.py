"""Statistics of an image before the network, for the comparison of populations."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_BLACK = 0.05
"""Grey value below which pixels are black: collimated, or beside the film."""

_NOISE_SCALE = np.sqrt(np.pi / 2) / 6


@dataclass(frozen=True, slots=True)
class InputStatistics:
    """Statistics of the square that the network is given, and the aspect of its radiograph.

    Parameters
    ----------
    brightness, contrast
        Mean and standard deviation of the grey values, within [0, 1].
    black
        Share of the pixels that are black, within [0, 1].
    sharpness
        Variance of the Laplacian [1]_; large for images with much fine detail.
    noise
        Standard deviation of the noise, estimated by Immerkaer's method [2]_.
    aspect
        Width over height of the original radiograph.

    References
    ----------
    .. [1] Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy: a comparative
       study", ICPR 2000, 3:314-317.
    .. [2] Immerkaer, "Fast noise variance estimation", Computer Vision and Image Understanding
       64:300-302, 1996.
    """

    brightness: float
    contrast: float
    black: float
    sharpness: float
    noise: float
    aspect: float


def describe_input(square: NDArray[np.uint8], width: int, height: int) -> InputStatistics:
    """Return the statistics of a prepared image.

    Parameters
    ----------
    square
        Prepared pixels, uint8, shape (size, size) (see `prepare_pixels`).
    width, height
        Size of the original radiograph in pixels.

    Examples
    --------
    >>> half_black = np.repeat(np.uint8([[0], [255]]), 8, axis=0).repeat(16, axis=1)
    >>> inputs = describe_input(half_black, 300, 200)
    >>> inputs.brightness, inputs.contrast, inputs.black, inputs.noise, inputs.aspect
    (0.5, 0.5, 0.5, 0.0, 1.5)
    """
    grey = square.astype(np.float32) / np.float32(255)
    down = grey[:-2] - 2 * grey[1:-1] + grey[2:]
    across = grey[:, :-2] - 2 * grey[:, 1:-1] + grey[:, 2:]
    laplacian = down[:, 1:-1] + across[1:-1]
    # Difference of two Laplacians (Immerkaer): edges cancel, noise does not.
    differences = down[:, :-2] - 2 * down[:, 1:-1] + down[:, 2:]
    return InputStatistics(
        brightness=float(grey.mean()),
        contrast=float(grey.std()),
        black=float((grey < MAX_BLACK).mean()),
        sharpness=float(laplacian.var()),
        noise=float(_NOISE_SCALE * np.abs(differences).mean()),
        aspect=width / height,
    )
