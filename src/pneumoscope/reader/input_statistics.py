"""What an image is like before any network sees it, in a few numbers that can be compared."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLACK = 0.05
"""Grey values below it are black: collimated, or beside the film."""

_LAPLACIAN_DIFFERENCE = np.sqrt(np.pi / 2) / 6


@dataclass(frozen=True, slots=True)
class InputStatistics:
    """An image as the network is given it, which is a small square.

    Parameters
    ----------
    brightness, contrast
        Mean and standard deviation of the grey values, within [0, 1].
    black
        Share of the pixels that are black.
    sharpness
        Variance of the Laplacian [1]_: large with much fine detail.
    noise
        Standard deviation of the noise, estimated by Immerkaer's method [2]_.
    aspect
        Width by height of the radiograph itself.

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
    """Describe an image.

    Parameters
    ----------
    square
        uint8, shape (size, size), as `prepare_pixels` makes it.
    width, height
        Of the radiograph itself, in pixels.

    Examples
    --------
    >>> half_black = np.repeat(np.uint8([[0], [255]]), 8, axis=0).repeat(16, axis=1)
    >>> found = describe_input(half_black, 300, 200)
    >>> found.brightness, found.contrast, found.black, found.noise, found.aspect
    (0.5, 0.5, 0.5, 0.0, 1.5)
    """
    grey = square.astype(np.float32) / np.float32(255)
    down = grey[:-2] - 2 * grey[1:-1] + grey[2:]
    across = grey[:, :-2] - 2 * grey[:, 1:-1] + grey[:, 2:]
    laplacian = down[:, 1:-1] + across[1:-1]
    # Second differences one way, then the other: what two Laplacians differ by, and no edge has.
    both = down[:, :-2] - 2 * down[:, 1:-1] + down[:, 2:]
    return InputStatistics(
        brightness=float(grey.mean()),
        contrast=float(grey.std()),
        black=float((grey < BLACK).mean()),
        sharpness=float(laplacian.var()),
        noise=float(_LAPLACIAN_DIFFERENCE * np.abs(both).mean()),
        aspect=width / height,
    )
