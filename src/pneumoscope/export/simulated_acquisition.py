"""Simulated acquisitions: validation images as other scanners and settings might give them.

They are harder than the validation split itself, whose images come from the same scanners as the
training images.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pneumoscope.radiograph import Resampling, prepare_pixels
from pneumoscope.support.parallel import map_parallel
from pneumoscope.validation.stress.masks import BORDER_SHARE
from pneumoscope.validation.stress.perturbations import PERTURBATIONS

Pixels = NDArray[np.uint8]
Simulation = Callable[[Pixels, Pixels, int], Pixels]
"""Function of an image, an image of the other class, and a random seed."""

_PERTURBATIONS = {perturbation.name: perturbation for perturbation in PERTURBATIONS}


def _perturb(name: str, strength: float, image: Pixels, _: Pixels, seed: int) -> Pixels:
    rng = np.random.default_rng([seed, 0])
    pixels = image.astype(np.float32) / np.float32(255)
    perturbed = _PERTURBATIONS[name].apply(pixels, strength, rng)
    return prepare_pixels(perturbed, image.shape[0], Resampling.BILINEAR)


def _replace_border(image: Pixels, donor: Pixels, _: int) -> Pixels:
    """Return the image with the donor's border, which speaks for the other class."""
    depth = round(BORDER_SHARE * image.shape[0])
    framed = donor.copy()
    framed[depth:-depth, depth:-depth] = image[depth:-depth, depth:-depth]
    return framed


SIMULATIONS: Mapping[str, Simulation] = {
    "gamma halved": partial(_perturb, "exposure", -1),
    "gamma doubled": partial(_perturb, "exposure", 1),
    "contrast halved": partial(_perturb, "contrast", -50),
    "blur of 1 %": partial(_perturb, "blur", 1),
    "noise of 5 %": partial(_perturb, "noise", 5),
    "128 pixels a side": partial(_perturb, "resolution", 2),
    "a fifth cropped": partial(_perturb, "crop", 20),
    "border of the other class": _replace_border,
}
"""Simulated acquisitions by name."""


def simulate_acquisitions(pixels: Pixels, labels: NDArray[np.int8]) -> Iterator[tuple[str, Pixels]]:
    """Yield name and changed images of each simulated acquisition, in the order of `SIMULATIONS`.

    Images are prepared pixels, shape (n, size, size), with labels of both classes, shape (n,).

    Examples
    --------
    >>> pixels, labels = np.zeros((2, 64, 64), np.uint8), np.array([0, 1], np.int8)
    >>> pixels[1] = 200
    >>> simulated = dict(simulate_acquisitions(pixels, labels))
    >>> simulated["border of the other class"][:, [0, 32], 32].tolist()
    [[200, 0], [0, 200]]
    """
    donors = _draw_donors(labels)
    for name, simulation in SIMULATIONS.items():
        simulated = np.empty_like(pixels)

        def simulate(
            row: int, simulation: Simulation = simulation, simulated: Pixels = simulated
        ) -> None:
            simulated[row] = simulation(pixels[row], pixels[donors[row]], row)

        map_parallel(simulate, range(len(pixels)), f"Images with {name}")
        yield name, simulated


def code_as_jpeg(image: Pixels) -> Pixels:
    """Return an image as a JPEG of quality 75, which many collections are in, gives it back.

    Examples
    --------
    >>> image = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)
    >>> coded = code_as_jpeg(image)
    >>> bool((coded == image).all()), coded.dtype, coded.shape
    (False, dtype('uint8'), (64, 64))
    """
    return _perturb("JPEG quality", 25, image, image, 0)


def _draw_donors(labels: NDArray[np.int8]) -> NDArray[np.intp]:
    """Draw an image of the other class for each image."""
    rng = np.random.default_rng(0)
    rows = [np.flatnonzero(labels == label) for label in (0, 1)]
    return np.array([rng.choice(rows[1 - label]) for label in labels], np.intp)
