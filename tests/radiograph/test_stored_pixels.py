import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from pneumoscope.radiograph import StoredPixels, decode_radiograph, decode_stored_pixels
from pneumoscope.radiograph.pixel_geometry import LengthScale, PixelGeometry
from pneumoscope.radiograph.stored_pixels import FileValues, FileWindow

from .dicom_objects import STORED, computed_radiograph, save, table

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
        {"PixelPaddingValue": 4095},
        {"PixelPaddingValue": 4095, "WindowCenter": 400},
        table(0, list(range(0, 8192, 2)), 13, "ModalityLUTSequence") | {"WindowWidth": 4001},
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


@pytest.mark.parametrize(
    ("attributes", "of_file"),
    [
        ({}, STORED),
        ({"RescaleSlope": 2, "RescaleIntercept": -1000}, STORED * 2.0 - 1000),
        ({"RescaleSlope": -1, "RescaleIntercept": 4095}, 4095.0 - STORED),
        ({"PhotometricInterpretation": "MONOCHROME1"}, STORED),
        (
            {"PhotometricInterpretation": "MONOCHROME1", "RescaleSlope": -0.5},
            STORED * -0.5,
        ),
        (table(0, list(range(0, 8192, 2)), 13, "ModalityLUTSequence"), STORED * 2.0),
    ],
)
def test_values_are_known_in_the_units_of_the_file(
    attributes: dict[str, object], of_file: NDArray[np.generic]
) -> None:
    """PS3.3, C.11.1: the modality transformation comes before the window, in whose units it is."""
    middle, width = float(np.median(of_file)), 0.75 * np.ptp(of_file)
    window = {"WindowCenter": middle, "WindowWidth": width}
    shown = stored_pixels(computed_radiograph(BitsStored=12, HighBit=11, **attributes | window))
    units = shown.file_values
    assert units is not None
    np.testing.assert_allclose(shown.values.astype(float) * units.slope + units.intercept, of_file)
    edges = sorted(edge * units.slope + units.intercept for edge in (shown.low, shown.high))
    np.testing.assert_allclose(edges, [middle - width / 2, middle + width / 2 - 1])


def test_all_windows_are_offered_with_their_explanations() -> None:
    shown = stored_pixels(
        computed_radiograph(
            BitsStored=12,
            HighBit=11,
            RescaleIntercept=-24,
            WindowCenter=[2000, 700, 500],
            WindowWidth=[1001, 0, 51],
            WindowCenterWidthExplanation=["NORMAL", "DAMAGED", "LUNG"],
        )
    )
    assert shown.windows == (FileWindow(1523.5, 2523.5, "NORMAL"), FileWindow(498.5, 548.5, "LUNG"))


def test_units_after_a_voi_lut_are_unknown() -> None:
    lut = table(0, [v // 2 for v in range(4096)], 11, "VOILUTSequence")
    assert stored_pixels(computed_radiograph(**lut)).file_values is None


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, PixelGeometry()),
        ({"PixelAspectRatio": [2, 1]}, PixelGeometry(height=2)),
        ({"PixelSpacing": [0.5, 0.25]}, PixelGeometry(0.5, 0.25, LengthScale.STATED)),
        ({"ImagerPixelSpacing": [0.2, 0.2]}, PixelGeometry(0.2, 0.2, LengthScale.DETECTOR)),
        (
            {"PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": [0.2, 0.2]},
            PixelGeometry(0.2, 0.2, LengthScale.DETECTOR),
        ),
        (
            {"PixelSpacing": [0.18, 0.18], "ImagerPixelSpacing": [0.2, 0.2]},
            PixelGeometry(0.18, 0.18, LengthScale.CALIBRATED),
        ),
        (
            {"PixelSpacing": [0.2, 0.2], "PixelSpacingCalibrationType": "FIDUCIAL"},
            PixelGeometry(0.2, 0.2, LengthScale.CALIBRATED),
        ),
        ({"NominalScannedPixelSpacing": [0.1, 0.1]}, PixelGeometry(0.1, 0.1, LengthScale.FILM)),
        ({"PixelSpacing": [0, 0.2]}, PixelGeometry()),
        (
            {"PixelSpacing": [0.2, 0.2], "PixelAspectRatio": [2, 1]},
            PixelGeometry(0.2, 0.2, "stated"),
        ),
        ({"PixelSpacing": [300, 150]}, PixelGeometry(height=2)),
    ],
)
def test_lengths_are_only_what_the_file_says(
    attributes: dict[str, object], expected: PixelGeometry
) -> None:
    """PS3.3, 10.7: spacing that equals the detector's was not calibrated."""
    lut = table(0, [v // 2 for v in range(4096)], 11, "VOILUTSequence")
    for more in ({}, lut):  # also where the values are not a window over the stored ones
        assert stored_pixels(computed_radiograph(**attributes | more)).geometry == expected


def test_the_grey_map_carries_what_a_viewer_needs() -> None:
    shown = StoredPixels(
        STORED,
        -0.5,
        65535.25,
        FileValues(-2, 100),
        (FileWindow(1, 2, "a\nb c"),),
        PixelGeometry(0.5, 0.25, LengthScale.DETECTOR),
    )
    first, window, display, size, _ = shown.to_pgm().split(b"\n", 4)
    assert (first, window, size) == (b"P5", b"# window -0.5 65535.25", b"10 8")
    assert json.loads(display.removeprefix(b"# display ")) == {
        "file_values": {"slope": -2, "intercept": 100, "function": "LINEAR"},
        "windows": [{"low": 1, "high": 2, "explanation": "a\nb c"}],
        "pixel": {"height": 0.5, "width": 0.25, "scale": "detector"},
    }
