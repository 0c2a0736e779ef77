"""Measured acquisition of pictures whose borders, markers and noise are known."""

import numpy as np
import pytest
from skimage.util import random_noise

from pneumoscope.dataset.acquisition import COLUMNS, acquisition_table, describe_acquisition


@pytest.fixture
def chest() -> np.ndarray:
    """Return a smooth grey picture of 224 pixels: no border, no marker, no noise."""
    rows, columns = np.mgrid[-1:1:224j, -1:1:224j]
    return 0.3 + 0.3 * np.exp(-(rows**2 + columns**2))


def test_a_smooth_picture_has_no_marker_and_no_noise(chest: np.ndarray) -> None:
    acquisition = describe_acquisition(chest)
    assert (acquisition.markers, acquisition.text, acquisition.marker_height) == (0, 0, 0)
    assert acquisition.collimated == 0
    assert acquisition.noise < 1e-3
    outermost = np.concatenate([chest[:28].ravel(), chest[-28:].ravel()])
    outermost = np.append(outermost, [chest[28:-28, :28], chest[28:-28, -28:]])
    assert acquisition.dark == pytest.approx(np.quantile(outermost, 0.1))


def test_a_black_border_is_outside_the_collimated_field(chest: np.ndarray) -> None:
    chest[:, :20] = 0.02
    chest[200:] = 0.02
    acquisition = describe_acquisition(chest)
    assert acquisition.collimated == pytest.approx(1 - (204 / 224) * (200 / 224))
    margin = 224**2 - 168**2
    assert acquisition.black == pytest.approx((20 * 224 + 24 * 204) / margin)


@pytest.mark.parametrize(("height", "is_text"), [(6, True), (20, False)])
def test_a_marker_beside_the_lungs_is_found_and_measured(
    chest: np.ndarray, height: int, is_text: bool
) -> None:
    chest[10 : 10 + height, 15 : 15 + height - 2] = 1
    acquisition = describe_acquisition(chest)
    assert (acquisition.markers, acquisition.text) == (1, int(is_text))
    assert acquisition.marker_height == pytest.approx(height / 224, abs=1 / 224)


def test_large_objects_are_not_markers(chest: np.ndarray) -> None:
    chest[:60, :60] = 1
    chest[:, 200:204] = 1
    assert describe_acquisition(chest).markers == 0


@pytest.mark.parametrize("grey", [0.0, 0.1, 0.5, 1.0])
def test_only_the_outermost_eighth_is_measured(chest: np.ndarray, grey: float) -> None:
    chest[10:24, 15:25] = 0.9
    before = describe_acquisition(chest)
    assert before.markers == 1
    chest[28:-28, 28:-28] = np.clip(
        grey + np.random.default_rng(0).normal(scale=0.1, size=(168, 168)), 0, 1
    )
    assert describe_acquisition(chest) == before


def test_noise_grows_with_noise(chest: np.ndarray) -> None:
    little, much = (
        describe_acquisition(random_noise(chest, var=deviation**2, rng=0)).noise
        for deviation in (0.01, 0.03)
    )
    assert much / little == pytest.approx(3, rel=0.1)


def test_overexposed_pixels_are_white(chest: np.ndarray) -> None:
    chest[112:] = 1
    assert describe_acquisition(chest).white == pytest.approx(0.5, abs=0.02)


def test_a_table_has_a_row_for_each_image_and_a_column_for_each_name(chest: np.ndarray) -> None:
    acquisition = describe_acquisition(chest)
    table = acquisition_table([acquisition, acquisition])
    assert table.shape == (2, len(COLUMNS))
    assert table[0, COLUMNS.index("median")] == acquisition.median
    assert acquisition_table([]).shape == (0, len(COLUMNS))


@pytest.mark.parametrize("grey", [0.0, 1.0])
def test_a_picture_of_one_grey_value(grey: float) -> None:
    acquisition = describe_acquisition(np.full((64, 96), grey))
    assert acquisition.collimated == pytest.approx((1 - grey) * (1 - 0.75**2))
    assert acquisition.markers == 0
