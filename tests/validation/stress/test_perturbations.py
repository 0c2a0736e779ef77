"""Changes of radiographs, against Pillow, scikit-image and what must hold of them."""

import numpy as np
import pytest
from PIL import Image
from skimage.exposure import adjust_gamma
from skimage.filters import gaussian
from skimage.metrics import peak_signal_noise_ratio

from pneumoscope.radiograph import prepare_pixels
from pneumoscope.radiograph.preprocess import Resampling
from pneumoscope.validation.stress.perturbations import PERTURBATIONS, Perturbation

NAMES = {kind.name: kind for kind in PERTURBATIONS}


def picture(height: int = 96, width: int = 128) -> np.ndarray:
    """Return a smooth picture with a sharp edge, in [0.1, 0.9]."""
    down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    waves = 0.5 + 0.3 * np.sin(9 * down) * np.cos(7 * across) + 0.1 * (across > 0.6)
    return waves.astype(np.float32)


def changed(name: str, strength: float, pixels: np.ndarray | None = None) -> np.ndarray:
    rng = np.random.default_rng(0)
    return NAMES[name].apply(picture() if pixels is None else pixels, strength, rng)


@pytest.mark.parametrize("kind", PERTURBATIONS, ids=lambda kind: kind.name)
def test_every_ladder_ascends_and_holds_unchanged_where_nothing_happens(kind: Perturbation) -> None:
    assert list(kind.strengths) == sorted(set(kind.strengths))
    pixels = picture()
    assert kind.apply(pixels, 0, np.random.default_rng(0)) is pixels


@pytest.mark.parametrize("kind", PERTURBATIONS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("shape", [(96, 128), (301, 200), (17, 33)])
def test_every_change_of_any_size_is_again_a_radiograph(
    kind: Perturbation, shape: tuple[int, int]
) -> None:
    pixels = picture(*shape)
    before = pixels.copy()
    for strength in kind.strengths:
        after = kind.apply(pixels, strength, np.random.default_rng(0))
        assert after.dtype == np.float32
        assert after.min() >= 0
        assert after.max() <= 1
        assert min(after.shape) > 1
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("kind", PERTURBATIONS, ids=lambda kind: kind.name)
def test_more_strength_changes_more(kind: Perturbation) -> None:
    pixels = picture(256, 256)
    square = prepare_pixels(pixels, 64, Resampling.BILINEAR).astype(float)

    def change(strength: float) -> float:
        after = kind.apply(pixels, strength, np.random.default_rng(0))
        return float(np.abs(prepare_pixels(after, 64, Resampling.BILINEAR) - square).mean())

    for side in (1, -1):
        ladder = sorted((s for s in kind.strengths if s * side >= 0), key=abs)
        amounts = [change(strength) for strength in ladder]
        assert amounts == sorted(amounts)


def test_exposure_is_gamma_and_contrast_keeps_the_mean() -> None:
    pixels = picture()
    np.testing.assert_allclose(changed("exposure", 1), adjust_gamma(pixels, 2), atol=1e-6)
    np.testing.assert_allclose(changed("exposure", -1), adjust_gamma(pixels, 0.5), atol=1e-6)
    halved = changed("contrast", -50)
    assert halved.std() == pytest.approx(pixels.std() / 2, rel=1e-4)
    assert halved.mean() == pytest.approx(pixels.mean(), abs=1e-4)


def test_blur_is_gaussian_with_a_share_of_each_side() -> None:
    expected = gaussian(picture(), sigma=(0.96, 1.28), mode="nearest", truncate=4.0)
    np.testing.assert_allclose(changed("blur", 1), expected, atol=1e-5)


@pytest.mark.parametrize("side", [128, 256, 512])
def test_noise_is_as_strong_in_the_network_s_square_whatever_the_size(side: int) -> None:
    grey = np.full((side, side), 0.5, np.float32)
    blocks = changed("noise", 10, grey).reshape(64, side // 64, 64, side // 64).mean((1, 3))
    # The mean of 4 x 4 pixels at 256 a side: a quarter of the stated deviation.
    assert blocks.std() == pytest.approx(0.1 / 4, rel=0.05)


@pytest.mark.parametrize("grey", [0.1, 0.2, 0.5, 0.95])
@pytest.mark.parametrize("percent", [2, 10, 20])
def test_noise_darkens_and_brightens_all_sizes_alike(grey: float, percent: float) -> None:
    reduced = []
    for shape in ((256, 256), (1024, 1024), (2048, 2048), (700, 1300)):
        noisy = changed("noise", percent, np.full(shape, grey, np.float32))
        reduced.append(Image.fromarray(noisy).resize((256, 256), Image.Resampling.BOX))
    means = [np.mean(image) for image in reduced]
    deviations = [np.std(image) for image in reduced]
    assert np.ptp(means) < 0.001
    assert np.ptp(deviations) < 0.03 * deviations[0]


def test_noise_is_that_of_its_seed() -> None:
    np.testing.assert_array_equal(changed("noise", 5), changed("noise", 5))
    other = NAMES["noise"].apply(picture(), 5, np.random.default_rng(1))
    assert not np.array_equal(changed("noise", 5), other)


def test_jpeg_loses_more_at_lower_quality() -> None:
    ratios = [peak_signal_noise_ratio(picture(), changed("JPEG quality", s)) for s in (25, 75, 95)]
    assert ratios[0] > 38
    assert ratios == sorted(ratios, reverse=True)


def test_rotation_is_clockwise_about_the_middle() -> None:
    pixels = np.zeros((101, 101), np.float32)
    pixels[8:13, 48:53] = 1  # at twelve o'clock
    down, across = np.argwhere(changed("rotation", 20, pixels) > 0.5).mean(0) - 50
    assert np.hypot(down, across) == pytest.approx(40, abs=0.5)
    assert np.degrees(np.arctan2(across, -down)) == pytest.approx(20, abs=0.5)


def test_crop_keeps_the_middle() -> None:
    np.testing.assert_array_equal(
        changed("crop", 20, picture(100, 200)), picture(100, 200)[10:90, 20:180]
    )


def test_resolution_leaves_no_finer_pattern_than_its_pixels() -> None:
    stripes = np.tile(np.float32([0, 1]), (512, 256))
    assert changed("resolution", 1, stripes).std() < 0.01
    # A picture that has no more pixels than are left stays as it is.
    np.testing.assert_allclose(changed("resolution", 1), picture(), atol=1e-6)
