"""Random changes of whole batches of training images, on the training device."""

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional

from pneumoscope.training.recipe import Augmentation

_ERASED = (0.08, 0.3)
"""Sides of an erased rectangle, as fractions of the image's."""

_WHITE = 255


def augment(images: Tensor, settings: Augmentation, generator: Generator) -> Tensor:
    """Change each image by its own random amounts.

    First its grey values, then its frame and border, then rotation, zoom, stretch, shift, crop and
    mirroring, then sharpness and noise, at last what is erased. What comes in from outside repeats
    the border, as Keras' ``fill_mode="nearest"``. What is taken from another image, its greys or
    its frame, is taken from the one before in the batch, as it came in.

    Parameters
    ----------
    images
        Shape (n, channels, height, width), range [0, 1].
    settings
        The largest amounts; each image draws uniformly up to them.
    generator
        Source of the randomness, on the CPU.

    Returns
    -------
    Tensor
        Same shape and range.

    References
    ----------
    Zhong et al., "Random Erasing Data Augmentation", AAAI 2020. Gonzalez and Woods, "Digital Image
    Processing", section "Histogram matching (specification)".

    Examples
    --------
    >>> images = torch.rand(2, 1, 8, 8)
    >>> same = augment(images, Augmentation(), torch.Generator())
    >>> torch.allclose(same, images, atol=1e-5)
    True
    """
    generator = _beside(images, generator)
    others = images.roll(1, 0)
    if settings.tones:
        images = _take_tones(images, others, settings.tones, generator)
    if settings.gamma or settings.contrast:
        images = _change_greys(images, settings, generator)
    if settings.frame:
        images = _take_frame(images, others, settings.frame, generator)
    if settings.border:
        images = _blank_border(images, settings.border, generator)
    if settings.moves:
        images = _move(images, settings, generator)
    if settings.sharpness:
        images = _sharpen(images, settings.sharpness, generator)
    if settings.noise:
        images = _add_noise(images, settings.noise, generator)
    for _ in range(settings.erase):
        images = _erase(images, generator)
    return images


