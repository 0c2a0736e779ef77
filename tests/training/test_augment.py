"""Augmentation against pictures whose changed form is known beforehand."""

import pytest
import torch
from torch import Tensor

from pneumoscope.training.augment import augment
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


def test_same_generator_same_images(images: Tensor) -> None:
    settings = Augmentation(rotation=10, zoom=0.1, shift=0.1, flip=True)
    first, second = (augment(images, settings, generator()) for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == images.shape
    assert first.min() >= 0
    assert first.max() <= 1
