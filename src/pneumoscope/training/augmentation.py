"""Data augmentation: random changes of whole batches of images, on the training device."""

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional

from pneumoscope.training.recipe import Augmentation

_ERASED_SIDES = (0.08, 0.3)
"""Shortest and longest side of an erased rectangle, as fractions of the image's."""

_WHITE = 255


def augment(images: Tensor, settings: Augmentation, generator: Generator) -> Tensor:
    """Change each image by random amounts of its own.

    The order is: grey values, border, geometry (rotation, zoom, stretch, shift, crop, mirroring),
    blur, sharpness, noise and grain, erased rectangles. Pixels from outside the image repeat its
    border, as with Keras' ``fill_mode="nearest"``. Histograms and borders of another image are
    those of the image before in the batch, as it was before augmentation. Images and result have
    the shape (n, channels, height, width) and the range [0, 1]. Each image draws uniformly up to
    the largest amounts; the generator is on the CPU.

    Examples
    --------
    >>> images = torch.rand(2, 1, 8, 8)
    >>> same = augment(images, Augmentation(), torch.Generator())
    >>> torch.allclose(same, images, atol=1e-5)
    True
    """
    generator = _generator_on_device(images, generator)
    donors = images.roll(1, 0)
    if settings.histogram_matching:
        images = histogram_matching(images, donors, settings.histogram_matching, generator)
    if settings.gamma or settings.contrast:
        images = gamma_and_contrast(images, settings.gamma, settings.contrast, generator)
    if settings.border_swap:
        images = border_swap(images, donors, settings.border_swap, generator)
    if settings.border_blank:
        images = border_blank(images, settings.border_blank, generator)
    if settings.moves:
        images = affine_transform(images, settings, generator)
    if settings.blur:
        images = gaussian_blur(images, settings.blur, generator)
    if settings.sharpness:
        images = change_sharpness(images, settings.sharpness, generator)
    if settings.noise:
        images = gaussian_noise(images, settings.noise, generator)
    if settings.grain:
        images = grainy_noise(images, settings.grain, generator)
    for _ in range(settings.random_erasing):
        images = random_erasing(images, generator)
    return images


def mixup(
    images: Tensor, labels: Tensor, max_share: float, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Blend each image of a batch, and its label, with the one before.

    Images have the shape (n, channels, height, width), labels (n, k) and the range [0, 1]. Each
    image draws the other's share uniformly up to the largest; the generator is on the CPU.

    References
    ----------
    Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018; there the share follows a
    beta distribution.

    Examples
    --------
    >>> images, labels = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1), torch.tensor([[0.0], [1.0]])
    >>> mixed, shares = mixup(images, labels, 0.5, torch.Generator().manual_seed(0))
    >>> bool((mixed.view(2, 1) == shares).all()), bool((0 < shares[0]) and (shares[1] < 1))
    (True, True)
    """
    share = _draw(images, max_share, _generator_on_device(images, generator)).abs()
    return (
        torch.lerp(images, images.roll(1, 0), share),
        torch.lerp(labels, labels.roll(1, 0), share.view(-1, 1)),
    )


def histogram_matching(
    images: Tensor, donors: Tensor, max_share: float, generator: Generator
) -> Tensor:
    """Move each image's histogram a random share of the way to another image's.

    References
    ----------
    Gonzalez and Woods, "Digital Image Processing", section "Histogram matching (specification)".
    """
    levels = (images * _WHITE).round().long().flatten(1)
    donor_levels = (donors * _WHITE).round().long().flatten(1)
    greys = _matched_greys(_cumulative_histogram(levels), _cumulative_histogram(donor_levels))
    matched = greys.gather(1, levels).view_as(images)
    return torch.lerp(images, matched, _draw(images, max_share, generator).abs())


def _cumulative_histogram(levels: Tensor) -> Tensor:
    """Return the number of pixels that are at most as bright as each grey, shape (n, 256)."""
    counts = torch.zeros(len(levels), _WHITE + 1, device=levels.device)
    # Sums of whole numbers are the same in any order.
    return counts.scatter_add_(1, levels, torch.ones_like(levels, dtype=counts.dtype)).cumsum(1)


def _matched_greys(cumulative: Tensor, donors: Tensor) -> Tensor:
    """Return for each grey the donor's grey of the same rank, in [0, 1]."""
    counts = cumulative.diff(dim=1, prepend=torch.zeros_like(cumulative[:, :1]))
    ranks = cumulative - counts / 2
    return torch.searchsorted(donors, ranks).clamp(max=_WHITE) / _WHITE


def gamma_and_contrast(
    images: Tensor, max_gamma: float, max_contrast: float, generator: Generator
) -> Tensor:
    """Apply a random gamma, and a random contrast about the image's mean."""
    gamma = _draw(images, max_gamma, generator).exp()
    contrast = 1 + _draw(images, max_contrast, generator)
    corrected = images.clamp(min=1e-6) ** gamma
    mean = corrected.mean((1, 2, 3), keepdim=True)
    return (mean + contrast * (corrected - mean)).clamp(0, 1)


def border_swap(images: Tensor, donors: Tensor, max_depth: float, generator: Generator) -> Tensor:
    """Replace the border of half the images by another image's."""
    return torch.where(_interior(images, max_depth, generator), images, donors)


def border_blank(images: Tensor, max_depth: float, generator: Generator) -> Tensor:
    """Replace the border of half the images by one random grey."""
    interior = _interior(images, max_depth, generator)
    return torch.where(interior, images, _random_grey(images, generator))


