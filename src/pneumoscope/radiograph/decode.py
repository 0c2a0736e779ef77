"""Decoding of JPEG, PNG, TIFF and DICOM files, and of arrays, to a `Radiograph`."""

import hashlib
import io
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from pneumoscope.radiograph.colour import measure_colourfulness
from pneumoscope.radiograph.damage import report_damage
from pneumoscope.radiograph.dicom import radiograph_from_dataset
from pneumoscope.radiograph.dicom_file import is_dicom, open_dicom
from pneumoscope.radiograph.limits import MAX_BYTES, check_size
from pneumoscope.radiograph.radiograph import Radiograph
from pneumoscope.support.errors import UnreadableRadiographError

SYNTHETIC_KEY = "Synthetic"
"""PNG text key of generated images, which show no patient."""


def read_radiograph(path: Path, min_side: int | None = None) -> Radiograph:
    """Read and decode one file.

    Parameters
    ----------
    path
        A JPEG, PNG, TIFF or DICOM file; the content decides, not the name.
    min_side
        Smallest side that a reduced decoding may have; see `decode_radiograph`.

    Raises
    ------
    UnreadableRadiographError
        If the file cannot be opened or is not a radiograph that can be decoded.
    """
    try:
        if path.exists() and not path.is_file():  # reading a pipe would never end
            raise UnreadableRadiographError(f"{path}: not a regular file; pass images only")
        if path.stat().st_size > MAX_BYTES:
            raise UnreadableRadiographError(
                f"{path}: {path.stat().st_size / 1e6:,.0f} MB, larger than any radiograph; "
                "export it again"
            )
        content = path.read_bytes()
    except PermissionError as error:
        raise UnreadableRadiographError(
            f"{path}: permission denied; make it readable (chmod +r) or run as its owner"
        ) from error
    except (FileNotFoundError, ValueError) as error:  # a name with a NUL is a ValueError
        raise UnreadableRadiographError(
            f"{path}: there is no such file; check its path, and --images if a table names it"
        ) from error
    except OSError as error:
        raise UnreadableRadiographError(
            f"{path}: cannot be read ({error.strerror}); check the disk and copy the file anew"
        ) from error
    return decode_radiograph(content, str(path), min_side)


def decode_radiograph(content: bytes, name: str, min_side: int | None = None) -> Radiograph:
    """Decode the bytes of one JPEG, PNG, TIFF or DICOM file.

    Colours become luminance, 16-bit grey keeps its depth, EXIF orientation is applied.

    Parameters
    ----------
    content
        Bytes of the whole file.
    name
        Name of the file in error messages.
    min_side
        Smallest side in pixels to which a JPEG may be reduced by 2, 4 or 8 while it is decoded; its
        discrete cosine transform gives the means of blocks for less work than the pixels. None for
        the full size.

    Raises
    ------
    UnreadableRadiographError
        If the content is empty, truncated, larger than `limits.MAX_PIXELS`, animated,
        or of another format.

    Examples
    --------
    >>> picture = io.BytesIO()
    >>> Image.new("L", (3, 2), color=51).save(picture, "PNG")
    >>> decode_radiograph(picture.getvalue(), "grey.png").pixels
    array([[0.2, 0.2, 0.2],
           [0.2, 0.2, 0.2]], dtype=float32)
    """
    if not content:
        raise UnreadableRadiographError(f"{name}: the file is empty; copy it from its source again")
    sha256 = hashlib.sha256(content).hexdigest()
    if is_dicom(content):
        return radiograph_from_dataset(open_dicom(content, name), name, sha256)
    image = _open_image(content, name)
    synthetic = SYNTHETIC_KEY in image.info
    if min_side is not None and min(image.size) >= 2 * min_side:
        image.draft(image.mode, (min_side, min_side))  # only JPEGs can
    pixels, colourfulness = _decode_image(image, name)
    return Radiograph(pixels, sha256, synthetic=synthetic, colourfulness=colourfulness)


