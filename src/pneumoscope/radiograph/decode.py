"""A JPEG, PNG, TIFF or DICOM file, or an array, in; a `Radiograph` or a reason why not out."""

import hashlib
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError
from pydicom.dataset import Dataset

from pneumoscope.radiograph.colour import colourfulness_of
from pneumoscope.radiograph.dicom import DicomImage, decode_dataset, decode_dicom, is_dicom
from pneumoscope.radiograph.limits import MAX_BYTES, check_size
from pneumoscope.radiograph.radiograph import Radiograph
from pneumoscope.support.errors import UnreadableRadiographError

SYNTHETIC_KEY = "Synthetic"
"""PNG text key by which a generated image says that it shows no patient."""


def read_radiograph(path: Path, at_least: int | None = None) -> Radiograph:
    """Read and decode one file.

    Parameters
    ----------
    path
        A JPEG, PNG, TIFF or DICOM file; the content decides, not the name.
    at_least
        See `decode_radiograph`.

    Raises
    ------
    UnreadableRadiographError
        If the file cannot be opened or is not a radiograph that can be decoded.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for without end
            raise UnreadableRadiographError(f"{path}: not a regular file; pass images only")
        if path.stat().st_size > MAX_BYTES:
            raise UnreadableRadiographError(
                f"{path}: {path.stat().st_size / 1e6:,.0f} MB, more than any radiograph has; "
                "export it again"
            )
        content = path.read_bytes()
    except PermissionError as error:
        raise UnreadableRadiographError(
            f"{path}: permission denied; make it readable (chmod +r) or run as its owner"
        ) from error
    except (FileNotFoundError, ValueError) as error:  # a name with a NUL is a ValueError
        raise UnreadableRadiographError(
            f"{path}: there is no such file; check the path, or pass --images"
        ) from error
    except OSError as error:
        raise UnreadableRadiographError(
            f"{path}: cannot be read ({error.strerror}); check the disk and copy the file anew"
        ) from error
    return decode_radiograph(content, str(path), at_least)


def decode_radiograph(content: bytes, name: str, at_least: int | None = None) -> Radiograph:
    """Decode the bytes of one JPEG, PNG, TIFF or DICOM file.

    Colour is reduced to luminance, 16-bit grey is kept at its depth, orientation tags are applied.

    Parameters
    ----------
    content
        The whole file.
    name
        What messages call the file.
    at_least
        A JPEG may come at a half, a quarter or an eighth of its size, as long as both sides are at
        least so many pixels long: its own transform gives the means of blocks for less work than
        the pixels. None: at its size.

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
        return _of_dicom(decode_dicom(content, name), sha256)
    image = _open_image(content, name)
    synthetic = SYNTHETIC_KEY in image.info
    if at_least is not None and min(image.size) >= 2 * at_least:
        image.draft(image.mode, (at_least, at_least))  # only JPEGs can
    pixels, colourfulness = _decode_image(image, name)
    return Radiograph(pixels, sha256, synthetic=synthetic, colourfulness=colourfulness)