def mix(images: Tensor, labels: Tensor, most: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """Blend each image of a batch, and its label, with the next one's.

    Parameters
    ----------
    images
        Shape (n, channels, height, width).
    labels
        Shape (n, k), range [0, 1].
    most
        Largest share of the other image; each draws uniformly up to it.
    generator
        Source of the randomness, on the CPU.

    References
    ----------
    Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018; there the share follows a
    beta distribution.

    Examples
    --------
    >>> images, labels = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1), torch.tensor([[0.0], [1.0]])
    >>> mixed, shares = mix(images, labels, 0.5, torch.Generator().manual_seed(0))
    >>> bool((mixed.view(2, 1) == shares).all()), bool((0 < shares[0]) and (shares[1] < 1))
    (True, True)
    """
    share = _draw(images, most, _beside(images, generator)).abs()
    return (
        torch.lerp(images, images.roll(1, 0), share),
        torch.lerp(labels, labels.roll(1, 0), share.view(-1, 1)),
    )


def _take_tones(images: Tensor, others: Tensor, most: float, generator: Generator) -> Tensor:
    """Go a share of the way to where each image's greys are spread as another image's are."""
    levels = (images * _WHITE).round().long().flatten(1)
    greys = _matched(_cumulated(levels), _cumulated((others * _WHITE).round().long().flatten(1)))
    matched = greys.gather(1, levels).view_as(images)
    return torch.lerp(images, matched, _draw(images, most, generator).abs())


def _cumulated(levels: Tensor) -> Tensor:
    """Return how many pixels are at most as bright as each grey, shape (n, 256)."""
    counts = torch.zeros(len(levels), _WHITE + 1, device=levels.device)
    # Whole numbers: their sums are the same in any order.
    return counts.scatter_add_(1, levels, torch.ones_like(levels, dtype=counts.dtype)).cumsum(1)


def _matched(cumulated: Tensor, others: Tensor) -> Tensor:
    """Return the grey of the same rank among another image's pixels, for each grey, in [0, 1]."""
    counts = cumulated.diff(dim=1, prepend=torch.zeros_like(cumulated[:, :1]))
    ranks = cumulated - counts / 2
    return torch.searchsorted(others, ranks).clamp(max=_WHITE) / _WHITE


def _change_greys(images: Tensor, settings: Augmentation, generator: Generator) -> Tensor:
    gamma = _draw(images, settings.gamma, generator).exp()
    contrast = 1 + _draw(images, settings.contrast, generator)
    bent = images.clamp(min=1e-6) ** gamma
    mean = bent.mean((1, 2, 3), keepdim=True)
    return (mean + contrast * (bent - mean)).clamp(0, 1)


def _take_frame(images: Tensor, others: Tensor, deepest: float, generator: Generator) -> Tensor:
    """Put half the images into the border of another image."""
    return torch.where(_within(images, deepest, generator), images, others)


def _blank_border(images: Tensor, deepest: float, generator: Generator) -> Tensor:
    """Make the border of half the images one random grey."""
    within = _within(images, deepest, generator)
    return torch.where(within, images, _any_grey(images, generator))


def _within(images: Tensor, deepest: float, generator: Generator) -> Tensor:
    """Return what is not border: of half the images all, else each side to a depth of its own."""
    chosen = _draw(images, 1, generator) < 0
    left, right, top, bottom = (_draw(images, deepest, generator).abs() * chosen for _ in range(4))
    rows, columns = _places(images)
    return (rows >= top) & (rows <= 1 - bottom) & (columns >= left) & (columns <= 1 - right)


def _move(images: Tensor, settings: Augmentation, generator: Generator) -> Tensor:
    """Turn, zoom, stretch, shift, crop and mirror, with one look at each pixel."""

    def draw(largest: float) -> Tensor:
        return _draw(images, largest, generator).view(-1)

    angle = draw(math.radians(settings.rotation))
    scale = 1 + draw(settings.zoom)
    mirror = torch.ones_like(angle)
    if settings.flip:
        mirror = torch.where(draw(1) < 0, -1.0, 1.0)
    shift_x, shift_y = draw(2 * settings.shift), draw(2 * settings.shift)
    if settings.crop:
        cut = draw(settings.crop).abs()
        shift_x, shift_y = shift_x + cut * draw(1), shift_y + cut * draw(1)
        scale = scale * (1 - cut)
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    matrices = torch.stack(
        [
            torch.stack([cosine * mirror, -sine, shift_x], dim=1),
            torch.stack([sine * mirror, cosine, shift_y], dim=1),
        ],
        dim=1,
    )
    if settings.stretch:
        ratio = draw(settings.stretch / 2).exp()
        matrices = matrices * torch.stack([ratio, 1 / ratio], dim=1).unsqueeze(2)
    grid = functional.affine_grid(matrices, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _sharpen(images: Tensor, most: float, generator: Generator) -> Tensor:
    """Take a share of the detail finer than a blurred image's away, or add as much."""
    channels = images.shape[1]
    weights = torch.tensor([1.0, 4, 6, 4, 1], device=images.device) / 16
    padded = functional.pad(images, (2, 2, 2, 2), mode="replicate")
    for shape in ((1, 1, 5, 1), (1, 1, 1, 5)):
        kernel = weights.reshape(shape).expand(channels, -1, -1, -1)
        padded = functional.conv2d(padded, kernel, groups=channels)
    share = _draw(images, most, generator)
    return (images + share * (images - padded)).clamp(0, 1)


def _add_noise(images: Tensor, most: float, generator: Generator) -> Tensor:
    deviation = _draw(images, most, generator)
    noise = torch.empty_like(images).normal_(generator=generator)
    return (images + deviation * noise).clamp(0, 1)


def _beside(images: Tensor, generator: Generator) -> Generator:
    """Return a source of randomness on the images' device that follows from the CPU's.

    Numbers drawn on the CPU and moved would each make a GPU wait.
    """
    if images.device.type == "cpu":
        return generator
    seed = int(torch.randint(2**62, (), generator=generator))
    return Generator(images.device).manual_seed(seed)


def _erase(images: Tensor, generator: Generator) -> Tensor:
    """Make a random rectangle of each image one random grey."""
    smallest, largest = _ERASED

    def draw() -> Tensor:
        return _draw(images, 0.5, generator) + 0.5

    height, width = (smallest + (largest - smallest) * draw() for _ in range(2))
    top, left = draw() * (1 - height), draw() * (1 - width)
    rows, columns = _places(images)
    erased = (rows >= top) & (rows <= top + height) & (columns >= left) & (columns <= left + width)
    return torch.where(erased, _any_grey(images, generator), images)


def _draw(images: Tensor, largest: float, generator: Generator) -> Tensor:
    """Return a number between -largest and largest for each image, shape (n, 1, 1, 1)."""
    shape = (len(images), 1, 1, 1)
    return (torch.rand(shape, generator=generator, device=images.device) * 2 - 1) * largest


def _any_grey(images: Tensor, generator: Generator) -> Tensor:
    return _draw(images, 0.5, generator) + 0.5


def _places(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the middle of each row and column of pixels, as fractions of the side."""
    height, width = images.shape[2:]
    rows = (torch.arange(height, device=images.device) + 0.5) / height
    columns = (torch.arange(width, device=images.device) + 0.5) / width
    return rows.view(1, 1, -1, 1), columns.view(1, 1, 1, -1)
