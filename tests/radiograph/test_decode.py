import hashlib
import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.PngImagePlugin import PngInfo

from pneumoscope.radiograph import (
    decode_radiograph,
    prepare_pixels,
    radiograph_from_array,
    read_radiograph,
)
from pneumoscope.radiograph.preprocess import OVERSAMPLING
from pneumoscope.support.errors import UnreadableRadiographError

GREY = np.random.default_rng(1).integers(0, 256, (13, 17), dtype=np.uint8)
BLOBS = np.asarray(Image.fromarray(GREY).resize((170, 130), Image.Resampling.BICUBIC))


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def jpeg(pixels: NDArray[np.uint8] = BLOBS, **options: object) -> bytes:
    return encode(Image.fromarray(pixels), "JPEG", **options)


def chunk(kind: bytes, content: bytes) -> bytes:
    """Build one chunk of a PNG (ISO/IEC 15948, 5.3)."""
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def black_png(width: int, height: int) -> bytes:
    """Build a complete one-bit PNG of any size without holding its pixels in memory."""
    row = 1 + (width + 7) // 8
    rows, rest = divmod(height, 100)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = deflate.compress(bytes(row * 100)) + deflate.flush(zlib.Z_FULL_FLUSH)
    last = deflate.compress(bytes(row * rest)) + deflate.flush(zlib.Z_FINISH)
    adler = (row * height % 65521) << 16 | 1  # of row * height zeros (RFC 1950)
    data = b"\x78\x9c" + block * rows + last + struct.pack(">I", adler)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def refusal(content: bytes, name: str = "chest.jpeg") -> str:
    with pytest.raises(UnreadableRadiographError) as caught:
        decode_radiograph(content, name)
    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    return message.removeprefix(f"{name}: ")


def test_grey_of_8_bits_is_its_value_by_255() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(8, 32)
    radiograph = decode_radiograph(encode(Image.fromarray(every)), "grey.png")
    assert radiograph.pixels.dtype == np.float32
    assert (radiograph.height, radiograph.width) == (8, 32)
    np.testing.assert_array_equal(radiograph.pixels, every.astype(np.float32) / np.float32(255))


def test_grey_of_16_bits_keeps_its_depth() -> None:
    deep = np.array([[0, 1, 255, 256], [257, 40_000, 65_534, 65_535]], np.uint16)
    content = encode(Image.fromarray(deep))
    assert content[24:26] == bytes([16, 0])  # bit depth and colour type in the file
    pixels = decode_radiograph(content, "deep.png").pixels
    np.testing.assert_array_equal(pixels, deep.astype(np.float32) / np.float32(65535))
    assert len(np.unique(pixels)) == 8


def test_black_and_white() -> None:
    bits = GREY > 127
    pixels = decode_radiograph(encode(Image.fromarray(bits)), "bits.png").pixels
    np.testing.assert_array_equal(pixels, bits.astype(np.float32))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_grey_stored_in_colour_is_the_same_grey(mode: str) -> None:
    content = encode(Image.fromarray(GREY).convert(mode))
    pixels = decode_radiograph(content, "colour.png").pixels
    np.testing.assert_array_equal(pixels, GREY.astype(np.float32) / np.float32(255))


def test_colour_becomes_luminance() -> None:
    colours = np.random.default_rng(2).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    luminance = colours @ np.array([0.299, 0.587, 0.114]) / 255  # ITU-R BT.601
    pixels = decode_radiograph(encode(Image.fromarray(colours)), "colour.png").pixels
    np.testing.assert_allclose(pixels, luminance, atol=0.6 / 255)


def test_a_palette_is_looked_up() -> None:
    indices = np.array([[0, 1], [2, 1]], np.uint8)
    image = Image.fromarray(indices).convert("P")
    image.putpalette([200, 200, 200, 10, 10, 10, 255, 0, 0])
    pixels = decode_radiograph(encode(image), "palette.png").pixels
    expected = np.array([[200, 10], [0.299 * 255, 10]]) / 255
    np.testing.assert_allclose(pixels, expected, atol=0.6 / 255)


