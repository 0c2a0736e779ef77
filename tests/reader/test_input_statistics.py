import numpy as np
import pytest
from scipy import ndimage

from pneumoscope.reader import Status, load
from pneumoscope.reader.input_statistics import describe_input

RNG = np.random.default_rng(0)
STRUCTURE = ndimage.gaussian_filter(RNG.normal(size=(192, 192)), 12)
STRUCTURE = 0.5 + 0.2 * STRUCTURE / np.abs(STRUCTURE).max()


def square(pixels: np.ndarray) -> np.ndarray:
    return np.rint(255 * pixels.clip(0, 1)).astype(np.uint8)


@pytest.mark.parametrize("sigma", [0.02, 0.05, 0.1])
def test_noise_is_the_deviation_that_was_added(sigma: float) -> None:
    noisy = square(STRUCTURE + RNG.normal(0, sigma, STRUCTURE.shape))
    assert describe_input(noisy, 1, 1).noise == pytest.approx(sigma, rel=0.05)
    assert describe_input(square(STRUCTURE), 1, 1).noise < 0.005


def test_sharpness_is_the_variance_of_the_laplacian() -> None:
    pixels = square(RNG.random((64, 64)))
    expected = ndimage.laplace(pixels / 255)[1:-1, 1:-1].var()
    assert describe_input(pixels, 1, 1).sharpness == pytest.approx(expected, rel=1e-4)


def test_each_statistic_measures_its_name() -> None:
    plain = describe_input(square(STRUCTURE), 100, 100)
    bright = describe_input(square(STRUCTURE + 0.1), 100, 100)
    flat = describe_input(square(0.5 + 0.5 * (STRUCTURE - 0.5)), 100, 100)
    framed = STRUCTURE.copy()
    framed[:, :48] = 0
    assert bright.brightness == pytest.approx(plain.brightness + 0.1, abs=0.002)
    assert flat.contrast == pytest.approx(plain.contrast / 2, rel=0.02)
    assert describe_input(square(framed), 100, 100).black == pytest.approx(0.25)
    assert describe_input(square(STRUCTURE), 300, 200).aspect == 1.5


def test_readings_have_statistics_also_if_rejected() -> None:
    reader = load(threads=1)
    rejected = reader.read(np.full((120, 240), 128, np.uint8))
    assert rejected.status is Status.REJECTED
    assert rejected.inputs is not None
    assert (rejected.inputs.aspect, rejected.inputs.contrast) == (2.0, 0.0)
    assert rejected.inputs.brightness == pytest.approx(128 / 255)
    assert reader.read(b"nothing").inputs is None
