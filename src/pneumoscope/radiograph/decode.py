"""Bytes of a JPEG, PNG or DICOM file in, a `Radiograph` or a reason why not out."""

import hashlib
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from pneumoscope.errors import UnreadableRadiographError
from pneumoscope.radiograph.dicom import decode_dicom, is_dicom
from pneumoscope.radiograph.limits import check_size
from pneumoscope.radiograph.radiograph import Radiograph

SYNTHETIC_KEY = "Synthetic"
"""PNG text key by which a generated image says that it shows no patient."""


def read_radiograph(path: Path, at_least: int | None = None) -> Radiograph:
    """Read and decode one file.

    Parameters
    ----------
    path
        A JPEG, PNG or DICOM file; the content decides, not the name.
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
        content = path.read_bytes()
    except PermissionError as error:
        raise UnreadableRadiographError(
            f"{path}: permission denied; make it readable (chmod +r) or run as its owner"
        ) from error
    except (FileNotFoundError, ValueError) as error:  # a name with a NUL is a ValueError
        raise UnreadableRadiographError(
            f"{path}: there is no such file; check the table's paths or pass --images"
        ) from error
    except OSError as error:
        raise UnreadableRadiographError(
            f"{path}: cannot be read ({error.strerror}); check the disk and copy the file anew"
        ) from error
    return decode_radiograph(content, str(path), at_least)


def decode_radiograph(content: bytes, name: str, at_least: int | None = None) -> Radiograph:
    """Decode the bytes of one JPEG, PNG or DICOM file.

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
        pixels, patient = decode_dicom(content, name)
        return Radiograph(pixels, sha256, patient)
    image = _open_image(content, name)
    synthetic = SYNTHETIC_KEY in image.info
    if at_least is not None and min(image.size) >= 2 * at_least:
        image.draft("L", (at_least, at_least))  # only JPEGs can; of colour it takes the luminance
    return Radiograph(_decode_image(image, name), sha256, synthetic=synthetic)


def _open_image(content: bytes, name: str) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(content), formats=("JPEG", "PNG"))
    except UnidentifiedImageError as error:
        raise UnreadableRadiographError(f"{name}: {_what_it_is(content)}") from error
    except Image.DecompressionBombError as error:
        raise UnreadableRadiographError(
            f"{name}: far more pixels than any radiograph has ({error}); export it again"
        ) from error
    except (OSError, ValueError, SyntaxError) as error:
        raise UnreadableRadiographError(_damaged(name, error)) from error
    check_size(image.height, image.width, name)
    if getattr(image, "is_animated", False):
        raise UnreadableRadiographError(f"{name}: an animation; export one still image")
    return image


def _decode_image(image: Image.Image, name: str) -> NDArray[np.float32]:
    try:
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):  # 16-bit grey
            return np.asarray(upright, np.float32) / np.float32(65535)
        if upright.mode != "L":
            upright = upright.convert("RGB").convert("L")
    except (OSError, ValueError, SyntaxError) as error:
        raise UnreadableRadiographError(_damaged(name, error)) from error
    return np.asarray(upright, np.float32) / np.float32(255)


def _damaged(name: str, error: Exception) -> str:
    return f"{name}: the image is damaged ({error}); copy it from its source again"


def _what_it_is(content: bytes) -> str:
    remedy = "export the radiograph as JPEG, PNG or DICOM"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return f"a GIF, perhaps animated; {remedy}"
    if content.startswith(b"\xff\xd8"):
        return "a JPEG whose header is damaged; copy it from its source again"
    if content.startswith(b"\x89PNG"):
        return "a PNG whose header is damaged; copy it from its source again"
    if content.startswith((b"II*\0", b"MM\0*")):
        return f"a TIFF; {remedy}"
    if content.startswith(b"%PDF"):
        return f"a PDF; {remedy}"
    if b"\0" not in content[:4096]:
        return f"text, not an image; {remedy}"
    return f"not an image that is known here; {remedy}"
