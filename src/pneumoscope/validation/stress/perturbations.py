"""What may befall a radiograph before it is read, in strengths from nothing on."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Floats: TypeAlias = NDArray[np.float32]
Change: TypeAlias = Callable[[Floats, float, np.random.Generator], Floats]

_GRAIN = 256
"""Grains of noise a side, however many pixels there are."""

_FINEST = 512
"""Pixels a side from which halvings of the resolution are counted."""


@dataclass(frozen=True, slots=True)
class Perturbation:
    """One kind of change.

    Parameters
    ----------
    name
        What it changes.
    unit
        Of the strengths, in words.
    strengths
        Ascending, with 0 for unchanged.
    change
        The change itself, for strengths other than 0; it may leave [0, 1] a little.
    """

    name: str
    unit: str
    strengths: tuple[float, ...]
    change: Change

    def apply(self, pixels: Floats, strength: float, rng: np.random.Generator) -> Floats:
        """Return the radiograph changed; at strength 0 it is the very same.

        Parameters
        ----------
        pixels
            float32, shape (height, width), range [0, 1], 0 = black.
        strength
            How much, in the perturbation's unit.
        rng
            Where the randomness comes from; only noise needs any.

        Returns
        -------
        array
            float32, range [0, 1]; cropping gives another shape.

        Examples
        --------
        >>> exposure = PERTURBATIONS[0]
        >>> exposure.apply(np.float32([[0, 0.5, 1]]), 1.0, np.random.default_rng(0))
        array([[0.  , 0.25, 1.  ]], dtype=float32)
        """
        if strength == 0:
            return pixels
        changed: Floats = np.clip(self.change(pixels, strength, rng), 0, 1).astype(np.float32)
        return changed


def _exposure(pixels: Floats, doublings: float, _: np.random.Generator) -> Floats:
    changed: Floats = pixels ** np.float32(2**doublings)
    return changed


def _contrast(pixels: Floats, more: float, _: np.random.Generator) -> Floats:
    mean = pixels.mean()
    changed: Floats = mean + np.float32(1 + more / 100) * (pixels - mean)
    return changed


def _blur(pixels: Floats, percent: float, _: np.random.Generator) -> Floats:
    sigmas = [percent / 100 * side for side in pixels.shape]
    blurred: Floats = ndimage.gaussian_filter(pixels, sigmas, mode="nearest")
    return blurred


def _noise(pixels: Floats, percent: float, rng: np.random.Generator) -> Floats:
    # Noise of single pixels would have to be stronger in larger images, where more of them make a
    # pixel of the network's square; and the stronger it is, the more is cut off at black and white.
    grains = Image.fromarray(rng.standard_normal((_GRAIN, _GRAIN), np.float32))
    height, width = pixels.shape
    noise: Floats = np.asarray(grains.resize((width, height), Image.Resampling.BOX))
    changed: Floats = pixels + np.float32(percent / 100) * noise
    return changed


def _jpeg(pixels: Floats, worse: float, _: np.random.Generator) -> Floats:
    file = io.BytesIO()
    picture = Image.fromarray(np.rint(pixels * 255).astype(np.uint8))
    picture.save(file, "JPEG", quality=round(100 - worse))
    return np.asarray(Image.open(file), np.float32) / np.float32(255)


def _rotation(pixels: Floats, degrees: float, _: np.random.Generator) -> Floats:
    picture = Image.fromarray(pixels)
    return np.asarray(picture.rotate(-degrees, Image.Resampling.BILINEAR, fillcolor=0))


def _crop(pixels: Floats, percent: float, _: np.random.Generator) -> Floats:
    top, left = (round(percent / 200 * side) for side in pixels.shape)
    height, width = pixels.shape
    return np.ascontiguousarray(pixels[top : height - top, left : width - left])


def _resolution(pixels: Floats, halvings: float, _: np.random.Generator) -> Floats:
    height, width = pixels.shape
    side = round(_FINEST / 2**halvings)
    picture = Image.fromarray(pixels)
    coarse = picture.resize((min(width, side), min(height, side)), Image.Resampling.BOX)
    return np.asarray(coarse.resize((width, height), Image.Resampling.BILINEAR))


PERTURBATIONS = (
    Perturbation("exposure", "doublings of gamma", (-1, -0.5, -0.25, 0, 0.25, 0.5, 1), _exposure),
    Perturbation("contrast", "% more", (-75, -50, -25, 0, 25, 50, 100), _contrast),
    Perturbation("blur", "sigma in % of the side", (0, 0.25, 0.5, 1, 2), _blur),
    Perturbation("noise", f"SD in % of white, {_GRAIN} grains a side", (0, 2, 5, 10, 20), _noise),
    Perturbation("JPEG quality", "quality below 100", (0, 25, 50, 75, 90, 95), _jpeg),
    Perturbation("rotation", "degrees clockwise", (-20, -10, -5, 0, 5, 10, 20), _rotation),
    Perturbation("crop", "% of each side cut off", (0, 5, 10, 20, 30), _crop),
    Perturbation(
        "resolution", f"halvings from {_FINEST} pixels a side", (0, 1, 2, 3, 4), _resolution
    ),
)
"""All kinds of change, each with its ladder of strengths."""
