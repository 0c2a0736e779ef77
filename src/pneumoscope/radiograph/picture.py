"""Decoding of pictures: JPEG, PNG and TIFF files."""

import io
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError
from PIL import TiffImagePlugin as Tiff

from pneumoscope.radiograph.colour import measure_colourfulness
from pneumoscope.radiograph.damage import report_damage
from pneumoscope.radiograph.greyscale import UNCERTAIN_RANGE, fits, sample_pixels
from pneumoscope.radiograph.limits import check_size
from pneumoscope.radiograph.picture_header import (
    LOSSLESS_JPEG,
    explain_unreadable,
    jpeg_frame,
    jpeg_problem,
    png_significant_bits,
    tiff_problem,
)
from pneumoscope.radiograph.radiograph import DecodingNote
from pneumoscope.radiograph.window import Window
from pneumoscope.support.errors import NotAnImageError, UnreadableRadiographError

SYNTHETIC_KEY = "Synthetic"
"""PNG text key of generated images, which show no patient."""

_MAX_SAMPLE_VALUE, _SMAX_SAMPLE_VALUE = 281, 341
"""TIFF tags (revision 6.0, sections 8 and 19)."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Upright pixels of a JPEG, PNG or TIFF file.

    Parameters
    ----------
    pixels
        Grey or colours of 8 bits, as Pillow's image of mode L or RGB; grey values of more bits as
        float32, shape (height, width), range [0, 1], 0 = black.
    synthetic
        Whether the file says that it was generated and shows no patient.
    rendering
        How grey values were made of the stored values, in words.
    notes
        Remarks about the decoding.
    """

    pixels: Image.Image | NDArray[np.float32]
    synthetic: bool
    rendering: str
    notes: tuple[DecodingNote, ...] = ()

    def grey(self) -> tuple[NDArray[np.float32], float]:
        """Return the luminance in [0, 1], shape (height, width), and the colourfulness."""
        if isinstance(self.pixels, np.ndarray):
            return self.pixels, 0.0
        if self.pixels.mode == "L":
            return np.asarray(self.pixels, np.float32) / np.float32(255), 0.0
        grey = np.asarray(self.pixels.convert("L"), np.float32) / np.float32(255)
        reduced = self.pixels.reduce(max(1, min(self.pixels.size) // 64))
        return grey, measure_colourfulness(np.asarray(reduced, np.float32) / np.float32(255))


def read_picture(content: bytes, name: str, min_side: int | None = None) -> Picture:
    """Decode the bytes of one JPEG, PNG or TIFF file; see `decode.decode_radiograph`.

    Embedded colour profiles and gamma values are not applied: the networks learnt from the stored
    values of files some of which carry a profile.
    """
    image = _open_image(content, name)
    synthetic = SYNTHETIC_KEY in image.info
    with _report_damage(name):
        if min_side is not None and min(image.size) >= 2 * min_side and _is_reducible(content):
            image.draft(image.mode, (min_side, min_side))  # only JPEGs can
        rawmode = _rawmode(image)
        tags = getattr(image, "tag_v2", {})
        ImageOps.exif_transpose(image, in_place=True)
        _refuse_transparency(image, rawmode, name)
        if image.mode.startswith("I"):
            grey, rendering, notes = _scale_deep_grey(np.asarray(image), content, tags)
            return Picture(grey, synthetic, rendering, notes)
        return _eight_bit_picture(image, rawmode, synthetic, name)


def picture_from_image(image: Image.Image, name: str) -> Picture:
    """Return the picture of an image that Pillow has opened or made, which is not changed.

    Grey of 8 bits, colours and palettes are those of `read_picture`. Other modes are refused:
    Pillow's image does not say which values are black and white.
    """
    check_size(image.height, image.width, name)
    if image.mode not in _EIGHT_BIT_MODES:
        raise UnreadableRadiographError(
            f"{name}: an image of mode {image.mode}; pass its file, an image of mode L or RGB, or "
            "an array of uint8, uint16, or floats in [0, 1]"
        )
    with _report_damage(name):
        if problem := _problem(image, b""):
            raise UnreadableRadiographError(f"{name}: {problem}")
        rawmode = _rawmode(image)
        upright = ImageOps.exif_transpose(image)
        _refuse_transparency(upright, rawmode, name)
        return _eight_bit_picture(upright, rawmode, SYNTHETIC_KEY in image.info, name)


def _eight_bit_picture(image: Image.Image, rawmode: str, synthetic: bool, name: str) -> Picture:
    pixels = _without_alpha_or_palette(image)
    if ";16" in rawmode and np.max(pixels.getextrema()) < 128:  # Pillow keeps the upper 8 bits
        raise UnreadableRadiographError(
            f"{name}: colours of 16 bits whose values fill less than half of their range; "
            "export 8 bits, or grey of 16 bits"
        )
    grey_scale = "0 to 255 from black to white"
    return Picture(
        pixels, synthetic, grey_scale if pixels.mode == "L" else "luminance of the colours"
    )


def decode_picture(content: bytes, name: str) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Decode one JPEG, PNG or TIFF file to its pixel values, without any of its metadata.

    EXIF orientation is applied. Parameters and errors are those of `decode.decode_radiograph`.

    Returns
    -------
    ndarray
        Shape (height, width), uint8 or uint16, the latter from black (0) to white (65535); for
        colours (height, width, 3), uint8.

    Examples
    --------
    >>> picture = io.BytesIO()
    >>> Image.new("L", (2, 1), color=51).save(picture, "PNG")
    >>> decode_picture(picture.getvalue(), "grey.png")
    array([[51, 51]], dtype=uint8)
    """
    pixels = read_picture(content, name).pixels
    if isinstance(pixels, np.ndarray):
        deep: NDArray[np.uint16] = np.rint(pixels * np.float32(65535)).astype(np.uint16)
        return deep
    values: NDArray[np.uint8] = np.asarray(pixels)
    return values


def _open_image(content: bytes, name: str) -> ImageFile.ImageFile:
    # Another library of this process may have turned it on; a truncated image must be refused.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    with _report_damage(name):
        try:
            image = Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "TIFF"))
        except UnidentifiedImageError as error:
            kind = NotAnImageError if content.startswith(b"%PDF") else UnreadableRadiographError
            raise kind(f"{name}: {explain_unreadable(content)}") from error
        except Image.DecompressionBombError as error:
            raise UnreadableRadiographError(
                f"{name}: far more pixels than any radiograph ({error}); export it again"
            ) from error
        check_size(image.height, image.width, name)
        if problem := _problem(image, content):
            raise UnreadableRadiographError(f"{name}: {problem}")
    return image


def _problem(image: Image.Image, content: bytes) -> str | None:
    """Return why an image that Pillow opens must not be read, and the remedy; None if it may."""
    if image.format in ("JPEG", "MPO"):  # the first image of an MPO is the photograph
        if image.mode == "CMYK" and "adobe" not in image.info:
            return "a CMYK JPEG that does not say whether its inks are inverted; export it as grey"
        return jpeg_problem(content)
    if getattr(image, "n_frames", 1) > 1:
        return "an animation or several pages; export one still image"
    return tiff_problem(image.tag_v2) if isinstance(image, Tiff.TiffImageFile) else None


def _is_reducible(content: bytes) -> bool:
    """Return whether an image may be reduced while it is decoded, if it is a JPEG."""
    return (jpeg_frame(content) or (0, 0))[0] != LOSSLESS_JPEG


def _rawmode(image: Image.Image) -> str:
    """Return Pillow's name of the layout of the stored samples; empty once they are decoded."""
    tiles = getattr(image, "tile", ())
    arguments = tiles[0].args if tiles else ""
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def _refuse_transparency(image: Image.Image, rawmode: str, name: str) -> None:
    """Raise if a pixel is transparent: what would show through is unknown."""
    if not image.has_transparency_data:
        return
    colour = image.info.get("transparency")
    if image.mode.startswith("I"):
        transparent = bool((np.asarray(image) == colour).any())
    elif colour is not None and image.mode != "P" and ";" in rawmode:
        transparent = True  # the colour is stated at the stored depth, which Pillow has changed
    else:
        mode = "LA" if image.mode in _GREY_MODES else "RGBA"
        transparent = bool(np.min(image.convert(mode).getchannel("A").getextrema()) < 255)
    if transparent:
        raise UnreadableRadiographError(
            f"{name}: parts of the image are transparent; export it without transparency"
        )


_GREY_MODES = ("1", "L", "LA", "La")
_EIGHT_BIT_MODES = (*_GREY_MODES, "P", "PA", "RGB", "RGBA", "RGBa", "RGBX")


def _without_alpha_or_palette(image: Image.Image) -> Image.Image:
    """Return an opaque image in mode L or RGB."""
    image.info.pop("transparency", None)
    if image.mode in ("L", "RGB"):
        return image
    if image.mode == "La":
        image = image.convert("LA")
    return image.convert("L" if image.mode in _GREY_MODES else "RGB")


def _scale_deep_grey(
    values: NDArray[np.integer], content: bytes, tags: Mapping[int, Any]
) -> tuple[NDArray[np.float32], str, tuple[DecodingNote, ...]]:
    """Scale grey of 12 or 16 bits to [0, 1], and remark on a range other than the bits' own."""
    low, high = int(values.min()), int(values.max())
    bits = int(np.max(tags.get(Tiff.BITSPERSAMPLE, 16)))
    signed = values.dtype == np.int32
    black, white = (
        (low, high) if signed else _unsigned_range(low, high, bits, _stated_white(content, tags))
    )
    grey = (values.astype(np.float32) - np.float32(black)) / np.float32(max(1, white - black))
    rendering = f"{black:,} to {white:,} from black to white"
    if tags.get(Tiff.PHOTOMETRIC_INTERPRETATION) == 0:  # Pillow inverts 8 bits only
        grey, rendering = np.float32(1) - grey, f"{black:,} to {white:,} from white to black"
    is_certain = low == high or fits(Window.over(black, white), sample_pixels(values))
    notes = () if is_certain else (UNCERTAIN_RANGE,)
    if (black, white) == (0, 2**bits - 1):
        return grey, rendering, notes
    message = f"its values, {low:,} to {high:,}, use a part of {bits} bits: shown {rendering}"
    return grey, rendering, (DecodingNote("range_from_values", message), *notes)


def _unsigned_range(low: int, high: int, bits: int, stated: int | None) -> tuple[int, int]:
    """Return the values shown at the ends of the grey scale.

    Values on both sides of the middle use all bits. Others are of fewer bits, or signed values with
    an offset: the stated end is taken if they reach its upper half, else their own range, as for a
    DICOM object without a window.

    Examples
    --------
    >>> _unsigned_range(200, 40_000, 16, None), _unsigned_range(200, 4_000, 16, None)
    ((0, 65535), (200, 4000))
    >>> _unsigned_range(200, 4_000, 16, 4_095), _unsigned_range(200, 4_000, 16, 65_535)
    ((0, 4095), (200, 4000))
    """
    full = 2**bits - 1
    if 2 * low < full < 2 * high:
        return 0, full
    if stated is not None and high <= stated < 2 * high:
        return 0, stated
    return low, high


def _stated_white(content: bytes, tags: Mapping[int, Any]) -> int | None:
    """Return the largest value that a picture of more than 8 bits says it may have."""
    for tag in (_SMAX_SAMPLE_VALUE, _MAX_SAMPLE_VALUE):
        if tag in tags:
            return int(np.max(tags[tag]))
    bits = png_significant_bits(content) if not tags else None
    return None if bits is None else 2**bits - 1


def _report_damage(name: str) -> AbstractContextManager[None]:
    return report_damage(f"{name}: the image is damaged", "copy it from its source again")