def picture_values(content: bytes, name: str) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return the values of one JPEG, PNG or TIFF file, upright, and nothing else that it says.

    Parameters
    ----------
    content
        The whole file.
    name
        What messages call the file.

    Returns
    -------
    ndarray
        uint8 or uint16 of shape (height, width), or uint8 of shape (height, width, 3) of colours.

    Raises
    ------
    UnreadableRadiographError
        As `decode_radiograph`.

    Examples
    --------
    >>> picture = io.BytesIO()
    >>> Image.new("L", (2, 1), color=51).save(picture, "PNG")
    >>> picture_values(picture.getvalue(), "grey.png")
    array([[51, 51]], dtype=uint8)
    """
    image = _open_image(content, name)
    try:
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):  # 16-bit grey
            return np.rint(_deep_grey(upright, name) * 65535).astype(np.uint16)
        return np.asarray(upright.convert("L" if upright.mode in ("L", "1") else "RGB"))
    except UnreadableRadiographError:
        raise
    except Exception as error:  # Pillow raises many kinds on damaged files
        raise UnreadableRadiographError(_damaged(name, error)) from error


def from_dataset(dataset: Dataset, name: str) -> Radiograph:
    """Decode an opened DICOM object; see `decode_dataset`.

    Raises
    ------
    UnreadableRadiographError
        If it is no radiograph that can be decoded.
    """
    try:
        stored = bytes(dataset.get("PixelData") or b"")
    except Exception:
        stored = b""  # what is wrong with it is said below
    return _of_dicom(decode_dataset(dataset, name), hashlib.sha256(stored).hexdigest())


def from_array(array: NDArray[np.generic], name: str) -> Radiograph:
    """Take pixels as they are.

    Parameters
    ----------
    array
        Shape (height, width), 0 = black: uint8, uint16, or floating point in [0, 1].
    name
        What messages call it.

    Raises
    ------
    UnreadableRadiographError
        If it has another shape, type or range.

    Examples
    --------
    >>> from_array(np.array([[0, 255]], np.uint8), "two").pixels
    array([[0., 1.]], dtype=float32)
    """
    if array.ndim != 2:
        raise UnreadableRadiographError(
            f"{name}: an array of shape {array.shape}; pass one of shape (height, width)"
        )
    height, width = array.shape
    check_size(height, width, name)
    if array.dtype in _HIGHEST:
        pixels = (array.astype(np.float32) / _HIGHEST[array.dtype]).astype(np.float32)
    elif np.issubdtype(array.dtype, np.floating):
        pixels = array.astype(np.float32)
        if not (pixels.min() >= 0 and pixels.max() <= 1):  # so written, it catches NaN too
            raise UnreadableRadiographError(
                f"{name}: grey values outside of [0, 1]; scale them, 0 = black"
            )
    else:
        raise UnreadableRadiographError(
            f"{name}: an array of {array.dtype}; pass uint8, uint16, or floats in [0, 1]"
        )
    return Radiograph(pixels, hashlib.sha256(np.ascontiguousarray(array).data).hexdigest())


_HIGHEST = {np.dtype(np.uint8): np.float32(255), np.dtype(np.uint16): np.float32(65535)}


def _of_dicom(image: DicomImage, sha256: str) -> Radiograph:
    return Radiograph(
        image.pixels,
        sha256,
        image.patient,
        view=image.view,
        laterality=image.laterality,
        body_part=image.body_part,
        colourfulness=image.colourfulness,
    )


def _open_image(content: bytes, name: str) -> Image.Image:
    # Other libraries of the process may have turned it on; half a lung is no radiograph.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        image = Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "TIFF"))
    except UnidentifiedImageError as error:
        raise UnreadableRadiographError(f"{name}: {_what_it_is(content)}") from error
    except Image.DecompressionBombError as error:
        raise UnreadableRadiographError(
            f"{name}: far more pixels than any radiograph has ({error}); export it again"
        ) from error
    except Exception as error:  # Pillow raises many kinds on damaged files
        raise UnreadableRadiographError(_damaged(name, error)) from error
    check_size(image.height, image.width, name)
    if _frames(image, name) > 1:
        raise UnreadableRadiographError(
            f"{name}: an animation or several pages; export one still image"
        )
    return image


def _frames(image: Image.Image, name: str) -> int:
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception as error:
        raise UnreadableRadiographError(_damaged(name, error)) from error


def _decode_image(image: Image.Image, name: str) -> tuple[NDArray[np.float32], float]:
    """Return grey values in [0, 1] and how coloured the picture is."""
    try:
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):  # 16-bit grey
            return _deep_grey(upright, name), 0.0
        if upright.mode == "F":
            raise UnreadableRadiographError(
                f"{name}: grey values as floating point, of unknown range; export 8 or 16 bits"
            )
        if upright.mode in ("L", "1"):
            return np.asarray(upright.convert("L"), np.float32) / np.float32(255), 0.0
        colours = upright.convert("RGB")
        grey = np.asarray(colours.convert("L"), np.float32) / np.float32(255)
        few = colours.reduce(max(1, min(colours.size) // 64))
        return grey, colourfulness_of(np.asarray(few, np.float32) / np.float32(255))
    except UnreadableRadiographError:
        raise
    except Exception as error:  # Pillow raises many kinds on damaged files
        raise UnreadableRadiographError(_damaged(name, error)) from error


def _deep_grey(image: Image.Image, name: str) -> NDArray[np.float32]:
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise UnreadableRadiographError(f"{name}: grey values of more than 16 bits; export 8 or 16")
    return (values / np.float32(65535)).astype(np.float32)


def _damaged(name: str, error: Exception) -> str:
    return f"{name}: the image is damaged ({error}); copy it from its source again"


def _what_it_is(content: bytes) -> str:
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
    return f"not an image that is known here; {remedy}"
