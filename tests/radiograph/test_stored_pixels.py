import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from pneumoscope.radiograph import StoredPixels, decode_radiograph, decode_stored_pixels

from .dicom_objects import STORED, computed_radiograph, save

WINDOW = {"WindowCenter": 2000, "WindowWidth": 1001}


def windowed(shown: StoredPixels) -> Any:
    """Apply the window that comes with the values, as a viewer would."""
    return np.clip((shown.values - shown.low) / (shown.high - shown.low), 0, 1)


def stored_pixels(dataset: Dataset) -> StoredPixels:
    return decode_stored_pixels(save(dataset), "chest.dcm")


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"PresentationLUTShape": "INVERSE"},
        {"VOILUTFunction": "LINEAR_EXACT"},
        {"RescaleSlope": 2, "RescaleIntercept": -1000},
        {"RescaleSlope": -1, "RescaleIntercept": 4095},
        {"WindowCenter": [2000, 500], "WindowWidth": [1001, 50]},
        {"PixelPaddingValue": 0},
    ],
)
def test_the_window_gives_the_grey_values_of_the_reader(attributes: dict[str, object]) -> None:
    dataset = computed_radiograph(BitsStored=12, HighBit=11, **WINDOW | attributes)
    seen = decode_radiograph(save(dataset), "chest.dcm").pixels
    np.testing.assert_allclose(windowed(stored_pixels(dataset)), seen, atol=2e-5)


def test_values_outside_of_the_window_are_kept() -> None:
    dataset = computed_radiograph(BitsStored=12, HighBit=11, **WINDOW)
    np.testing.assert_array_equal(stored_pixels(dataset).values, STORED)
    inverse = computed_radiograph(
        BitsStored=12, HighBit=11, PhotometricInterpretation="MONOCHROME1", **WINDOW
    )
    np.testing.assert_array_equal(stored_pixels(inverse).values, 4095 - STORED)


def test_signed_values_keep_their_order() -> None:
    stored = STORED.astype(np.int16) - 2048
    dataset = computed_radiograph(stored, BitsStored=12, HighBit=11, **WINDOW | {"WindowCenter": 0})
    np.testing.assert_array_equal(stored_pixels(dataset).values, STORED)


def test_a_compressed_radiograph_of_16_bits() -> None:
    content = Path(str(get_testdata_file("JPEGLSNearLossless_16.dcm"))).read_bytes()
    shown = decode_stored_pixels(content, "chest.dcm")
    seen = decode_radiograph(content, "chest.dcm").pixels
    assert shown.values.dtype == np.uint16
    np.testing.assert_allclose(windowed(shown), seen, atol=2e-5)


@pytest.mark.parametrize("stored", [(STORED // 16).astype(np.uint8), STORED * 16])
def test_pictures_keep_their_depth(stored: NDArray[np.unsignedinteger]) -> None:
    file = io.BytesIO()
    Image.fromarray(stored).save(file, "PNG")
    shown = decode_stored_pixels(file.getvalue(), "chest.png")
    assert shown.values.dtype == stored.dtype
    np.testing.assert_array_equal(shown.values, stored)
    assert (shown.low, shown.high) == (0, np.iinfo(stored.dtype).max)


def test_pillow_reads_the_grey_map() -> None:
    shown = StoredPixels(STORED, 0, 4095)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(shown.to_pgm()))), STORED)


@pytest.mark.parametrize("width", [-1, 1, 100_000])
def test_an_unusable_window_shows_the_full_range(width: int) -> None:
    dataset = computed_radiograph(BitsStored=12, HighBit=11, **WINDOW | {"WindowWidth": width})
    shown = stored_pixels(dataset)
    np.testing.assert_array_equal(shown.values, STORED)
    assert (shown.low, shown.high) == (0, 4095)
