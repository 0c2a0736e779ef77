"""Grey values compared with those of DCMTK, and what is ignored compared with the values."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from pneumoscope.radiograph import Radiograph, read_radiograph

from .conftest import DcmtkRenderer
from .dicom_objects import computed_radiograph, decode, refusal, save, table

ROWS, COLUMNS = np.mgrid[0:64, 0:80]
RAMP = np.rint((ROWS + COLUMNS) / (63 + 79) * 4095).astype(np.uint16)
"""A slanting ramp over all values of 12 bits."""

CURVE = np.rint(np.linspace(0, 1, 4096) ** 2 * 4095).astype(int).tolist()
"""Entries of a lookup table of 12 bits."""

BAD = {"WindowCenter": 128, "WindowWidth": 256}
GOOD = {"WindowCenter": 2000, "WindowWidth": 3000}


def ramp(stored: NDArray[np.integer] = RAMP, **attributes: object) -> Dataset:
    return computed_radiograph(stored, **{"BitsStored": 12, "HighBit": 11} | attributes)


def voi_table(first: int, bits: int, vr: str, keyword: str = "VOILUTSequence") -> dict[str, object]:
    """Return a LUT sequence whose descriptor has a value representation that may be wrong."""
    sequence = table(0, CURVE, bits, keyword)
    item = sequence[keyword][0]  # type: ignore[index]
    item[0x00283002] = DataElement(0x00283002, vr, [len(CURVE), first, bits])
    return sequence


def with_padding(dataset: Dataset, vr: str, value: int) -> Dataset:
    dataset[0x00280120] = DataElement(0x00280120, vr, value)
    return dataset


SIGNED = (RAMP.astype(int) - 2048).astype(np.int16)
HIGH = RAMP + np.uint16(40_000)


@pytest.mark.parametrize(
    ("dataset", "options"),
    [
        (ramp(), "+Wm"),
        (ramp(**GOOD), "+Wi 1"),
        (ramp(**GOOD, VOILUTFunction="SIGMOID"), "+Wi 1"),
        (ramp(**GOOD, RescaleSlope=2, RescaleIntercept=-2000), "+Wi 1"),
        (ramp(**GOOD, PhotometricInterpretation="MONOCHROME1"), "+Wi 1"),
        (ramp(**GOOD, PresentationLUTShape="INVERSE"), "+Wi 1"),
        (ramp(WindowCenter=[2000, 1000], WindowWidth=[3000, 1500]), "+Wi 1"),
        (ramp(**voi_table(0, 12, "US")), "+Wl 1"),
        (ramp(SIGNED), "+Wm"),
        (ramp(RAMP << 4, HighBit=15), "+Wm"),
        # Descriptors and padding of another sign than the pixels
        (computed_radiograph(HIGH, **voi_table(-25_536, 12, "SS")), "+Wl 1"),
        (ramp(SIGNED, **voi_table(63_488, 12, "US")), "+Wl 1"),
        (ramp(SIGNED, **voi_table(63_488, 12, "US", "ModalityLUTSequence")), "+Wm"),
        # Windows that do not fit, and those that do beside them
        (ramp(**BAD), "+Wm"),
        (ramp(WindowCenter=32_768, WindowWidth=65_536), "+Wm"),
        (ramp(WindowCenter=[128, 2000], WindowWidth=[256, 3000]), "+Wi 2"),
        (ramp(**voi_table(0, 12, "US"), **BAD), "+Wl 1"),
        (ramp(**voi_table(9000, 12, "US"), **GOOD), "+Wi 1"),
        # Attributes that are empty or one of two missing
        (ramp(WindowCenter=None, WindowWidth=None), "+Wm"),
        (ramp(WindowCenter=2000), "+Wm"),
    ],
)
def test_grey_values_are_those_of_dcmtk(
    dcmtk_render: DcmtkRenderer, dataset: Dataset, options: str
) -> None:
    expected = dcmtk_render(save(dataset), *options.split())
    # DCMTK scales the table's entries to 16 bits by 65536 / 4096, hence the tolerance.
    np.testing.assert_allclose(decode(dataset).pixels, expected, atol=3e-4)


@pytest.mark.parametrize("bits", [12, 13, 16])
def test_entries_of_fewer_bits_than_stated_reach_white(bits: int) -> None:
    # A table that states 16 bits for entries of 12 is the table of 12 bits.
    stated = decode(ramp(**voi_table(0, bits, "US"))).pixels
    right = decode(ramp(**voi_table(0, 12, "US"))).pixels
    np.testing.assert_allclose(stated, right, atol=1e-6)


def codes(radiograph: Radiograph) -> list[str]:
    return [note.code for note in radiograph.notes]


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        (BAD, "window (centre 128, width 256, LINEAR)"),
        ({"WindowCenter": 32_768, "WindowWidth": 65_536}, "window (centre 32768, width 65536"),
        (voi_table(9000, 12, "US"), "VOI LUT"),
        ({"WindowCenter": [128, 2000], "WindowWidth": [256, 3000]}, "the window 1 of 2"),
    ],
)
def test_what_was_ignored_is_said(attributes: dict[str, object], words: str) -> None:
    radiograph = decode(ramp(**attributes))
    (note,) = radiograph.notes
    assert (note.code, note.doubtful) == ("window_ignored", False)
    assert words in note.message
    assert "(0 to 4095)" in note.message
    assert f"{radiograph.rendering} was used instead" in note.message


@pytest.mark.parametrize("attributes", [GOOD, {}, voi_table(0, 12, "US")])
def test_nothing_is_said_of_what_fits(attributes: dict[str, object]) -> None:
    assert codes(decode(ramp(**attributes))) == []


def test_a_window_fits_although_most_of_the_image_is_collimated() -> None:
    stored = RAMP.copy()
    stored[:40] = 0
    radiograph = decode(ramp(stored, **GOOD))
    assert codes(radiograph) == []
    assert radiograph.rendering.startswith("the window")


def test_eight_bits_with_a_window_of_twelve_are_taken_as_they_are() -> None:
    stored = (RAMP // 16).astype(np.uint8)
    radiograph = decode(computed_radiograph(stored, WindowCenter=2048, WindowWidth=4096))
    np.testing.assert_allclose(radiograph.pixels, stored / 255, atol=1e-6)
    assert codes(radiograph) == ["window_ignored"]


@pytest.mark.parametrize(
    ("kind", "vr", "value"),
    [
        (np.int16, "US", 32_768),
        (np.int16, "SS", -32_768),
        (np.uint16, "SS", -1),
        (np.uint16, "US", 65_535),
    ],
)
@pytest.mark.parametrize("bits", [12, 16])
def test_padding_is_read_by_the_type_of_the_pixels(
    kind: type[np.integer], vr: str, value: int, bits: int
) -> None:
    stored = (SIGNED if kind is np.int16 else RAMP // 2 + 500).astype(kind)
    padded = stored.copy()
    padded[:10] = np.iinfo(kind).min if kind is np.int16 else np.iinfo(kind).max
    dataset = computed_radiograph(padded, BitsStored=bits, HighBit=bits - 1)
    radiograph = decode(with_padding(dataset, vr, value))
    image = stored[10:].astype(float)
    expected = (image - image.min()) / (image.max() - image.min())
    np.testing.assert_allclose(radiograph.pixels[10:], expected, atol=1e-6)
    assert not radiograph.pixels[:10].any()
    assert codes(radiograph) == []


def test_a_padding_range_covers_all_between_its_ends() -> None:
    stored = RAMP + np.uint16(100)
    stored[:8], stored[8:10] = 65_530, 65_535
    dataset = with_padding(computed_radiograph(stored), "SS", -1)
    dataset[0x00280121] = DataElement(0x00280121, "SS", -6)
    pixels = decode(dataset).pixels
    assert not pixels[:10].any()
    assert pixels.max() == 1


def test_a_table_of_bytes_two_in_a_word() -> None:
    # PS3.3, C.11.1.1.1: 8 bits allocated for the entries
    entries = bytes([0, 100, 200, 255, 255])
    item = Dataset()
    item.LUTDescriptor = [5, 10, 8]
    item[0x00283006] = DataElement(0x00283006, "OW", entries + b"\0")
    stored = np.array([[10, 11, 12, 13, 14, 15]], np.uint16)
    dataset = computed_radiograph(stored, VOILUTSequence=[item])
    expected = np.array([0, 100, 200, 255, 255, 255]) / 255
    np.testing.assert_allclose(decode(dataset).pixels[0], expected, atol=1e-6)


def test_a_damaged_table_is_ignored_if_there_is_a_window() -> None:
    item = Dataset()
    item.LUTDescriptor = [4096, 0, 12]
    radiograph = decode(ramp(VOILUTSequence=[item], **GOOD))
    np.testing.assert_array_equal(radiograph.pixels, decode(ramp(**GOOD)).pixels)
    assert "the damaged VOI LUT" in radiograph.notes[0].message


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("slope", "intercept"), [(0, 0), ("1e308", 0), ("nan", 0), (1, "inf")])
def test_an_impossible_rescaling_is_refused(slope: object, intercept: object) -> None:
    dataset = ramp(RescaleSlope=slope, RescaleIntercept=intercept)
    assert "a rescale slope of" in refusal(save(dataset))


def test_a_child_s_radiograph_with_a_wrong_window(
    shared_data: Path, dcmtk_render: DcmtkRenderer
) -> None:
    """A 12-bit radiograph that carries the window of 8 bits, as conversions leave it."""
    path = sorted((shared_data / "chest_xray_original_size/NORMAL").glob("*.jpeg"))[0]
    grey = read_radiograph(path).pixels
    stored = np.rint(grey * 4095).astype(np.uint16)
    radiograph = decode(ramp(stored, **BAD))
    np.testing.assert_allclose(radiograph.pixels, grey, atol=0.01)
    np.testing.assert_allclose(
        radiograph.pixels, dcmtk_render(save(ramp(stored)), "+Wm"), atol=3e-4
    )


def test_empty_windows_keep_the_others_in_their_places(dcmtk_render: DcmtkRenderer) -> None:
    dataset = ramp(WindowCenter=["", "2000"], WindowWidth=["4000", "3000"])
    expected = dcmtk_render(save(dataset), "+Wi", "2")
    np.testing.assert_allclose(decode(dataset).pixels, expected, atol=3e-4)


def test_a_table_cut_short_is_damaged(dcmtk_render: DcmtkRenderer) -> None:
    dataset = ramp(**voi_table(0, 12, "US"))
    item = dataset.VOILUTSequence[0]
    item.LUTDescriptor = [60_000, 0, 12]
    radiograph = decode(dataset)
    assert "the damaged VOI LUT" in radiograph.notes[0].message
    expected = dcmtk_render(save(ramp()), "+Wm")
    np.testing.assert_allclose(radiograph.pixels, expected, atol=3e-4)


@pytest.mark.parametrize("outlier", [65_535, 30_000])
def test_a_range_that_few_pixels_decide_is_doubted(outlier: int) -> None:
    stored = RAMP.copy()
    stored[3, 3] = outlier
    (note,) = decode(computed_radiograph(stored)).notes
    assert (note.code, note.doubtful) == ("uncertain_range", True)


@pytest.mark.parametrize(("share", "doubtful"), [(0.4, []), (0.6, [True])])
def test_padding_of_most_of_the_image_is_doubted(share: float, doubtful: list[bool]) -> None:
    dataset = with_padding(ramp(np.sort(RAMP, axis=None).reshape(RAMP.shape)), "US", 0)
    limit = int(np.quantile(RAMP, share))
    dataset[0x00280121] = DataElement(0x00280121, "US", limit)
    assert [note.doubtful for note in decode(dataset).notes] == doubtful
