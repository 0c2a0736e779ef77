"""Masks of drawn chests whose lungs are known."""

import numpy as np
import pytest

from pneumoscope.validation.stress.masks import border, corners, lung_fields


def chest(height: int = 200, width: int = 180, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Draw a body with two elliptical lungs and dark air beside it; return it and the lungs."""
    down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    pixels = np.full((height, width), 0.05, np.float32)
    middle = 0.5 + shift
    pixels[np.abs(across - middle) < 0.4] = 0.75
    pixels[np.abs(across - middle) < 0.05] = 0.95
    lungs = np.zeros((height, width), bool)
    for centre in (middle - 0.2, middle + 0.2):
        lungs |= ((down - 0.45) / 0.27) ** 2 + ((across - centre) / 0.12) ** 2 < 1
    pixels[lungs] = 0.3
    noise = np.random.default_rng(0).normal(0, 0.02, pixels.shape)
    return (pixels + noise).clip(0, 1).astype(np.float32), lungs


@pytest.mark.parametrize("shift", [-0.08, 0.0, 0.08])
@pytest.mark.parametrize("size", [(200, 180), (90, 120), (700, 900)])
def test_lungs_are_covered_and_little_else(shift: float, size: tuple[int, int]) -> None:
    pixels, lungs = chest(*size, shift)
    fields = lung_fields(pixels)
    assert fields.found
    assert fields.mask.shape == size
    assert fields.mask[lungs].mean() > 0.97
    overlap = (fields.mask & lungs).sum() / (fields.mask | lungs).sum()
    assert overlap > 0.6


def test_an_opacity_within_a_lung_belongs_to_it() -> None:
    pixels, lungs = chest()
    pixels[80:110, 45:65] = 0.75
    fields = lung_fields(pixels)
    assert fields.mask[80:110, 45:65].mean() > 0.95
    assert fields.mask[lungs].mean() > 0.95


def test_the_exposure_does_not_move_the_lungs() -> None:
    pixels, _ = chest()
    usual = lung_fields(pixels).mask
    for gamma in (0.6, 1.6):
        other = lung_fields(pixels**gamma).mask
        assert (usual & other).sum() / (usual | other).sum() > 0.9


@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_where_nothing_is_seen_two_ellipses_stand_for_the_lungs(grey: float) -> None:
    fields = lung_fields(np.full((100, 100), grey, np.float32))
    assert not fields.found
    assert 0.2 < fields.mask.mean() < 0.5


def test_a_white_lung_is_covered_by_an_ellipse() -> None:
    pixels, lungs = chest()
    pixels[:, 90:] = np.where(lungs[:, 90:], 0.75, pixels[:, 90:])
    fields = lung_fields(pixels)
    assert not fields.found
    assert fields.mask[lungs].mean() > 0.9


def test_border_and_corners_are_shares_of_the_sides() -> None:
    edge = border((160, 80))
    assert edge.mean() == pytest.approx(1 - 0.75**2)
    assert not edge[20:140, 10:70].any()
    marked = corners((100, 50))
    assert marked.mean() == pytest.approx(4 * 0.2**2)
    for turned in (marked[::-1], marked[:, ::-1]):
        np.testing.assert_array_equal(turned, marked)