def _interior(images: Tensor, max_depth: float, generator: Generator) -> Tensor:
    """Return a mask of the pixels within a border of random depth on each side.

    For half the images the mask holds all pixels.
    """
    chosen = _draw(images, 1, generator) < 0
    left, right, top, bottom = (
        _draw(images, max_depth, generator).abs() * chosen for _ in range(4)
    )
    rows, columns = _pixel_centres(images)
    return (rows >= top) & (rows <= 1 - bottom) & (columns >= left) & (columns <= 1 - right)


def affine_transform(images: Tensor, settings: Augmentation, generator: Generator) -> Tensor:
    """Rotate, zoom, stretch, shift, crop and mirror in one interpolation."""

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


def gaussian_blur(images: Tensor, max_deviation: float, generator: Generator) -> Tensor:
    """Blur half the images by a Gaussian of a random deviation, up to a share of the side."""
    side = images.shape[3]
    radius = math.ceil(3 * max_deviation * side)
    # A deviation of 0 would divide 0 by 0; this one leaves the image as it is.
    deviation = (_draw(images, max_deviation, generator) * side).clamp_min(0.1)
    offsets = torch.arange(-radius, radius + 1, device=images.device)
    kernels = (-0.5 * (offsets / deviation).square()).exp()
    kernels = (kernels / kernels.sum(3, keepdim=True)).repeat_interleave(images.shape[1], 0)
    # All images as channels of one, since each has a kernel of its own.
    blurred = images.reshape(1, -1, *images.shape[2:])
    blurred = functional.pad(blurred, (radius,) * 4, mode="replicate")
    for kernel in (kernels, kernels.mT):
        blurred = functional.conv2d(blurred, kernel, groups=len(kernels))
    return blurred.reshape(images.shape)


def change_sharpness(images: Tensor, max_share: float, generator: Generator) -> Tensor:
    """Remove or add a random share of the detail that a blur takes away (unsharp masking)."""
    channels = images.shape[1]
    weights = torch.tensor([1.0, 4, 6, 4, 1], device=images.device) / 16
    blurred = functional.pad(images, (2, 2, 2, 2), mode="replicate")
    for shape in ((1, 1, 5, 1), (1, 1, 1, 5)):
        kernel = weights.reshape(shape).expand(channels, -1, -1, -1)
        blurred = functional.conv2d(blurred, kernel, groups=channels)
    share = _draw(images, max_share, generator)
    return (images + share * (images - blurred)).clamp(0, 1)


def gaussian_noise(images: Tensor, max_deviation: float, generator: Generator) -> Tensor:
    """Add Gaussian noise of a random standard deviation."""
    deviation = _draw(images, max_deviation, generator)
    noise = torch.empty_like(images).normal_(generator=generator)
    return (images + deviation * noise).clamp(0, 1)


def grainy_noise(images: Tensor, max_deviation: float, generator: Generator) -> Tensor:
    """Add Gaussian noise of a random standard deviation in grains of one or of two pixels.

    A crop that is enlarged has coarser noise than a sensor gives. Black stays black, so that noise
    beside framed lungs does not tell how much of it lies on them.
    """
    deviation = _draw(images, max_deviation, generator)
    fine = torch.empty_like(images).normal_(generator=generator)
    padded = functional.pad(fine, (0, 1, 0, 1), mode="replicate")
    coarse = 2 * functional.avg_pool2d(padded, 2, stride=1)
    noise = torch.where(_draw(images, 1, generator) < 0, fine, coarse)
    return torch.where(images > 0, (images + deviation * noise).clamp(0, 1), images)


def random_erasing(images: Tensor, generator: Generator) -> Tensor:
    """Replace a random rectangle of each image by one random grey.

    References
    ----------
    Zhong et al., "Random Erasing Data Augmentation", AAAI 2020.
    """
    shortest, longest = _ERASED_SIDES

    def draw() -> Tensor:
        return _draw(images, 0.5, generator) + 0.5

    height, width = (shortest + (longest - shortest) * draw() for _ in range(2))
    top, left = draw() * (1 - height), draw() * (1 - width)
    rows, columns = _pixel_centres(images)
    erased = (rows >= top) & (rows <= top + height) & (columns >= left) & (columns <= left + width)
    return torch.where(erased, _random_grey(images, generator), images)


def _generator_on_device(images: Tensor, generator: Generator) -> Generator:
    """Return a random generator on the images' device, seeded by one on the CPU.

    Numbers that are drawn on the CPU and moved would each make a GPU wait.
    """
    if images.device.type == "cpu":
        return generator
    seed = int(torch.randint(2**62, (), generator=generator))
    return Generator(images.device).manual_seed(seed)


def _draw(images: Tensor, largest: float, generator: Generator) -> Tensor:
    """Draw a number between -largest and largest for each image, shape (n, 1, 1, 1)."""
    shape = (len(images), 1, 1, 1)
    return (torch.rand(shape, generator=generator, device=images.device) * 2 - 1) * largest


def _random_grey(images: Tensor, generator: Generator) -> Tensor:
    return _draw(images, 0.5, generator) + 0.5


def _pixel_centres(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the centres of the rows and the columns of pixels, as fractions of the side."""
    height, width = images.shape[2:]
    rows = (torch.arange(height, device=images.device) + 0.5) / height
    columns = (torch.arange(width, device=images.device) + 0.5) / width
    return rows.view(1, 1, -1, 1), columns.view(1, 1, 1, -1)
