"""Stored values of objects whose header describes their bits wrongly or not at all."""

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders import JPEG2000LosslessEncoder, JPEGLSLosslessEncoder
from pydicom.uid import UID, JPEG2000Lossless, JPEGLSLossless

from .dicom_objects import computed_radiograph, decode, refusal, save

ROWS, COLUMNS = np.mgrid[0:48, 0:56]
SMOOTH = np.rint((ROWS + COLUMNS) / 102 * 4000).astype(np.uint16)
"""A slanting ramp within 12 bits."""


def stretched(values: NDArray[np.integer]) -> NDArray[np.float64]:
    numbers = values.astype(float)
    return (numbers - numbers.min()) / (numbers.max() - numbers.min())


def twelve_bits(stored: NDArray[np.integer], **attributes: object) -> Dataset:
    return computed_radiograph(stored, BitsStored=12, HighBit=11, **attributes)


def compressed(values: NDArray[np.integer], syntax: UID, bits: int) -> Dataset:
    """Return an object that states 12 bits around a stream of another precision."""
    encoder = JPEG2000LosslessEncoder if syntax == JPEG2000Lossless else JPEGLSLosslessEncoder
    frame = encoder.encode(
        values.tobytes(),
        rows=values.shape[0],
        columns=values.shape[1],
        number_of_frames=1,
        samples_per_pixel=1,
        photometric_interpretation="MONOCHROME2",
        bits_allocated=16,
        bits_stored=bits,
        pixel_representation=0,
    )
    dataset = twelve_bits(values)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([frame])
    return dataset


def test_values_beyond_bits_stored_do_not_wrap() -> None:
    values = SMOOTH * np.uint16(4)  # 14 bits
    radiograph = decode(twelve_bits(values))
    np.testing.assert_allclose(radiograph.pixels, stretched(values), atol=1e-6)
    (note,) = radiograph.notes
    assert (note.code, note.doubtful) == ("bits_stored", True)
    assert "states values of 12 bits, and some are of 14; all bits were used" in note.message


def test_signed_values_beyond_bits_stored_do_not_wrap() -> None:
    values = (SMOOTH.astype(int) * 4 - 8000).astype(np.int16)
    radiograph = decode(twelve_bits(values))
    np.testing.assert_allclose(radiograph.pixels, stretched(values), atol=1e-6)
    assert [note.doubtful for note in radiograph.notes] == [True]


def test_foreign_bits_above_the_values_are_ignored() -> None:
    noise = np.random.default_rng(0).integers(0, 16, SMOOTH.shape).astype(np.uint16)
    radiograph = decode(twelve_bits(SMOOTH | noise << np.uint16(12)))
    np.testing.assert_allclose(radiograph.pixels, stretched(SMOOTH), atol=1e-6)
    (note,) = radiograph.notes
    assert note.doubtful
    assert "bits above were ignored" in note.message


def test_the_bits_of_a_declared_overlay_are_no_doubt() -> None:
    overlay = np.zeros_like(SMOOTH)
    overlay[10:20, 10:40] = 1 << 12  # PS3.5, section 8.1.2
    dataset = twelve_bits(SMOOTH | overlay)
    dataset.add_new(0x60000100, "US", 16)
    dataset.add_new(0x60000102, "US", 12)
    radiograph = decode(dataset)
    np.testing.assert_allclose(radiograph.pixels, stretched(SMOOTH), atol=1e-6)
    assert radiograph.notes == ()


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
def test_a_stream_of_more_bits_than_stated_keeps_them(syntax: UID) -> None:
    values = SMOOTH * np.uint16(4)
    radiograph = decode(compressed(values, syntax, bits=14))
    np.testing.assert_allclose(radiograph.pixels, stretched(values), atol=1e-6)
    (note,) = radiograph.notes
    assert "values of 12 bits, and its compressed pixels are of 14; all bits" in note.message


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
def test_a_stream_of_more_bits_that_are_not_used_is_no_fault(syntax: UID) -> None:
    radiograph = decode(compressed(SMOOTH, syntax, bits=16))
    np.testing.assert_allclose(radiograph.pixels, stretched(SMOOTH), atol=1e-6)
    assert radiograph.notes == ()


def test_lossy_values_just_above_bits_stored_are_no_fault() -> None:
    values = SMOOTH + np.uint16(100)  # up to 4,100
    radiograph = decode(compressed(values, JPEGLSLossless, bits=13))
    np.testing.assert_allclose(radiograph.pixels, stretched(values), atol=1e-6)
    assert radiograph.notes == ()


def test_a_stream_of_more_bits_than_allocated_is_refused() -> None:
    dataset = compressed(SMOOTH, JPEG2000Lossless, bits=16)
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    assert "compressed pixels are of 16 bits, in containers of 8" in refusal(save(dataset))


def test_values_at_the_upper_end_of_their_containers() -> None:
    dataset = computed_radiograph(SMOOTH << np.uint16(4), BitsStored=12, HighBit=15)
    np.testing.assert_allclose(decode(dataset).pixels, stretched(SMOOTH), atol=1e-6)


