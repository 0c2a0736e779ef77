"""Colours, palettes and transparency of PNG and TIFF files."""

import struct

import numpy as np
import pytest

from .pictures import (
    COLOURS,
    DEEP,
    EIGHT,
    GREY,
    GREY_ALPHA,
    LEVELS,
    PALETTE,
    RGB,
    RGB_ALPHA,
    TWELVE,
    Values,
    alpha,
    chunk,
    decode,
    luminance,
    png,
    refusal,
    tiff,
)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("order", "<>")
def test_tiff_in_colour(order: str, planar: str) -> None:
    colours = (COLOURS >> 8).astype(np.uint8)
    stored = colours if planar == "contig" else np.moveaxis(colours, -1, 0).copy()
    content = tiff(stored, byteorder=order, photometric="rgb", planarconfig=planar)
    np.testing.assert_allclose(decode(content).pixels, luminance(colours / 255), atol=0.6 / 255)


@pytest.mark.parametrize("order", ["<", ">", "png"])
def test_colours_of_16_bits(order: str) -> None:
    def content(colours: Values) -> bytes:
        if order == "png":
            return png(colours, 16, RGB)
        return tiff(colours, byteorder=order, photometric="rgb")

    np.testing.assert_allclose(
        decode(content(COLOURS)).pixels, luminance(COLOURS / 65_535), atol=1.6 / 255
    )
    assert refusal(content(COLOURS >> 4)).startswith("colours of 16 bits whose values fill less")


def test_grey_of_16_bits_with_alpha() -> None:
    opaque = np.full_like(DEEP, 65_535)
    content = png(np.stack([DEEP, opaque], -1), 16, GREY_ALPHA)
    np.testing.assert_allclose(decode(content).pixels, DEEP / 65_535, atol=1 / 255)
    assert "fill less" in refusal(png(np.stack([TWELVE, opaque], -1), 16, GREY_ALPHA))


"""Palette whose entry i is grey 255 - i."""


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_palette(bits: int) -> None:
    values = EIGHT >> (8 - bits)
    palette = chunk(b"PLTE", LEVELS[: 3 * 2**bits])
    expected = (255 - values.astype(float)) / 255
    np.testing.assert_allclose(decode(png(values, bits, PALETTE, palette)).pixels, expected)
    opaque = palette + chunk(b"tRNS", bytes([255] * 2**bits))
    np.testing.assert_allclose(decode(png(values, bits, PALETTE, opaque)).pixels, expected)
    for entry in (0, 7):  # the one clear entry, and one of several
        clear = palette + chunk(b"tRNS", bytes([entry]))
        assert "transparent" in refusal(png(values, bits, PALETTE, clear))


def test_a_palette_of_a_tiff() -> None:
    levels = np.tile(np.arange(256, dtype=np.uint16)[::-1] * 257, (3, 1))
    content = tiff(EIGHT, photometric="palette", colormap=levels)
    np.testing.assert_allclose(decode(content).pixels, (255 - EIGHT.astype(float)) / 255)


@pytest.mark.parametrize("clear", [None, 0, 254])
def test_transparency(clear: int | None) -> None:
    colours = (COLOURS >> 8).astype(np.uint8)
    files = {
        "grey": (png(alpha(EIGHT, clear), 8, GREY_ALPHA), EIGHT / 255),
        "colour": (png(alpha(colours, clear), 8, RGB_ALPHA), luminance(colours / 255)),
    }
    for kind in ("assocalpha", "unassalpha"):
        files |= {
            f"grey {kind}": (tiff(alpha(EIGHT, clear), extrasamples=[kind]), EIGHT / 255),
            f"colour {kind}": (
                tiff(alpha(colours, clear), photometric="rgb", extrasamples=[kind]),
                luminance(colours / 255),
            ),
        }
    for content, expected in files.values():
        if clear is None:
            np.testing.assert_allclose(decode(content).pixels, expected, atol=0.6 / 255)
        else:
            assert refusal(content).startswith("parts of the image are transparent; export it")


@pytest.mark.parametrize(
    ("values", "bits"), [(EIGHT >> 7, 1), (EIGHT >> 6, 2), (EIGHT >> 4, 4), (EIGHT, 8), (DEEP, 16)]
)
def test_a_transparent_grey(values: Values, bits: int) -> None:
    used = int(values[3, 5])
    assert "transparent" in refusal(
        png(values, bits, GREY, chunk(b"tRNS", struct.pack(">H", used)))
    )


def test_a_transparent_colour_that_no_pixel_has() -> None:
    colours = (COLOURS >> 8).astype(np.uint8)
    key = chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3))
    np.testing.assert_allclose(
        decode(png(colours, 8, RGB, key)).pixels, luminance(colours / 255), atol=0.6 / 255
    )
    unused = chunk(b"tRNS", struct.pack(">H", 1))
    np.testing.assert_allclose(decode(png(DEEP, 16, GREY, unused)).pixels, DEEP / 65_535, atol=1e-6)
    assert "transparent" in refusal(png(COLOURS, 16, RGB, key))


def test_unspecified_samples_of_a_tiff_are_no_alpha() -> None:
    content = tiff(alpha(EIGHT, 0), extrasamples=["unspecified"])
    np.testing.assert_allclose(decode(content).pixels, EIGHT / 255, atol=1e-6)
