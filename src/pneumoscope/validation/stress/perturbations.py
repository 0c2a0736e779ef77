"""Perturbations of radiographs: exposure, blur, noise, compression and others, by strength."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Pixels: TypeAlias = NDArray[np.float32]
Change: TypeAlias = Callable[[Pixels, float, np.random.Generator], Pixels]

_GRAINS_PER_SIDE = 256
"""Number of noise grains along each side, whatever the number of pixels."""

_FULL_SIDE = 512
"""Pixels along each side at full resolution, from which halvings are counted."""


@dataclass(frozen=True, slots=True)
class Perturbation:
    """Kind of change to a radiograph, with a ladder of strengths.

    Parameters
    ----------
    name
        Name, such as ``blur``.
    unit
        Unit of the strengths, in words.
    strengths
        Strengths, ascending; 0 is the unchanged image.
    change
        Function that makes the change at strengths other than 0; its result may leave [0, 1]
        slightly.
    """

    name: str
    unit: str
    strengths: tuple[float, ...]
    change: Change

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """Return the perturbed radiograph; at strength 0 the same array.

        Parameters
        ----------
        pixels
            Pixels, float32, shape (height, width), range [0, 1], 0 = black, as those returned; only
            cropping changes the shape.
        strength
            Strength in the perturbation's unit.
        rng
            Random generator; only noise uses it.

        Examples
        --------
        >>> exposure = PERTURBATIONS[0]
        >>> exposure.apply(np.float32([[0, 0.5, 1]]), 1.0, np.random.default_rng(0))
        array([[0.  , 0.25, 1.  ]], dtype=float32)
        """
        if strength == 0:
            return pixels
        return np.clip(self.change(pixels, strength, rng), 0, 1).astype(np.float32)


def _exposure(pixels: Pixels, doublings: float, _: np.random.Generator) -> Pixels:
    return pixels ** np.float32(2**doublings)


def _contrast(pixels: Pixels, percent: float, _: np.random.Generator) -> Pixels:
    mean = pixels.mean()
    changed: Pixels = mean + np.float32(1 + percent / 100) * (pixels - mean)
    return changed


def _blur(pixels: Pixels, percent: float, _: np.random.Generator) -> Pixels:
    sigmas = [percent / 100 * side for side in pixels.shape]
    blurred: Pixels = ndimage.gaussian_filter(pixels, sigmas, mode="nearest")
    return blurred


def _noise(pixels: Pixels, percent: float, rng: np.random.Generator) -> Pixels:
    # Noise per pixel would average out in large images, where many pixels make one of the network's
    # input. To have the same effect it would have to be stronger there, and be clipped more.
    grains = Image.fromarray(rng.standard_normal((_GRAINS_PER_SIDE, _GRAINS_PER_SIDE), np.float32))
    height, width = pixels.shape
    noise: Pixels = np.asarray(grains.resize((width, height), Image.Resampling.BOX))
    return pixels + np.float32(percent / 100) * noise


def _jpeg(pixels: Pixels, quality_loss: float, _: np.random.Generator) -> Pixels:
    file = io.BytesIO()
    image = Image.fromarray(np.rint(pixels * 255).astype(np.uint8))
    image.save(file, "JPEG", quality=round(100 - quality_loss))
    return np.asarray(Image.open(file), np.float32) / np.float32(255)


def _rotation(pixels: Pixels, degrees: float, _: np.random.Generator) -> Pixels:
    image = Image.fromarray(pixels)
    return np.asarray(image.rotate(-degrees, Image.Resampling.BILINEAR, fillcolor=0))


def _crop(pixels: Pixels, percent: float, _: np.random.Generator) -> Pixels:
    top, left = (round(percent / 200 * side) for side in pixels.shape)
    height, width = pixels.shape
    return np.ascontiguousarray(pixels[top : height - top, left : width - left])


def _resolution(pixels: Pixels, halvings: float, _: np.random.Generator) -> Pixels:
    height, width = pixels.shape
    side = round(_FULL_SIDE / 2**halvings)
    image = Image.fromarray(pixels)
    coarse = image.resize((min(width, side), min(height, side)), Image.Resampling.BOX)
    return np.asarray(coarse.resize((width, height), Image.Resampling.BILINEAR))


PERTURBATIONS = (
    Perturbation("exposure", "doublings of gamma", (-1, -0.5, -0.25, 0, 0.25, 0.5, 1), _exposure),
    Perturbation("contrast", "% more", (-75, -50, -25, 0, 25, 50, 100), _contrast),
    Perturbation("blur", "sigma in % of the side", (0, 0.25, 0.5, 1, 2), _blur),
    Perturbation(
        "noise", f"SD in % of white, {_GRAINS_PER_SIDE} grains a side", (0, 2, 5, 10, 20), _noise
    ),
    Perturbation("JPEG quality", "quality below 100", (0, 25, 50, 75, 90, 95), _jpeg),
    Perturbation("rotation", "degrees clockwise", (-20, -10, -5, 0, 5, 10, 20), _rotation),
    Perturbation("crop", "% of each side cut off", (0, 5, 10, 20, 30), _crop),
    Perturbation(
        "resolution", f"halvings from {_FULL_SIDE} pixels a side", (0, 1, 2, 3, 4), _resolution
    ),
)
"""All kinds of change, each with its strengths."""