@pytest.mark.parametrize(
    "absent", ["SamplesPerPixel", "PixelRepresentation", "HighBit", "PlanarConfiguration"]
)
def test_attributes_with_one_possible_value_may_be_absent(absent: str) -> None:
    dataset = twelve_bits(SMOOTH)
    if absent in dataset:
        delattr(dataset, absent)
    np.testing.assert_allclose(decode(dataset).pixels, stretched(SMOOTH), atol=1e-6)


def test_a_colour_object_without_samples_per_pixel() -> None:
    colours = np.random.default_rng(4).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    capture = computed_radiograph(colours, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    expected = decode(capture_with_samples(colours)).pixels
    del capture.SamplesPerPixel
    np.testing.assert_array_equal(decode(capture).pixels, expected)


def capture_with_samples(colours: NDArray[np.uint8]) -> Dataset:
    return computed_radiograph(
        colours, PhotometricInterpretation="RGB", PlanarConfiguration=0, SamplesPerPixel=3
    )


def test_a_missing_photometric_interpretation_is_named() -> None:
    dataset = twelve_bits(SMOOTH)
    del dataset.PhotometricInterpretation
    assert "no Photometric Interpretation, so that black may be white" in refusal(save(dataset))


@pytest.mark.parametrize("syntax", [None, JPEGLSLossless])
def test_zeros_above_the_sign_bit_are_no_doubt(syntax: UID | None) -> None:
    # PS3.5, section 8.1.1: the sign bit is the High Bit.
    values = SMOOTH.astype(int) - 2000
    patterns = (values & 0xFFF).astype(np.uint16)
    dataset = twelve_bits(patterns) if syntax is None else compressed(patterns, syntax, bits=16)
    dataset.PixelRepresentation = 1
    radiograph = decode(dataset)
    np.testing.assert_allclose(radiograph.pixels, stretched(values), atol=1e-6)
    assert radiograph.notes == ()


@pytest.mark.parametrize("pixel_representation", [0, 1])
def test_a_stream_of_another_sign_is_doubted(pixel_representation: int) -> None:
    dataset = compressed(SMOOTH, JPEG2000Lossless, bits=12)
    dataset.PixelRepresentation = pixel_representation
    notes = decode(dataset).notes
    assert [(note.code, note.doubtful) for note in notes] == [("sign", True)] * pixel_representation


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"PhotometricInterpretation": "HSV"}, "Photometric Interpretation HSV"),
        ({"PhotometricInterpretation": "RGB"}, "1 samples per pixel, which do not fit RGB"),
        ({"SamplesPerPixel": 3}, "3 samples per pixel, which do not fit MONOCHROME2"),
        ({"PixelData": None}, "without an image"),
    ],
)
def test_pixels_of_another_kind_than_stated_are_refused(
    attributes: dict[str, object], reason: str
) -> None:
    dataset = twelve_bits(SMOOTH)
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    assert reason in refusal(save(dataset))


def coloured(values: NDArray[np.integer], **attributes: object) -> Dataset:
    defaults = {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3, "PlanarConfiguration": 0}
    return computed_radiograph(values, **defaults | attributes)


def test_colours_of_twelve_bits_are_scaled_by_them() -> None:
    colours = np.repeat(SMOOTH[..., None], 3, axis=2)
    pixels = decode(coloured(colours, BitsStored=12, HighBit=11)).pixels
    np.testing.assert_allclose(pixels, SMOOTH / 4095, atol=1e-6)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"BitsStored": 10, "HighBit": 9}, "colours with values beyond 10 bits"),
        ({"PhotometricInterpretation": "YBR_ICT"}, "Explicit VR Little Endian cannot have"),
        ({"PhotometricInterpretation": "YBR_FULL"}, "YBR_FULL of 16 bits"),
        ({"PixelRepresentation": 1}, "signed values of RGB"),
    ],
)
def test_colours_that_would_be_wrong_are_refused(
    attributes: dict[str, object], reason: str
) -> None:
    colours = np.repeat(SMOOTH[..., None], 3, axis=2)
    assert reason in refusal(save(coloured(colours, **attributes)))


@pytest.mark.parametrize("photometric", ["PALETTE COLOR", "palette color"])
@pytest.mark.parametrize("factor", [1, 257])
def test_palettes_of_eight_and_sixteen_bits(photometric: str, factor: int) -> None:
    indices = (SMOOTH // 16).astype(np.uint8)
    dataset = computed_radiograph(indices, PhotometricInterpretation=photometric)
    entries = (255 - np.arange(256)) * factor  # inverted: an index is no grey value
    for colour in ("Red", "Green", "Blue"):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        data = entries.astype("<u2").tobytes()
        setattr(dataset, f"{colour}PaletteColorLookupTableData", data)
    np.testing.assert_allclose(decode(dataset).pixels, 1 - indices / 255, atol=1e-5)
