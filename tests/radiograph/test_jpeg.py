"""JPEG files of every process, whose pixels are known without Pillow or are refused by name."""

import base64
from pathlib import Path

import gdcm
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import generate_frames

from .pictures import (
    SMOOTH,
    Values,
    decode,
    dicom,
    encode,
    luminance,
    refusal,
)


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"keep_rgb": True}]
)
def test_a_jpeg_is_close_to_what_was_encoded(options: dict[str, object]) -> None:
    colours = np.dstack([SMOOTH, SMOOTH[::-1], SMOOTH[:, ::-1]])
    for values, expected in ((SMOOTH, SMOOTH / 255), (colours, luminance(colours / 255))):
        content = encode(Image.fromarray(values), "JPEG", quality=100, subsampling=0, **options)
        np.testing.assert_allclose(decode(content).pixels, expected, atol=3 / 255)


def without_segment(content: bytes, marker: int) -> bytes:
    start = content.index(bytes([0xFF, marker]))
    length = int.from_bytes(content[start + 2 : start + 4])
    return content[:start] + content[start + 2 + length :]


def four_planes() -> bytes:
    """Encode four planes with Adobe's marker, of which each is stored as 255 minus itself."""
    planes = (SMOOTH, SMOOTH[::-1], SMOOTH[:, ::-1], 255 - SMOOTH)
    image = Image.merge("CMYK", [Image.fromarray(plane) for plane in planes])
    return encode(image, "JPEG", quality=100, subsampling=0)


def test_cmyk_jpeg() -> None:
    ink = np.dstack([SMOOTH, SMOOTH[::-1], SMOOTH[:, ::-1]]) / 255.0
    expected = luminance((1 - ink) * (SMOOTH / 255)[..., None])  # black ink is 255 - SMOOTH
    np.testing.assert_allclose(decode(four_planes()).pixels, expected, atol=3 / 255)
    assert refusal(without_segment(four_planes(), 0xEE)).startswith("a CMYK JPEG that does not say")


def test_ycck_jpeg() -> None:
    content = bytearray(four_planes())
    content[content.index(b"Adobe") + 11] = 2  # Adobe Technical Note 5116: transform to YCCK
    stored = 255.0 - np.dstack([SMOOTH, SMOOTH[::-1], SMOOTH[:, ::-1]])
    y, blue, red = stored[..., 0], stored[..., 1] - 128, stored[..., 2] - 128
    # JFIF 1.02, section 7; libjpeg's inks are 255 minus these, and are stored inverted.
    inks = np.dstack([y + 1.402 * red, y - 0.34414 * blue - 0.71414 * red, y + 1.772 * blue])
    expected = luminance((1 - np.clip(inks, 0, 255) / 255) * (SMOOTH / 255)[..., None])
    np.testing.assert_allclose(decode(bytes(content)).pixels, expected, atol=4 / 255)


def test_an_arithmetic_coded_jpeg() -> None:
    # Written by libjpeg-turbo's cjpeg -arithmetic: two blocks of 8 x 8 pixels, of 40 and of 200.
    content = base64.b64decode(
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"
        "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQH/yQALCAAIABABAREA/8wABgAQEAX/2gAIAQEAAD8A/wD3ggjAgP/Z"
    )
    expected = np.repeat([[40] * 8 + [200] * 8], 8, axis=0) / 255
    np.testing.assert_allclose(decode(content).pixels, expected, atol=1e-6)


def lossless_jpeg(values: Values, bits: int, folder: Path) -> bytes:
    dicom(values, bits).save_as(folder / "plain.dcm", enforce_file_format=True)
    reader = gdcm.ImageReader()
    reader.SetFileName(str(folder / "plain.dcm"))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(folder / "lossless.dcm"))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    data = pydicom.dcmread(folder / "lossless.dcm").PixelData
    return next(generate_frames(data, number_of_frames=1))


def test_a_lossless_jpeg(tmp_path: Path) -> None:
    content = lossless_jpeg(SMOOTH, 8, tmp_path)
    assert b"\xff\xc3" in content[:300]
    for min_side in (None, 20):
        pixels = decode(content, min_side).pixels
        np.testing.assert_allclose(pixels, SMOOTH / 255, atol=1e-6)
    deep = lossless_jpeg(SMOOTH.astype(np.uint16) << 8, 16, tmp_path)
    assert refusal(deep).startswith("a lossless JPEG of 16 bits; export it as PNG of 16 bits")


@pytest.mark.parametrize(
    ("position", "byte", "reason"),
    [
        (4, 12, "a JPEG of 12 bits; export it as PNG of 16 bits, or as DICOM"),
        (1, 0xC5, "a JPEG of a rare kind (SOF5)"),
        (1, 0xCB, "a JPEG of a rare kind (SOF11)"),
        (1, 0xF7, "a JPEG-LS file"),
    ],
)
def test_other_jpegs_are_refused_by_name(position: int, byte: int, reason: str) -> None:
    content = bytearray(encode(Image.fromarray(SMOOTH), "JPEG", comment=b"\xff\xc0\0\x0b\x08"))
    content[content.rindex(b"\xff\xc0") + position] = byte
    assert refusal(bytes(content)).startswith(reason)
