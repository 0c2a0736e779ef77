"""Validation images as other machines might have made them: harder than validation is by itself."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from pneumoscope.evaluation.images.masks import BORDER
from pneumoscope.evaluation.images.perturb import PERTURBATIONS
from pneumoscope.parallel import map_parallel
from pneumoscope.radiograph import Resampling, prepare_pixels

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
    depth = round(BORDER * image.shape[0])
    framed = other.copy()
    framed[depth:-depth, depth:-depth] = image[depth:-depth, depth:-depth]
    return framed


SHIFTS: Mapping[str, Shift] = {
    "unchanged": lambda image, _, __: image,
    "gamma halved": partial(_perturbed, "exposure", -1),
    "gamma doubled": partial(_perturbed, "exposure", 1),
    "contrast halved": partial(_perturbed, "contrast", -50),
    "blur of 1 %": partial(_perturbed, "blur", 1),
    "noise of 5 %": partial(_perturbed, "noise", 5),
    "128 pixels a side": partial(_perturbed, "resolution", 2),
    "a fifth cropped": partial(_perturbed, "crop", 20),
    "border of the other class": _bordered,
}


def shift_all(pixels: Pixels, labels: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Return every image in every shift.

    Parameters
    ----------
    pixels
        Shape (n, size, size).
    labels
        Shape (n,); both classes occur.

    Returns
    -------
    NDArray[np.uint8]
        Shape (shifts, n, size, size), in the order of `SHIFTS`.
    """
    partners = _partners(labels)
    shifted = np.empty((len(SHIFTS), *pixels.shape), np.uint8)

    def shift(row: int) -> None:
        for place, change in enumerate(SHIFTS.values()):
            shifted[place, row] = change(pixels[row], pixels[partners[row]], row)

    map_parallel(shift, range(len(pixels)), "Shifting validation images")
    return shifted


def pooled_auc(labels: NDArray[np.int8], probabilities: NDArray[np.float64]) -> float:
    """Return the AUC among all images in all shifts together.

    That an image of one machine is ranked against one of another is what makes it hard: a network
    whose answers move with the machine loses here even if it ranks each machine's images well.

    Parameters
    ----------
    labels
        Shape (n,).
    probabilities
        Shape (shifts, n).

    Examples
    --------
    >>> labels = np.array([0, 1], np.int8)
    >>> pooled_auc(labels, np.array([[0.1, 0.9], [0.4, 0.6]]))
    1.0
    >>> pooled_auc(labels, np.array([[0.1, 0.4], [0.6, 0.9]]))
    0.75
    """
    return float(roc_auc_score(np.tile(labels, len(probabilities)), probabilities.ravel()))


def _partners(labels: NDArray[np.int8]) -> NDArray[np.intp]:
    """Return for each image one of the other class, drawn once."""
    rng = np.random.default_rng(0)
    rows = [np.flatnonzero(labels == label) for label in (0, 1)]
    return np.array([rng.choice(rows[1 - label]) for label in labels], np.intp)
