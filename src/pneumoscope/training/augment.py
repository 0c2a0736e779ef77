"""Random changes of whole batches of training images, on the training device."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from pneumoscope.training.recipe import Augmentation


def augment(images: Tensor, settings: Augmentation, generator: torch.Generator) -> Tensor:
    """Rotate, zoom, shift and mirror each image by its own random amounts.

    What comes in from outside repeats the border, as Keras' ``fill_mode="nearest"``.

    Parameters
    ----------
    images
        Shape (n, channels, height, width).
    settings
        The largest amounts; each image draws uniformly up to them.
    generator
        Source of the randomness, on the CPU.

    Returns
    -------
    Tensor
        Same shape and range.

    Examples
    --------
    >>> images = torch.rand(2, 1, 8, 8)
    >>> same = augment(images, Augmentation(), torch.Generator())
    >>> torch.allclose(same, images, atol=1e-5)
    True
    """
    n = len(images)

    def draw(largest: float) -> Tensor:
        return (torch.rand(n, generator=generator) * 2 - 1) * largest

    angle = draw(math.radians(settings.rotation))
    scale = 1 + draw(settings.zoom)
    mirror = torch.ones(n)
    if settings.flip:
        mirror[torch.rand(n, generator=generator) < 0.5] = -1
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    shift_x, shift_y = draw(2 * settings.shift), draw(2 * settings.shift)
    matrices = torch.stack(
        [
            torch.stack([cosine * mirror, -sine, shift_x], dim=1),
            torch.stack([sine * mirror, cosine, shift_y], dim=1),
        ],
        dim=1,
    )
    grid = functional.affine_grid(
        matrices.to(images.device), list(images.shape), align_corners=False
    )
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