@pytest.mark.parametrize("options", [{"quality": 75}, {"quality": 95, "progressive": True}])
def test_jpeg_is_what_pillow_reads(options: dict[str, object]) -> None:
    content = jpeg(**options)
    pillow = np.asarray(Image.open(io.BytesIO(content)), np.float32) / np.float32(255)
    np.testing.assert_array_equal(decode_radiograph(content, "chest.jpeg").pixels, pillow)


def test_cmyk_is_read_the_right_way_up() -> None:
    nothing = Image.new("L", BLOBS.shape[::-1], 0)
    ink = Image.fromarray(255 - BLOBS)
    content = encode(
        Image.merge("CMYK", (nothing, nothing, nothing, ink)), "JPEG", quality=95, subsampling=0
    )
    assert Image.open(io.BytesIO(content)).mode == "CMYK"
    pixels = decode_radiograph(content, "print.jpeg").pixels
    assert np.abs(pixels - BLOBS / 255).mean() < 0.02


SMOOTH = np.asarray(Image.fromarray(GREY).resize((680, 520), Image.Resampling.BICUBIC))


def means(pixels: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    height, width = pixels.shape
    return pixels.reshape(height // block, block, width // block, block).mean(axis=(1, 3))


@pytest.mark.parametrize(
    ("min_side", "block"),
    [(None, 1), (261, 1), (260, 2), (131, 2), (130, 4), (65, 8), (1, 8)],
)
def test_a_large_jpeg_comes_as_the_means_of_its_blocks(min_side: int | None, block: int) -> None:
    content = jpeg(SMOOTH, quality=95)
    full = decode_radiograph(content, "large.jpeg").pixels
    reduced = decode_radiograph(content, "large.jpeg", min_side).pixels
    assert reduced.shape == (520 // block, 680 // block)
    assert np.abs(reduced - means(full, block)).mean() < 0.5 / 255


def test_a_png_keeps_its_size() -> None:
    content = encode(Image.fromarray(SMOOTH))
    np.testing.assert_array_equal(
        decode_radiograph(content, "large.png", min_side=1).pixels,
        decode_radiograph(content, "large.png").pixels,
    )


def test_colour_is_its_luminance_at_every_size() -> None:
    colours = np.stack([SMOOTH, np.fliplr(SMOOTH), np.flipud(SMOOTH)], axis=-1)
    content = jpeg(colours, quality=95)
    full = decode_radiograph(content, "colour.jpeg").pixels
    reduced = decode_radiograph(content, "colour.jpeg", min_side=130).pixels
    assert np.abs(reduced - means(full, 4)).mean() < 1 / 255
    kept = decode_radiograph(content, "colour.jpeg", min_side=261).pixels
    np.testing.assert_array_equal(kept, full)


def test_cmyk_is_the_right_way_up_at_every_size() -> None:
    ink = [
        Image.fromarray(plane) for plane in (SMOOTH, SMOOTH[::-1], SMOOTH[:, ::-1], 255 - SMOOTH)
    ]
    content = encode(Image.merge("CMYK", ink), "JPEG", quality=95, subsampling=0)
    full = decode_radiograph(content, "print.jpeg").pixels
    reduced = decode_radiograph(content, "print.jpeg", min_side=130).pixels
    assert np.abs(reduced - means(full, 4)).mean() < 1 / 255


def test_a_truncated_jpeg_is_refused_at_every_size() -> None:
    content = jpeg(SMOOTH)
    messages = []
    for min_side in (None, 65):
        with pytest.raises(UnreadableRadiographError, match="damaged") as caught:
            decode_radiograph(content[: len(content) // 2], "chest.jpeg", min_side)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_real_originals_are_prepared_almost_as_from_full_decoding(shared_data: Path) -> None:
    paths = sorted((shared_data / "chest_xray_original_size").rglob("*.jpeg"))
    assert len(paths) == 48
    differences = []
    for path in paths:
        full = read_radiograph(path)
        reduced = read_radiograph(path, min_side=OVERSAMPLING * 150)
        assert reduced.sha256 == full.sha256
        pixels = [
            prepare_pixels(radiograph.pixels, 150).astype(int) for radiograph in (full, reduced)
        ]
        differences.append(np.abs(pixels[0] - pixels[1]).mean())
    assert 0 < np.mean(differences) < 2.5  # of 255: one pixel against the mean of its block
    assert max(differences) < 5


def test_small_radiographs_stay_as_they_are(shared_data: Path) -> None:
    for path in sorted((shared_data / "chest_xray" / "val").rglob("*.jpeg")):
        np.testing.assert_array_equal(
            read_radiograph(path, min_side=150).pixels, read_radiograph(path).pixels
        )


UPRIGHT: dict[int, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).T,
    8: np.rot90,
}
"""What each orientation tag asks for (Exif 2.32, 4.6.4)."""


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_orientation_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    plain = decode_radiograph(jpeg(), "plain.jpeg").pixels
    turned = decode_radiograph(jpeg(exif=exif), "turned.jpeg").pixels
    np.testing.assert_array_equal(turned, UPRIGHT[orientation](plain))
    plain = decode_radiograph(jpeg(), "plain.jpeg", min_side=65).pixels
    turned = decode_radiograph(jpeg(exif=exif), "turned.jpeg", min_side=65).pixels
    assert plain.shape == (65, 85)
    np.testing.assert_array_equal(turned, UPRIGHT[orientation](plain))


def test_the_hash_is_of_the_file() -> None:
    content = jpeg()
    radiograph = decode_radiograph(content, "chest.jpeg")
    assert radiograph.sha256 == hashlib.sha256(content).hexdigest()
    assert radiograph.patient is None


def test_a_generated_image_is_synthetic() -> None:
    note = PngInfo()
    note.add_text("Synthetic", "drawn")
    image = Image.fromarray(GREY)
    assert decode_radiograph(encode(image, pnginfo=note), "phantom.png").synthetic
    assert not decode_radiograph(encode(image), "real.png").synthetic


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.98])
def test_a_truncated_jpeg(kept: float) -> None:
    content = jpeg()
    assert "damaged" in refusal(content[: int(kept * len(content))])


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
def test_a_truncated_png(kept: float) -> None:
    content = encode(Image.fromarray(BLOBS))
    message = refusal(content[: int(kept * len(content))], "chest.png")
    assert "damaged" in message
    assert "copy it from its source again" in message


def test_a_png_with_a_wrong_checksum() -> None:
    content = bytearray(encode(Image.fromarray(BLOBS)))
    content[len(content) // 2] ^= 0xFF
    assert "damaged" in refusal(bytes(content), "chest.png")


ANIMATION = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]


OTHER_FILES = {
    "empty": (b"", "the file is empty; copy it from its source again"),
    "text": (b"Ceci n'est pas une radiographie.\n", "text, not an image; export"),
    "utf-8": ("Röntgenbild".encode(), "text, not an image; export"),
    "gif": (encode(ANIMATION[0], "GIF"), "a GIF, perhaps animated; export"),
    "moving-gif": (encode(ANIMATION[0], "GIF", save_all=True, append_images=ANIMATION), "a GIF"),
    "moving-png": (
        encode(ANIMATION[0], save_all=True, append_images=ANIMATION[1:]),
        "an animation or several pages; export one still image",
    ),
    "pages": (
        encode(ANIMATION[0], "TIFF", save_all=True, append_images=ANIMATION[1:]),
        "an animation or several pages; export one still image",
    ),
    "float-tiff": (
        encode(Image.fromarray(GREY.astype(np.float32)), "TIFF"),
        "grey values as floating point, of unknown range; export 8 or 16 bits",
    ),
    "deep-tiff": (
        encode(Image.fromarray(GREY.astype(np.int32) * 10_000), "TIFF"),
        "grey values of more than 16 bits; export 8 or 16",
    ),
    "tiff-head": (b"II*\0\x08\0", "a TIFF whose header is damaged; copy it"),
    "pdf": (
        encode(ANIMATION[0], "PDF"),
        "a PDF; export the radiograph as JPEG",
    ),
    "bmp": (encode(ANIMATION[0], "BMP"), "not an image of a known format; export"),
    "zeros": (bytes(500), "not an image of a known format; export"),
    "jpeg-head": (jpeg()[:3], "a JPEG whose header is damaged; copy it from its source again"),
    "png-head": (encode(ANIMATION[0])[:10], "a PNG whose header is damaged; copy it"),
}


@pytest.mark.parametrize("kind", OTHER_FILES)
def test_other_files_are_refused(kind: str) -> None:
    content, reason = OTHER_FILES[kind]
    assert refusal(content).startswith(reason)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate", "packbits"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_tiff_is_read_at_its_depth(kind: type[np.integer], compression: str | None) -> None:
    values = GREY.astype(kind) * (257 if kind is np.uint16 else 1)
    content = encode(Image.fromarray(values), "TIFF", compression=compression)
    np.testing.assert_allclose(decode_radiograph(content, "a.tif").pixels, GREY / 255, atol=1e-6)


def test_colourfulness() -> None:
    grey = np.repeat(BLOBS[..., None], 3, axis=2)
    assert decode_radiograph(encode(Image.fromarray(grey)), "grey").colourfulness == 0
    noisy = decode_radiograph(encode(Image.fromarray(grey), "JPEG", quality=60), "noisy")
    assert noisy.colourfulness < 0.01
    red = grey // 2
    red[..., 0] += 100
    for min_side in (None, 40):
        photo = decode_radiograph(encode(Image.fromarray(red), "JPEG"), "red", min_side)
        assert photo.colourfulness == pytest.approx(100 / 255, rel=0.05)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 3, 3), np.uint8), "shape (2, 3, 3)"),
        (np.zeros((2, 3), np.int32), "an array of int32"),
        (np.full((2, 3), 1.5), "outside of [0, 1]"),
        (np.full((2, 3), np.nan), "outside of [0, 1]"),
        (np.zeros((0, 3), np.uint8), "no pixels"),
    ],
)
def test_other_arrays_are_refused(array: NDArray[np.generic], words: str) -> None:
    with pytest.raises(UnreadableRadiographError) as caught:
        radiograph_from_array(array, "pixels")
    assert str(caught.value).startswith("pixels: ")
    assert words in str(caught.value)


