"""Images as other machines might have made them: harder than a validation split is by itself."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pneumoscope.radiograph import Resampling, prepare_pixels
from pneumoscope.support.parallel import map_parallel
from pneumoscope.validation.stress.masks import BORDER_SHARE
from pneumoscope.validation.stress.perturbations import PERTURBATIONS

Pixels = NDArray[np.uint8]
Shift = Callable[[Pixels, Pixels, int], Pixels]
"""Of an image, one of the other class, and a number that randomness follows from."""

_KINDS = {one.name: one for one in PERTURBATIONS}


def _perturbed(name: str, strength: float, image: Pixels, _: Pixels, seed: int) -> Pixels:
    rng = np.random.default_rng([seed, 0])
    changed = _KINDS[name].apply(image.astype(np.float32) / np.float32(255), strength, rng)
    return prepare_pixels(changed, image.shape[0], Resampling.BILINEAR)


def _bordered(image: Pixels, other: Pixels, _: int) -> Pixels:
    """Return the image within the border of one of the other class: its machine speaks against."""
    depth = round(BORDER_SHARE * image.shape[0])
    framed = other.copy()
    framed[depth:-depth, depth:-depth] = image[depth:-depth, depth:-depth]
    return framed


SHIFTS: Mapping[str, Shift] = {
    "gamma halved": partial(_perturbed, "exposure", -1),
    "gamma doubled": partial(_perturbed, "exposure", 1),
    "contrast halved": partial(_perturbed, "contrast", -50),
    "blur of 1 %": partial(_perturbed, "blur", 1),
    "noise of 5 %": partial(_perturbed, "noise", 5),
    "128 pixels a side": partial(_perturbed, "resolution", 2),
    "a fifth cropped": partial(_perturbed, "crop", 20),
    "border of the other class": _bordered,
}
"""Ways in which an image might have been made, besides the way it was."""


def shift_images(pixels: Pixels, labels: NDArray[np.int8]) -> Iterator[tuple[str, Pixels]]:
    """Yield all images in one shift after the other.

    Parameters
    ----------
    pixels
        Shape (n, size, size).
    labels
        Shape (n,); both classes occur.

    Yields
    ------
    str
        Name of the shift, in the order of `SHIFTS`.
    NDArray[np.uint8]
        Shape (n, size, size).

    Examples
    --------
    >>> pixels, labels = np.zeros((2, 64, 64), np.uint8), np.array([0, 1], np.int8)
    >>> pixels[1] = 200
    >>> shifted = dict(shift_images(pixels, labels))
    >>> shifted["border of the other class"][:, [0, 32], 32].tolist()
    [[200, 0], [0, 200]]
    """
    partners = _partners(labels)
    for name, change in SHIFTS.items():
        shifted = np.empty_like(pixels)

        def shift(row: int, change: Shift = change, shifted: Pixels = shifted) -> None:
            shifted[row] = change(pixels[row], pixels[partners[row]], row)

        map_parallel(shift, range(len(pixels)), f"Images with {name}")
        yield name, shifted


def _partners(labels: NDArray[np.int8]) -> NDArray[np.intp]:
    """Return for each image one of the other class, drawn once."""
    rng = np.random.default_rng(0)
    rows = [np.flatnonzero(labels == label) for label in (0, 1)]
    return np.array([rng.choice(rows[1 - label]) for label in labels], np.intp)
