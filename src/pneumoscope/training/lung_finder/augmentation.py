"""Augmentation of radiographs with lung masks: what hides a lung must not lose it."""

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional

from pneumoscope.training.augmentation import (
    change_sharpness,
    gamma_and_contrast,
    gaussian_noise,
)

_MAX_ROTATION = math.radians(25)
_MAX_ZOOM, _MAX_STRETCH, _MAX_SHIFT = 0.3, 0.35, 0.15
"""Largest logarithms of size and of width by height, and shift as a fraction of the side."""

_MAX_GAMMA, _MAX_CONTRAST, _MAX_SHARPNESS, _MAX_NOISE = 0.7, 0.4, 1.0, 0.08

_SCRAMBLED_SHARE, _TILES = 1 / 16, 4
"""Share of images whose tiles are shuffled, and tiles along each side."""

_N_OPACITIES, _N_TUBES, _N_MARKERS = 3, 2, 2
"""Largest numbers of pasted opacities, tubes and markers, each pasted or not with equal odds."""


def augment_with_masks(
    images: Tensor, lungs: Tensor, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Change images and their masks alike by random amounts, and paste what hides lungs.

    Opacities (consolidations, effusions), tubes and markers are pasted onto the images alone.
    Images have the shape (n, 1, height, width) and the range [0, 1], masks (n, 2, height, width).

    Examples
    --------
    >>> images, lungs = torch.rand(2, 1, 32, 32), torch.zeros(2, 2, 32, 32)
    >>> changed, masks = augment_with_masks(images, lungs, torch.Generator().manual_seed(0))
    >>> changed.shape, masks.shape
    (torch.Size([2, 1, 32, 32]), torch.Size([2, 2, 32, 32]))
    """
    images, lungs = _move(images, lungs, generator)
    images, lungs = scramble(images, lungs, generator)
    for _ in range(_N_OPACITIES):
        images = paste_opacity(images, lungs, generator)
    images = paste_effusion(images, lungs, generator)
    for _ in range(_N_TUBES):
        images = paste_tube(images, generator)
    for _ in range(_N_MARKERS):
        images = paste_marker(images, generator)
    images = gamma_and_contrast(images, _MAX_GAMMA, _MAX_CONTRAST, generator)
    images = change_sharpness(images, _MAX_SHARPNESS, generator)
    return gaussian_noise(images, _MAX_NOISE, generator), lungs


def _move(images: Tensor, lungs: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Rotate, scale, stretch, shift and mirror images and masks alike."""
    angle = _symmetric(images, _MAX_ROTATION, generator)
    scale, stretch = (
        _symmetric(images, largest, generator).exp() for largest in (_MAX_ZOOM, _MAX_STRETCH / 2)
    )
    mirrored = _uniform(images, generator) < 0.5
    mirror = torch.where(mirrored, -1.0, 1.0)
    across, down = (2 * _symmetric(images, _MAX_SHIFT, generator) for _ in range(2))
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    matrices = torch.stack(
        [
            torch.stack([cosine * mirror * stretch, -sine * stretch, across], 1),
            torch.stack([sine * mirror / stretch, cosine / stretch, down], 1),
        ],
        1,
    )
    grid = functional.affine_grid(matrices, list(images.shape), align_corners=False)
    # Mirroring makes the lung on the image's left the one on its right.
    swapped = torch.where(mirrored.view(-1, 1, 1, 1), lungs.flip(1), lungs)
    black_outside = bool(torch.rand((), generator=generator) < 0.5)
    return (
        functional.grid_sample(
            images, grid, padding_mode="zeros" if black_outside else "border", align_corners=False
        ),
        functional.grid_sample(swapped, grid, align_corners=False),
    )


def scramble(images: Tensor, lungs: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Shuffle the tiles of some images, which then show no lungs, and empty their masks.

    Without such images the network marks lungs with confidence wherever they usually are.
    """
    rows = torch.rand(len(images), generator=generator) < _SCRAMBLED_SHARE
    side = images.shape[2] // _TILES
    tiles = images[rows].unfold(2, side, side).unfold(3, side, side).flatten(2, 3)
    order = torch.rand(tiles.shape[0], tiles.shape[2], generator=generator).argsort(1)
    shuffled = tiles[torch.arange(len(tiles))[:, None], :, order].transpose(1, 2)
    grid = shuffled.reshape(*shuffled.shape[:2], _TILES, _TILES, side, side).transpose(3, 4)
    images, lungs = images.clone(), lungs.clone()
    images[rows] = grid.reshape(images[rows].shape)
    lungs[rows] = 0
    return images, lungs


def paste_opacity(images: Tensor, lungs: Tensor, generator: Generator) -> Tensor:
    """Paste a soft, bright opacity with its centre in a lung into half the images."""
    weights = lungs.amax(1).flatten(1) + 1e-6
    place = torch.multinomial(weights, 1, generator=generator).squeeze(1)
    height, width = images.shape[2:]
    row, column = (place // width + 0.5) / height, (place % width + 0.5) / width
    rows, columns = _centres(images)
    radii = [0.04 + 0.2 * _uniform(images, generator) for _ in range(2)]
    angle = math.pi * _uniform(images, generator)
    dy, dx = rows - _spread(row), columns - _spread(column)
    along = dx * _spread(angle.cos()) + dy * _spread(angle.sin())
    across = dy * _spread(angle.cos()) - dx * _spread(angle.sin())
    distance = (along / _spread(radii[0])) ** 2 + (across / _spread(radii[1])) ** 2
    # A flat top and a soft edge, as of a consolidation.
    return _brighten(images, torch.sigmoid(4 * (1 - distance)), generator)


def paste_effusion(images: Tensor, lungs: Tensor, generator: Generator) -> Tensor:
    """Whiten one side below a soft, sloping level in half the images, as an effusion does."""
    side = (_uniform(images, generator) < 0.5).long()
    lung = lungs[torch.arange(len(lungs)), side]
    rows, columns = _centres(images)
    total = lung.sum((1, 2)).clamp(min=1e-6)
    middle = (lung * columns.squeeze(1)).sum((1, 2)) / total
    centre = (lung * rows.squeeze(1)).sum((1, 2)) / total
    level = centre + _symmetric(images, 0.25, generator)
    slope = _symmetric(images, 0.8, generator)
    dx = columns - _spread(middle)
    below = torch.sigmoid((rows - _spread(level) - _spread(slope) * dx) / 0.03)
    beside = torch.sigmoid((0.2 - dx.abs()) / 0.03)
    return _brighten(images, below * beside, generator)


def paste_tube(images: Tensor, generator: Generator) -> Tensor:
    """Paste a thin, bright, bent line into half the images, as a tube or a wire."""
    angle = math.pi * _uniform(images, generator)
    row, column = (_uniform(images, generator) for _ in range(2))
    bend = _symmetric(images, 1.5, generator)
    rows, columns = _centres(images)
    dy, dx = rows - _spread(row), columns - _spread(column)
    along = dx * _spread(angle.cos()) + dy * _spread(angle.sin())
    across = dy * _spread(angle.cos()) - dx * _spread(angle.sin())
    half_width = 0.004 + 0.01 * _uniform(images, generator)
    distance = (across + _spread(bend) * along**2).abs() / _spread(half_width)
    return _brighten(images, torch.sigmoid(3 * (1 - distance)), generator)


def paste_marker(images: Tensor, generator: Generator) -> Tensor:
    """Paste a small bright or dark rectangle into half the images, as a marker or an electrode."""
    sides = [0.02 + 0.1 * _uniform(images, generator) for _ in range(2)]
    top, left = (_uniform(images, generator) for _ in range(2))
    rows, columns = _centres(images)
    inside = (
        (rows >= _spread(top))
        & (rows <= _spread(top + sides[0]))
        & (columns >= _spread(left))
        & (columns <= _spread(left + sides[1]))
    )
    grey = torch.where(_uniform(images, generator) < 0.25, 0.0, 1.0)
    chosen = _spread(_uniform(images, generator) < 0.5)
    return torch.where(inside & chosen, _spread(grey), images)


def _brighten(images: Tensor, weight: Tensor, generator: Generator) -> Tensor:
    """Blend half the images with a bright grey, by a weight within [0, 1] and a random strength."""
    strength = _uniform(images, generator) * (_uniform(images, generator) < 0.5)
    brightest = images.flatten(1).quantile(0.9, dim=1)
    grey = brightest * (0.7 + 0.4 * _uniform(images, generator))
    return torch.lerp(images, _spread(grey).expand_as(images), weight * _spread(strength)).clamp(
        0, 1
    )


def _uniform(images: Tensor, generator: Generator) -> Tensor:
    """Draw a number in [0, 1) for each image, shape (n,)."""
    return torch.rand(len(images), generator=generator)


def _symmetric(images: Tensor, largest: float, generator: Generator) -> Tensor:
    """Draw a number between -largest and largest for each image, shape (n,)."""
    return (2 * _uniform(images, generator) - 1) * largest


def _spread(values: Tensor) -> Tensor:
    """Return values (n,) in the shape (n, 1, 1, 1)."""
    return values.view(-1, 1, 1, 1)


def _centres(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the centres of rows and columns of pixels as fractions of the side."""
    height, width = images.shape[2:]
    rows, columns = ((torch.arange(side) + 0.5) / side for side in (height, width))
    return rows.view(1, 1, -1, 1), columns.view(1, 1, 1, -1)