def test_a_file_of_absurd_size_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    path.touch()
    os.truncate(path, 600_000_000)
    with pytest.raises(UnreadableRadiographError, match="600 MB, larger than any radiograph"):
        read_radiograph(path)


def test_the_image_bombs_are_complete_images() -> None:
    pixels = decode_radiograph(black_png(1234, 321), "black.png").pixels
    assert pixels.shape == (321, 1234)
    assert not pixels.any()


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [9_000, 10_000, 40_000])  # Pillow passes, warns, refuses
def test_a_bomb_is_refused_by_its_header(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_: object) -> None:
        pytest.fail("the pixels were decoded")

    content = black_png(side, side)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    message = refusal(content, "bomb.png")
    assert "pixels" in message
    assert "export it" in message


def test_a_large_detector_is_no_bomb() -> None:
    assert decode_radiograph(black_png(4_288, 3_524), "full-spine.png").width == 4_288


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "really-a-png.jpeg"
    path.write_bytes(encode(Image.fromarray(GREY)))
    assert read_radiograph(path).width == 17


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "absent.png",
            "there is no such file; check its path, and --images if a table names it",
        ),
        ("nul\0.png", "there is no such file"),
        ("folder", "not a regular file"),
        ("n" * 300, "cannot be read (File name too long)"),
    ],
)
def test_a_file_that_cannot_be_opened(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UnreadableRadiographError) as caught:
        read_radiograph(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: {reason}")


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpeg")
    with pytest.raises(UnreadableRadiographError, match=r"pipe\.jpeg: not a regular file"):
        read_radiograph(tmp_path / "pipe.jpeg")


def test_a_truncated_image_is_refused_although_pillow_is_set_to_accept_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(UnreadableRadiographError, match="truncated"):
        decode_radiograph(jpeg()[:-300], "half")
