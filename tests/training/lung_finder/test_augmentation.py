"""Augmentation for the lung finder: masks follow their images, whatever is pasted."""

import pytest
import torch

from pneumoscope.training.lung_finder.augmentation import (
    _move,
    augment_with_masks,
    paste_effusion,
    paste_opacity,
    paste_tube,
    scramble,
)

N = 64


@pytest.fixture
def lungs() -> torch.Tensor:
    masks = torch.zeros(N, 2, 64, 64)
    masks[:, 0, 16:48, 12:26] = masks[:, 1, 16:48, 38:52] = 1
    return masks


def test_masks_move_with_their_images(lungs: torch.Tensor) -> None:
    images = lungs.sum(1, keepdim=True)
    moved, masks = _move(images, lungs, torch.Generator().manual_seed(0))
    inside = masks.sum(1, keepdim=True)
    assert (moved - inside).abs().mean() < 0.01
    assert (moved - images).abs().mean() > 0.1


def test_the_first_mask_stays_that_of_the_lung_on_the_left(lungs: torch.Tensor) -> None:
    _, masks = augment_with_masks(
        lungs.sum(1, keepdim=True), lungs, torch.Generator().manual_seed(1)
    )
    columns = torch.arange(64) + 0.5
    centres = (masks.sum(2) * columns).sum(2) / masks.sum((2, 3))
    shown = masks.sum((2, 3)).amin(1) > 0  # some are scrambled and show no lungs
    assert shown.float().mean() > 0.8
    assert (centres[shown, 0] < centres[shown, 1]).all()


def test_scrambled_images_have_the_same_greys_and_no_lungs(lungs: torch.Tensor) -> None:
    images = torch.rand(N, 1, 64, 64)
    changed, masks = scramble(images, lungs, torch.Generator().manual_seed(4))
    scrambled = (changed != images).flatten(1).any(1)
    assert 1 <= scrambled.sum() <= 12
    assert not masks[scrambled].any()
    assert torch.equal(masks[~scrambled], lungs[~scrambled])
    ordered = [tensor.flatten(1).sort(1).values for tensor in (images, changed)]
    assert torch.equal(*ordered)


@pytest.mark.parametrize("paste", [paste_opacity, paste_effusion])
def test_about_half_the_lungs_get_a_bright_opacity(lungs: torch.Tensor, paste: object) -> None:
    images = 0.8 - 0.6 * lungs.sum(1, keepdim=True)
    pasted = paste(images, lungs, torch.Generator().manual_seed(2))  # type: ignore[operator]
    inside = lungs.sum(1, keepdim=True) > 0
    brighter = ((pasted - images) * inside).flatten(1).amax(1) > 0.1
    assert 0.2 < brighter.float().mean() < 0.6
    assert ((pasted >= 0) & (pasted <= 1)).all()


def test_a_tube_is_a_thin_line() -> None:
    images = torch.full((N, 1, 64, 64), 0.3)
    images[:, :, 0] = 1.0
    changed = (paste_tube(images, torch.Generator().manual_seed(3)) - images).abs() > 0.05
    shares = changed.float().mean((1, 2, 3))
    assert (shares > 0).any()
    assert shares.max() < 0.12
