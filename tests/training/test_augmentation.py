"""Augmentation of images for which the result is known."""

import numpy as np
import pytest
import torch
from skimage.exposure import match_histograms
from torch import Tensor

from pneumoscope.training.augmentation import augment, mixup
from pneumoscope.training.recipe import Augmentation


@pytest.fixture
def images() -> Tensor:
    return torch.rand(64, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def test_flip_mirrors_about_half_and_leaves_the_rest(images: Tensor) -> None:
    changed = augment(images, Augmentation(flip=True), generator())
    mirrored = [
        torch.allclose(a, b.flip(-1), atol=1e-4) for a, b in zip(changed, images, strict=True)
    ]
    same = [torch.allclose(a, b, atol=1e-4) for a, b in zip(changed, images, strict=True)]
    assert all(m or s for m, s in zip(mirrored, same, strict=True))
    assert 16 <= sum(mirrored) <= 48


def test_shift_moves_a_ramp_by_at_most_the_fraction() -> None:
    ramp = torch.linspace(0, 1, 101).expand(200, 1, 101, 101)
    middle = augment(ramp, Augmentation(shift=0.1), generator())[:, 0, 50, 50]
    assert (middle - 0.5).abs().max() <= 0.1 + 1e-3
    assert (middle - 0.5).abs().max() > 0.08
    assert middle.std() > 0.03


def test_rotation_keeps_a_disc_and_turns_a_half_plane() -> None:
    rows, columns = torch.meshgrid(torch.arange(65.0) - 32, torch.arange(65.0) - 32, indexing="ij")
    disc = ((rows**2 + columns**2) < 400).float().expand(50, 1, 65, 65)
    turned = augment(disc, Augmentation(rotation=180), generator())
    assert (turned - disc).abs().mean() < 0.02
    half = (columns > 0).float().expand(50, 1, 65, 65)
    assert (augment(half, Augmentation(rotation=180), generator()) - half).abs().mean() > 0.2


def test_zoom_changes_the_area_of_a_disc_within_its_bounds() -> None:
    rows, columns = torch.meshgrid(torch.arange(65.0) - 32, torch.arange(65.0) - 32, indexing="ij")
    disc = ((rows**2 + columns**2) < 225).float().expand(200, 1, 65, 65)
    ratio = augment(disc, Augmentation(zoom=0.2), generator()).sum((1, 2, 3)) / disc[0].sum()
    # A coordinate scale s within [0.8, 1.2] gives an area of 1 / s**2.
    assert ratio.min() > 0.95 / 1.2**2
    assert ratio.max() < 1.05 / 0.8**2
    assert ratio.max() / ratio.min() > 1.6


def test_stretch_changes_the_shape_of_a_disc_and_not_its_area() -> None:
    rows, columns = torch.meshgrid(torch.arange(65.0) - 32, torch.arange(65.0) - 32, indexing="ij")
    disc = ((rows**2 + columns**2) < 225).float().expand(200, 1, 65, 65)
    changed = augment(disc, Augmentation(stretch=0.4), generator())
    assert changed.sum((1, 2, 3)) / disc[0].sum() == pytest.approx(torch.ones(200), abs=0.03)
    width, height = (changed.mean(axis).gt(1e-6).sum(-1)[:, 0] for axis in (2, 3))
    ratio = (width / height).log()
    assert ratio.abs().max() == pytest.approx(0.4, abs=0.06)
    assert ratio.mean() == pytest.approx(0, abs=0.05)


def test_sharpness_changes_fine_detail_only() -> None:
    """A chequerboard of single pixels is all detail, a ramp has none."""
    rows, columns = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    board = (0.5 + 0.1 * ((rows + columns) % 2 * 2 - 1)).expand(400, 1, 32, 32)
    changed = augment(board, Augmentation(sharpness=1), generator())[:, 0, 8:24, 8:24] - 0.5
    share = changed.abs().mean((1, 2)) / 0.1
    assert share.min() == pytest.approx(0, abs=0.04)
    assert share.max() == pytest.approx(2, abs=0.04)
    ramp = torch.linspace(0.2, 0.8, 32).expand(400, 1, 32, 32)
    same = augment(ramp, Augmentation(sharpness=1), generator())
    assert torch.allclose(same[..., 2:-2], ramp[..., 2:-2], atol=1e-5)


def test_blur_spreads_a_point_by_each_image_s_own_deviation() -> None:
    """The variance of a blurred point's grey values along an axis is that of the Gaussian."""
    points = torch.zeros(400, 1, 65, 65)
    points[:, :, 32, 32] = 1
    blurred = augment(points, Augmentation(blur=0.05), generator())
    assert torch.allclose(blurred.sum((1, 2, 3)), torch.ones(400), atol=1e-5)
    for axes in ((1, 2), (1, 3)):
        offsets = torch.arange(65.0) - 32
        deviations = (blurred.sum(axes) * offsets.square()).sum(1).sqrt()
        assert deviations.max() == pytest.approx(0.05 * 65, abs=0.1)
        assert deviations.mean() == pytest.approx(0.0125 * 65, abs=0.1)
        assert 0.45 < (deviations < 0.01).double().mean() < 0.6  # half, and the least blurred


def test_noise_has_each_image_s_own_deviation() -> None:
    greys = torch.full((400, 1, 64, 64), 0.5)
    deviations = (augment(greys, Augmentation(noise=0.08), generator()) - 0.5).std((1, 2, 3))
    assert deviations.max() == pytest.approx(0.08, abs=0.005)
    assert deviations.mean() == pytest.approx(0.04, abs=0.005)


def test_grain_comes_in_grains_of_one_or_two_pixels_and_leaves_black() -> None:
    greys = torch.full((40, 1, 64, 64), 0.5)
    greys[..., :8] = 0
    noisy = augment(greys, Augmentation(grain=0.08), generator())
    assert not noisy[..., :8].any()
    noise = noisy[..., 8:] - 0.5
    beside = (noise[..., 1:] * noise[..., :-1]).mean((1, 2, 3)) / noise.square().mean((1, 2, 3))
    fine, coarse = beside[beside < 0.25], beside[beside >= 0.25]
    assert 10 < len(fine) < 30
    # Means of neighbouring pairs share half of their pixels.
    assert fine.mean() == pytest.approx(0, abs=0.02)
    assert coarse.mean() == pytest.approx(0.5, abs=0.03)


def test_same_generator_same_images(images: Tensor) -> None:
    settings = Augmentation(
        rotation=10,
        zoom=0.1,
        shift=0.1,
        flip=True,
        crop=0.3,
        stretch=0.3,
        blur=0.02,
        sharpness=1,
        noise=0.05,
        histogram_matching=1,
        gamma=0.4,
        contrast=0.3,
        border_blank=0.1,
        border_swap=0.1,
        random_erasing=2,
    )
    first, second = (augment(images, settings, generator()) for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == images.shape
    assert first.min() >= 0
    assert first.max() <= 1


def test_crop_shows_a_part_of_the_image_and_nothing_from_outside() -> None:
    """On a ramp from 0 to 1 the values at the edges tell which part is shown."""
    ramp = torch.linspace(0, 1, 101).expand(300, 1, 101, 101)
    seen = augment(ramp, Augmentation(crop=0.4), generator())[:, 0, 50]
    left, right = seen[:, 0], seen[:, -1]
    sides = right - left
    assert sides.min() == pytest.approx(0.6, abs=0.02)
    assert sides.max() == pytest.approx(1, abs=0.02)
    assert left.min() >= 0
    assert right.max() <= 1
    # Crops lie anywhere: of the smaller ones some start at the left, some end at the right.
    small = sides < 0.7
    assert left[small].min() < 0.05
    assert right[small].max() > 0.95


def test_gamma_raises_grey_values_to_a_power() -> None:
    greys = torch.full((400, 1, 4, 4), 0.5)
    exponents = augment(greys, Augmentation(gamma=0.4), generator()).log()[:, 0, 0, 0]
    exponents = exponents / torch.tensor(0.5).log()
    assert exponents.log().abs().max() == pytest.approx(0.4, abs=0.01)
    assert exponents.log().mean() == pytest.approx(0, abs=0.05)


def test_contrast_stretches_about_the_mean() -> None:
    halves = torch.cat([torch.full((400, 1, 4, 2), 0.4), torch.full((400, 1, 4, 2), 0.6)], dim=3)
    changed = augment(halves, Augmentation(contrast=0.5), generator())
    assert changed.mean((1, 2, 3)) == pytest.approx(torch.full((400,), 0.5), abs=1e-5)
    spread = (changed[:, 0, 0, 3] - changed[:, 0, 0, 0]) / 0.2
    assert (spread.min(), spread.max()) == pytest.approx((0.5, 1.5), abs=0.02)


def test_border_blank_makes_the_border_one_grey_in_half_the_images() -> None:
    images = torch.rand(400, 1, 50, 50, generator=torch.Generator().manual_seed(0))
    changed = (augment(images, Augmentation(border_blank=0.2), generator()) != images)[:, 0]
    assert not changed[:, 10:40, 10:40].any()
    assert changed.any(dim=(1, 2)).float().mean() == pytest.approx(0.5, abs=0.08)
    depths = changed[:, 25].cumprod(1).sum(1)  # along the middle row, from the left
    assert depths.max() == 10
    blanked = augment(images, Augmentation(border_blank=0.2), generator())[:, 0]
    for image, where in zip(blanked, changed, strict=True):
        assert len(image[where].unique()) <= 1


def test_border_swap_takes_another_image_s_border_in_half_the_images() -> None:
    images = torch.rand(400, 1, 50, 50, generator=torch.Generator().manual_seed(0))
    framed = augment(images, Augmentation(border_swap=0.2), generator())
    changed = framed != images
    assert torch.equal(framed[changed], images.roll(1, 0)[changed])
    assert not changed[:, :, 10:40, 10:40].any()
    assert changed.any(3).any(2).float().mean() == pytest.approx(0.5, abs=0.08)
    assert changed[:, 0, 25].cumprod(1).sum(1).max() == 10  # along the middle row, from the left


def test_histogram_matching_goes_a_share_of_the_way() -> None:
    """The full way is scikit-image's histogram matching."""
    rng = np.random.default_rng(0)
    greys = rng.beta([[[1]], [[2]], [[5]], [[1]]], [[[4]], [[2]], [[1]], [[1]]], (4, 96, 96))
    images = torch.from_numpy((greys * 255).round() / 255).float().unsqueeze(1)
    whole = np.stack(
        [match_histograms(images[i, 0].numpy(), images[i - 1, 0].numpy()) for i in range(4)]
    )
    changed = augment(images, Augmentation(histogram_matching=1), generator())[:, 0]
    shares = []
    for image, matched, is_now in zip(images[:, 0], torch.from_numpy(whole), changed, strict=True):
        way = (matched - image).flatten()
        share = float(((is_now - image).flatten() @ way) / (way @ way))
        assert (image + share * (matched - image) - is_now).abs().max() < 0.02
        shares.append(share)
    assert 0 < min(shares) < max(shares) <= 1.01
    assert augment(images, Augmentation(histogram_matching=1e-6), generator()).allclose(
        images, atol=1e-5
    )


def test_erased_rectangles_are_of_one_grey_and_of_bounded_size() -> None:
    images = torch.rand(400, 1, 100, 100, generator=torch.Generator().manual_seed(0))
    changed = (augment(images, Augmentation(random_erasing=1), generator()) != images)[:, 0]
    heights, widths = changed.any(2).sum(1), changed.any(1).sum(1)
    assert torch.equal(changed.sum((1, 2)), heights * widths)  # a rectangle, filled
    for sides in (heights, widths):
        assert 7 <= sides.min() <= 9
        assert 28 <= sides.max() <= 31
    assert changed.any(0).float().mean() > 0.9  # everywhere but in the very corners
    more = (augment(images, Augmentation(random_erasing=4), generator()) != images)[:, 0]
    assert more.sum() > 2.5 * changed.sum()


def test_mixup_blends_images_and_labels_by_the_same_share() -> None:
    numbers = torch.tensor([0.0, 1.0, 0.25, 0.75]).view(4, 1, 1, 1)
    labels = torch.tensor([[0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.5, 0.0]]).t()
    mixed, targets = mixup(numbers, labels, 0.5, generator())
    following = torch.tensor([3, 0, 1, 2])  # image before in the batch
    share = (mixed.view(4) - numbers.view(4)) / (numbers.view(4)[following] - numbers.view(4))
    assert ((share > 0) & (share <= 0.5)).all()
    assert len(set(share.tolist())) == 4
    expected = labels + share[:, None] * (labels[following] - labels)
    torch.testing.assert_close(targets, expected)