def decode_picture(content: bytes, name: str) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Decode one JPEG, PNG or TIFF file to its pixel values, without any of its metadata.

    EXIF orientation is applied. Parameters and errors are those of `decode_radiograph`.

    Returns
    -------
    ndarray
        Shape (height, width), uint8 or uint16; for colours (height, width, 3), uint8.

    Examples
    --------
    >>> picture = io.BytesIO()
    >>> Image.new("L", (2, 1), color=51).save(picture, "PNG")
    >>> decode_picture(picture.getvalue(), "grey.png")
    array([[51, 51]], dtype=uint8)
    """
    image = _open_image(content, name)
    with _report_damage(name):
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):  # 16-bit grey
            return np.rint(_grey_of_16_bits(upright, name) * 65535).astype(np.uint16)
        return np.asarray(upright.convert("L" if upright.mode in ("L", "1") else "RGB"))


def radiograph_from_array(array: NDArray[np.generic], name: str) -> Radiograph:
    """Make a radiograph of an array of grey values.

    Parameters
    ----------
    array
        Grey values, shape (height, width), 0 = black: uint8, uint16, or floating point in [0, 1].
    name
        Name of the array in error messages.

    Raises
    ------
    UnreadableRadiographError
        If the array has another shape, type or range.

    Examples
    --------
    >>> radiograph_from_array(np.array([[0, 255]], np.uint8), "two").pixels
    array([[0., 1.]], dtype=float32)
    """
    if array.ndim != 2:
        raise UnreadableRadiographError(
            f"{name}: an array of shape {array.shape}; pass one of shape (height, width)"
        )
    height, width = array.shape
    check_size(height, width, name)
    if array.dtype in _WHITE:
        pixels = (array.astype(np.float32) / _WHITE[array.dtype]).astype(np.float32)
    elif np.issubdtype(array.dtype, np.floating):
        pixels = array.astype(np.float32)
        if not (pixels.min() >= 0 and pixels.max() <= 1):  # negated, so that NaN is refused too
            raise UnreadableRadiographError(
                f"{name}: grey values outside of [0, 1]; scale them, 0 = black"
            )
    else:
        raise UnreadableRadiographError(
            f"{name}: an array of {array.dtype}; pass uint8, uint16, or floats in [0, 1]"
        )
    return Radiograph(pixels, hashlib.sha256(np.ascontiguousarray(array).data).hexdigest())


_WHITE = {np.dtype(np.uint8): np.float32(255), np.dtype(np.uint16): np.float32(65535)}


def _open_image(content: bytes, name: str) -> Image.Image:
    # Another library of this process may have turned it on; a truncated image must be refused.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    with _report_damage(name):
        try:
            image = Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "TIFF"))
        except UnidentifiedImageError as error:
            raise UnreadableRadiographError(f"{name}: {_unknown_format(content)}") from error
        except Image.DecompressionBombError as error:
            raise UnreadableRadiographError(
                f"{name}: far more pixels than any radiograph ({error}); export it again"
            ) from error
        check_size(image.height, image.width, name)
        if getattr(image, "n_frames", 1) > 1:
            raise UnreadableRadiographError(
                f"{name}: an animation or several pages; export one still image"
            )
    return image


def _decode_image(image: Image.Image, name: str) -> tuple[NDArray[np.float32], float]:
    """Return the grey values in [0, 1] and the colourfulness."""
    with _report_damage(name):
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):  # 16-bit grey
            return _grey_of_16_bits(upright, name), 0.0
        if upright.mode == "F":
            raise UnreadableRadiographError(
                f"{name}: grey values as floating point, of unknown range; export 8 or 16 bits"
            )
        if upright.mode in ("L", "1"):
            return np.asarray(upright.convert("L"), np.float32) / np.float32(255), 0.0
        colours = upright.convert("RGB")
        grey = np.asarray(colours.convert("L"), np.float32) / np.float32(255)
        reduced = colours.reduce(max(1, min(colours.size) // 64))
        return grey, measure_colourfulness(np.asarray(reduced, np.float32) / np.float32(255))


def _grey_of_16_bits(image: Image.Image, name: str) -> NDArray[np.float32]:
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise UnreadableRadiographError(f"{name}: grey values of more than 16 bits; export 8 or 16")
    return (values / np.float32(65535)).astype(np.float32)


def _report_damage(name: str) -> AbstractContextManager[None]:
    return report_damage(f"{name}: the image is damaged", "copy it from its source again")


def _unknown_format(content: bytes) -> str:
    """Return what a file that Pillow does not know seems to be, and the remedy."""
    remedy = "export the radiograph as JPEG, PNG, TIFF or DICOM"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return f"a GIF, perhaps animated; {remedy}"
    if content.startswith(b"\xff\xd8"):
        return "a JPEG whose header is damaged; copy it from its source again"
    if content.startswith(b"\x89PNG"):
        return "a PNG whose header is damaged; copy it from its source again"
    if content.startswith((b"II*\0", b"MM\0*")):
        return "a TIFF whose header is damaged; copy it from its source again"
    if content.startswith(b"%PDF"):
        return f"a PDF; {remedy}"
    if b"\0" not in content[:4096]:
        return f"text, not an image; {remedy}"
    return f"not an image of a known format; {remedy}"
