import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pneumoscope.radiograph import Resampling, decode_radiograph, prepare_pixels


def as_keras_loads(content: bytes, size: int) -> NDArray[np.uint8]:
    """Do what ``keras.utils.load_img(path, target_size=(size, size))`` does: RGB, nearest."""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    return np.asarray(image.resize((size, size), Image.Resampling.NEAREST))


def assert_same_pixels(content: bytes, size: int) -> None:
    prepared = prepare_pixels(decode_radiograph(content, "chest").pixels, size)
    assert prepared.dtype == np.uint8
    keras = as_keras_loads(content, size)
    for channel in range(3):
        np.testing.assert_array_equal(prepared, keras[..., channel])


@pytest.mark.parametrize("size", [150, 64, 151])
@pytest.mark.parametrize(
    ("height", "width"), [(150, 150), (301, 449), (1, 1), (37, 53), (150, 1001), (999, 150)]
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_nearest_is_as_keras_loads(kind: str, height: int, width: int, size: int) -> None:
    pixels = np.random.default_rng(height * width).integers(0, 256, (height, width), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    assert_same_pixels(file.getvalue(), size)


def test_nearest_is_as_keras_loads_real_radiographs(shared_data: Path) -> None:
    notebook = sorted((shared_data / "chest_xray" / "test").glob("*/*.jpeg"))[::150]
    original = sorted((shared_data / "chest_xray_original_size").glob("*/*.jpeg"))[::20]
    assert len(notebook) > 2
    assert len(original) > 2
    for path in (*notebook, *original):
        assert_same_pixels(path.read_bytes(), 150)


def test_all_256_values_survive() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(prepare_pixels(every.astype(np.float32) / 255, 16), every)


def test_deep_grey_is_rounded_to_the_nearest_of_8_bits() -> None:
    deep = np.array([[0, 128, 129], [257, 40_000, 65_535]], np.float32) / np.float32(65535)
    prepared = prepare_pixels(np.repeat(deep, [2, 1], axis=0), 3)
    # 65,535 / 255 = 257 steps of 16 bits to one of 8
    np.testing.assert_array_equal(prepared, [[0, 0, 1], [0, 0, 1], [1, 156, 255]])


@pytest.mark.parametrize("side", [192, 300, 451])
def test_bilinear_gives_the_same_square_of_an_image_at_any_size(side: int) -> None:
    y, x = np.mgrid[0:1:900j, 0:1:900j]
    scene = (0.5 + 0.5 * np.sin(7 * x) * np.cos(5 * y)).astype(np.float32)
    smaller = np.asarray(Image.fromarray(scene).resize((side, side), Image.Resampling.BOX))
    squares = [
        prepare_pixels(pixels, 96, Resampling.BILINEAR).astype(int) for pixels in (scene, smaller)
    ]
    assert np.abs(squares[0] - squares[1]).max() <= 2


def test_bilinear_averages_all_pixels_and_nearest_takes_one() -> None:
    stripes = np.tile(np.array([0, 1], np.float32), (400, 200))
    assert set(prepare_pixels(stripes, 50).ravel()) <= {0, 255}
    inner = prepare_pixels(stripes, 50, Resampling.BILINEAR)[1:-1, 1:-1].astype(int)
    assert np.abs(inner - 127.5).max() < 3
