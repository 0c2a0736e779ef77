"""Grey PNG and TIFF files made by hand and by tifffile, and pictures of other kinds."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pneumoscope.radiograph import decode_radiograph

from .pictures import (
    COLOURS,
    DEEP,
    EIGHT,
    GREY,
    LEVELS,
    PALETTE,
    RGB,
    RGB_ALPHA,
    SMOOTH,
    TWELVE,
    Values,
    alpha,
    chunk,
    decode,
    dicom,
    encode,
    hand_made_tiff,
    pack,
    png,
    refusal,
    stretched,
    tiff,
)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(("order", "photometric"), [("<", 1), (">", 1), ("<", 0)])
def test_tiff_of_16_bits(order: str, photometric: int, compression: str | None) -> None:
    meaning = ("miniswhite", "minisblack")[photometric]
    content = tiff(DEEP, byteorder=order, photometric=meaning, compression=compression)
    stored = tifffile.imread(io.BytesIO(content)) / 65_535
    radiograph = decode(content)
    np.testing.assert_allclose(radiograph.pixels, stored if photometric else 1 - stored, atol=1e-6)
    assert radiograph.notes == ()


@pytest.mark.parametrize("order", "<>")
def test_tiff_of_12_bits_in_16(order: str) -> None:
    values = TWELVE + 7
    radiograph = decode(tiff(values, byteorder=order))
    np.testing.assert_allclose(radiograph.pixels, stretched(values), atol=1e-6)
    (note,) = radiograph.notes
    assert (note.code, note.doubtful) == ("range_from_values", False)
    assert note.message == (
        "its values, 7 to 4,087, use a part of 16 bits: shown 7 to 4,087 from black to white"
    )
    white_is_zero = decode(tiff(values, photometric="miniswhite"))
    np.testing.assert_allclose(white_is_zero.pixels, 1 - stretched(values), atol=1e-6)
    assert white_is_zero.rendering == "7 to 4,087 from white to black"


@pytest.mark.parametrize("outlier", [30_000, 65_535])
def test_a_range_that_few_pixels_decide_is_doubted(outlier: int) -> None:
    """A burnt-in label that is white in 16 bits, on a radiograph of 12."""
    values = TWELVE.copy()
    values[2, 2] = outlier
    notes = decode(png(values, 16, GREY)).notes
    assert ("uncertain_range", True) in [(note.code, note.doubtful) for note in notes]


def test_png_of_12_bits_in_16() -> None:
    values = TWELVE + 7
    radiograph = decode(png(values, 16, GREY))
    np.testing.assert_allclose(radiograph.pixels, stretched(values), atol=1e-6)
    assert [note.code for note in radiograph.notes] == ["range_from_values"]


@pytest.mark.parametrize(
    ("highest", "expected_highest"), [(32_767, 1.0), (32_768, 32_768 / 65_535)]
)
def test_values_in_both_halves_are_taken_as_they_are(highest: int, expected_highest: float) -> None:
    values = np.array([[0, 100, highest]], np.uint16)
    for content in (png(values, 16, GREY), tiff(values)):
        assert decode(content).pixels.max() == pytest.approx(expected_highest)


@pytest.mark.parametrize(
    ("tag", "white"), [(341, 4_095), (281, 4_095), (341, 65_535), (341, 4_000), (281, 32_767)]
)
def test_a_plausible_largest_value_of_a_tiff_is_white(tag: int, white: int) -> None:
    values = TWELVE[:, :-1] + 5
    content = tiff(values, extratags=[(tag, 3, 1, white, True)])
    expected = values / 4_095 if white == 4_095 else stretched(values)
    radiograph = decode(content)
    np.testing.assert_allclose(radiograph.pixels, expected, atol=1e-6)
    assert [note.code for note in radiograph.notes] == ["range_from_values"]


def test_significant_bits_of_a_png() -> None:
    stated = chunk(b"tEXt", b"Comment\0sBIT") + chunk(b"sBIT", bytes([12]))
    low = decode(png(TWELVE, 16, GREY, stated))
    np.testing.assert_allclose(low.pixels, TWELVE / 4_095, atol=1e-6)
    # Scaled up as the standard wants it (ISO/IEC 15948, 12.4).
    scaled = (TWELVE << 4) | (TWELVE >> 8)
    assert not decode(png(scaled, 16, GREY, stated)).notes


def test_packed_tiff_of_12_bits() -> None:
    data = b"".join(pack(row, 12) for row in TWELVE)
    content = hand_made_tiff(data, TWELVE.shape, 12)
    radiograph = decode(content)
    np.testing.assert_allclose(radiograph.pixels, TWELVE / 4_095, atol=1e-6)
    assert not radiograph.notes
    deflated = hand_made_tiff(zlib.compress(data), TWELVE.shape, 12, tags={259: (3, 8)})
    np.testing.assert_array_equal(decode(deflated).pixels, radiograph.pixels)
    message = refusal(hand_made_tiff(data, TWELVE.shape, 12, ">"))
    assert message.startswith("a TIFF that cannot be read (12 bits, big-endian")
    assert message.endswith("export it as PNG")


@pytest.mark.parametrize("order", "<>")
def test_signed_values_use_their_own_range(order: str) -> None:
    values = TWELVE.astype(np.int16) - 1_000
    radiograph = decode(tiff(values, byteorder=order))
    np.testing.assert_allclose(radiograph.pixels, stretched(values), atol=1e-6)
    assert "-1,000 to 3,080" in radiograph.notes[0].message


def test_signed_values_with_an_offset_use_their_own_range() -> None:
    for content in (png(TWELVE + 32_768, 16, GREY), tiff(TWELVE + 32_768)):
        np.testing.assert_allclose(decode(content).pixels, stretched(TWELVE), atol=1e-6)


def test_one_value_is_black() -> None:
    assert not decode(png(np.full((3, 4), 9, np.uint16), 16, GREY)).pixels.any()


def test_twelve_bits_are_the_same_in_dicom() -> None:
    values = TWELVE + 7
    dataset = dicom(values, 12)
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    expected = decode_radiograph(file.getvalue(), "object").pixels
    for content in (png(values, 16, GREY), tiff(values)):
        np.testing.assert_allclose(decode(content).pixels, expected, atol=1e-6)


UNREADABLE_TIFFS = {
    "big-endian 16 bits, white is zero": (
        tiff(DEEP, byteorder=">", photometric="miniswhite"),
        "a TIFF that cannot be read (16 bits, big-endian, photometric interpretation 0",
    ),
    "float of 32 bits": (tiff(DEEP.astype(np.float32)), "grey values as floating point"),
    "float of 64 bits": (tiff(DEEP.astype(np.float64)), "grey values as floating point"),
    "float, deflated, big-endian": (
        tiff(DEEP.astype(np.float32), byteorder=">", compression="zlib"),
        "grey values as floating point",
    ),
    "32 bits": (tiff(DEEP.astype(np.uint32)), "grey values of more than 16 bits"),
    "32 bits, deflated, big-endian": (
        tiff(DEEP.astype(np.int32), byteorder=">", compression="zlib"),
        "grey values of more than 16 bits",
    ),
    "signed, 8 bits": (tiff(EIGHT.astype(np.int8)), "signed values of 8 bits"),
    "planes of 16 bits": (
        tiff(np.moveaxis(COLOURS, -1, 0).copy(), photometric="rgb", planarconfig="separate"),
        "a TIFF with separate planes of 16 bits",
    ),
    "no photometric interpretation": (
        hand_made_tiff(EIGHT.tobytes(), EIGHT.shape, 8, tags={262: None}),
        "a TIFF that does not say whether 0 is black or white",
    ),
    "L*a*b*": (
        encode(Image.fromarray(np.dstack([EIGHT] * 3)).convert("LAB"), "TIFF"),
        "a TIFF of photometric interpretation 8",
    ),
    "YCbCr": (
        encode(Image.fromarray(np.dstack([EIGHT] * 3)).convert("YCbCr"), "TIFF"),
        "a TIFF in YCbCr that is not JPEG",
    ),
    "CMYK of 16 bits": (
        tiff(np.dstack([DEEP] * 4), photometric="separated"),
        "a TIFF of 16 bits that is neither grey nor RGB",
    ),
    "palette of 8 bits": (
        tiff(EIGHT, photometric="palette", colormap=np.tile(np.arange(256, dtype="u2"), (3, 1))),
        "a TIFF whose palette is of 8 bits",
    ),
    "JPEG XL inside": (
        hand_made_tiff(EIGHT.tobytes(), EIGHT.shape, 8, tags={259: (3, 50_002)}),
        "a TIFF that cannot be read (8 bits, little-endian, photometric interpretation 1, "
        "compression 50002)",
    ),
    "BigTIFF of 64 bits": (tiff(DEEP.astype(np.uint64), bigtiff=True), "grey values of more than"),
    "no directory": (b"MM\0*\0\0\xff\xff", "a TIFF whose header is damaged"),
}


@pytest.mark.parametrize("kind", UNREADABLE_TIFFS)
def test_other_tiffs_are_refused_by_name(kind: str) -> None:
    content, reason = UNREADABLE_TIFFS[kind]
    assert refusal(content).startswith(reason)


# Grey of up to 8 bits


@pytest.mark.parametrize("fill_order", [1, 2])
@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_tiff_of_few_bits(bits: int, photometric: int, fill_order: int) -> None:
    values = EIGHT >> (8 - bits)
    data = b"".join(pack(row, bits) for row in values)
    if fill_order == 2:  # least significant bit first
        data = bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)
    content = hand_made_tiff(
        data, values.shape, bits, tags={262: (3, photometric), 266: (3, fill_order)}
    )
    if bits == 8 and fill_order == 2:
        assert refusal(content).startswith("a TIFF of 8 bits, the least significant one first")
        return
    expected = values / (2**bits - 1)
    pixels = decode(content).pixels
    np.testing.assert_allclose(pixels, expected if photometric else 1 - expected, atol=1e-6)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_png_of_few_bits(bits: int) -> None:
    values = EIGHT >> (8 - bits)
    pixels = decode(png(values, bits, GREY)).pixels
    np.testing.assert_allclose(pixels, values / (2**bits - 1), atol=1e-6)


@pytest.mark.parametrize("compression", ["group3", "group4"])
def test_a_fax_is_read(compression: str) -> None:
    bits = EIGHT > 127
    content = encode(Image.fromarray(bits), "TIFF", compression=compression)
    np.testing.assert_array_equal(decode(content).pixels, bits)


@pytest.mark.parametrize("options", [{"tile": (16, 16)}, {"rowsperstrip": 3}, {"bigtiff": True}])
@pytest.mark.parametrize("values", [EIGHT, DEEP])
def test_tiles_and_strips(values: Values, options: dict[str, object]) -> None:
    pixels = decode(tiff(values, **options)).pixels
    np.testing.assert_allclose(pixels, values / np.iinfo(values.dtype).max, atol=1e-6)


# Colours, palettes and transparency


# JPEG


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"\0\0\0\x18ftypheic", "a HEIC or AVIF photograph"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "a WebP"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 file"),
        (b"\xff\x4f\xff\x51\0\0", "a JPEG 2000 file"),
    ],
)
def test_other_pictures_are_refused_by_name(head: bytes, reason: str) -> None:
    assert refusal(head + bytes(100)).startswith(reason)


def test_the_photograph_of_a_file_of_several_jpegs_is_its_first() -> None:
    # Multi-Picture Format (CIPA DC-007): phones append gain maps, depth maps and previews.
    exif = Image.Exif()
    exif[0x0112] = 6
    plain = decode(encode(Image.fromarray(SMOOTH), "JPEG")).pixels
    content = encode(
        Image.fromarray(SMOOTH),
        "MPO",
        save_all=True,
        append_images=[Image.fromarray(255 - SMOOTH)],
        exif=exif,
    )
    np.testing.assert_array_equal(decode(content).pixels, np.rot90(plain, -1))
    assert decode(content, min_side=26).pixels.shape == (42, 26)


def test_a_colour_profile_is_not_applied() -> None:
    # Without it Pillow's own conversion from a linear profile to sRGB would make it brighter.
    plain = encode(Image.fromarray(SMOOTH), "JPEG")
    with_profile = encode(Image.fromarray(SMOOTH), "JPEG", icc_profile=linear_grey_profile())
    np.testing.assert_array_equal(decode(with_profile).pixels, decode(plain).pixels)
    gamma = chunk(b"gAMA", struct.pack(">I", 100_000))
    np.testing.assert_allclose(decode(png(EIGHT, 8, GREY, gamma)).pixels, EIGHT / 255, atol=1e-6)


def linear_grey_profile() -> bytes:
    """Build a monochrome ICC profile of gamma 1 (ICC.1:2022, sections 7, 8.4 and 10.6)."""
    curve = b"curv" + bytes(8)
    white = b"XYZ " + bytes(4) + struct.pack(">iii", 63_190, 65_536, 54_061)
    tags = ((b"kTRC", curve), (b"wtpt", white))
    offset = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for name, content in tags:
        table += name + struct.pack(">II", offset + len(data), len(content))
        data += content
    head = struct.pack(">I4sI", offset + len(data), bytes(4), 0x02400000) + b"mntrGRAYXYZ "
    head += bytes(12) + b"acsp" + bytes(28)
    head += struct.pack(">iii", 63_190, 65_536, 54_061) + bytes(48)
    return head + table + data


# Orientation

UPRIGHT: dict[int, Callable[[Values], Values]] = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).T,
    8: np.rot90,
}
"""What each orientation asks for (TIFF 6.0, section 8; Exif 2.32, 4.6.4)."""


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("values", [EIGHT, DEEP])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_the_orientation_of_a_tiff(
    orientation: int, values: Values, order: str, compression: str | None
) -> None:
    tags = [(274, 3, 1, orientation, True)]
    content = tiff(values, byteorder=order, compression=compression, extratags=tags)
    expected = UPRIGHT[orientation](values / np.iinfo(values.dtype).max)
    np.testing.assert_allclose(decode(content).pixels, expected, atol=1e-6)


@pytest.mark.parametrize(("values", "bits"), [(EIGHT, 8), (DEEP, 16)])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_the_orientation_of_a_png(orientation: int, values: Values, bits: int) -> None:
    exif = b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 274, 3, 1, orientation, 0, 0)
    content = png(values, bits, GREY, chunk(b"eXIf", exif))
    expected = UPRIGHT[orientation](values / (2**bits - 1))
    np.testing.assert_allclose(decode(content).pixels, expected, atol=1e-6)


# Damage, and all containers


def test_a_truncated_tiff_is_refused() -> None:
    noise = np.random.default_rng(1).integers(0, 65_536, (40, 50)).astype(np.uint16)
    files = [
        tiff(noise.astype(kind), compression=compression, rowsperstrip=rows)
        for kind in (np.uint8, np.uint16)
        for compression in (None, "zlib")
        for rows in (7, 40)
    ]
    for content in files:
        decode(content)
        for share in (0.1, 0.3, 0.5, 0.9, 0.99):
            assert "damaged" in refusal(content[: int(share * len(content))])


def lzw(values: Values) -> bytes:
    return encode(Image.fromarray(values), "TIFF", compression="tiff_lzw", tiffinfo={317: 2})


Writer = Callable[[Values], bytes]

WRITERS_OF_8_BITS: dict[str, Writer] = {
    "PNG": lambda grey: png(grey, 8, GREY),
    "PNG in colour": lambda grey: png(np.dstack([grey] * 3), 8, RGB),
    "PNG in colour with alpha": lambda grey: png(alpha(np.dstack([grey] * 3), None), 8, RGB_ALPHA),
    "PNG with a palette": lambda grey: png(255 - grey, 8, PALETTE, chunk(b"PLTE", LEVELS)),
    "PNG by Pillow": lambda grey: encode(Image.fromarray(grey), "PNG"),
    "TIFF": tiff,
    "TIFF, big-endian": lambda grey: tiff(grey, byteorder=">"),
    "TIFF, white is zero": lambda grey: tiff(255 - grey, photometric="miniswhite"),
    "TIFF, deflated": lambda grey: tiff(grey, compression="zlib"),
    "TIFF in colour": lambda grey: tiff(np.dstack([grey] * 3), photometric="rgb"),
    "TIFF, tiled": lambda grey: tiff(grey, tile=(16, 16)),
    "TIFF, LZW with a predictor": lzw,
}

WRITERS_OF_16_BITS: dict[str, Writer] = {
    "PNG": lambda grey: png(grey, 16, GREY),
    "PNG by Pillow": lambda grey: encode(Image.fromarray(grey), "PNG"),
    "TIFF": tiff,
    "TIFF, big-endian": lambda grey: tiff(grey, byteorder=">"),
    "TIFF, white is zero": lambda grey: tiff(65_535 - grey, photometric="miniswhite"),
    "TIFF, deflated, big-endian": lambda grey: tiff(grey, byteorder=">", compression="zlib"),
    "TIFF, LZW with a predictor": lzw,
}


@st.composite
def ramps(draw: st.DrawFn, dtype: type[np.unsignedinteger]) -> Values:
    """Draw a ramp that starts anywhere and reaches white."""
    height, width = draw(st.integers(1, 20)), draw(st.integers(2, 40))
    largest = int(np.iinfo(dtype).max)
    lowest = draw(st.integers(0, largest // 2))
    ramp = np.linspace(lowest, largest, height * width).astype(dtype)
    return ramp.reshape(height, width)


@settings(max_examples=40, deadline=None)
@given(ramps(np.uint8))
def test_a_ramp_of_8_bits_is_the_same_in_all_containers(ramp: Values) -> None:
    for kind, write in WRITERS_OF_8_BITS.items():
        pixels = decode(write(ramp)).pixels
        np.testing.assert_allclose(pixels, ramp / 255, atol=1e-6, err_msg=kind)


@settings(max_examples=40, deadline=None)
@given(ramps(np.uint16), st.sampled_from([16, 14, 12, 10]))
def test_a_ramp_of_10_to_16_bits_is_the_same_in_all_containers(ramp: Values, bits: int) -> None:
    values = ramp >> (16 - bits)
    expected = values / 65_535 if bits == 16 else stretched(values)
    for kind, write in WRITERS_OF_16_BITS.items():
        pixels = decode(write(values)).pixels
        np.testing.assert_allclose(pixels, expected, atol=1e-6, err_msg=kind)
