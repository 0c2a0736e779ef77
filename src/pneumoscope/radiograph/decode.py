"""Decoding of JPEG, PNG, TIFF and DICOM files, and of arrays, to a `Radiograph`."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscope.radiograph.dicom import radiograph_from_dataset
from pneumoscope.radiograph.dicom_file import is_dicom, open_dicom
from pneumoscope.radiograph.limits import MAX_BYTES, check_size
from pneumoscope.radiograph.picture import Picture, picture_from_image, read_picture
from pneumoscope.radiograph.radiograph import Radiograph
from pneumoscope.support.errors import UnreadableRadiographError


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

    Colours become luminance, 16-bit grey keeps its depth, the orientation of EXIF or TIFF is
    applied. Grey values of 16 bits that use less than half of them are scaled by the range that
    they use, and a note of the radiograph says so.

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
        If the content is empty, truncated, larger than `limits.MAX_PIXELS`, animated, transparent,
        of another format, or of a variant that cannot be read right.

    Examples
    --------
    >>> import io
    >>> from PIL import Image
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
    return _radiograph(read_picture(content, name, min_side), sha256)


def radiograph_from_image(image: Image.Image, name: str) -> Radiograph:
    """Make a radiograph of an image that Pillow has opened or made.

    Parameters
    ----------
    image
        Image of 8 bits, grey (``L``, 0 = black) or in colours, as for `decode_radiograph`; it is
        not changed.
    name
        Name of the image in error messages.

    Raises
    ------
    UnreadableRadiographError
        If the image is damaged, animated, transparent, or of another mode.

    Examples
    --------
    >>> radiograph_from_image(Image.new("L", (2, 1), color=51), "grey").pixels
    array([[0.2, 0.2]], dtype=float32)
    """
    picture = picture_from_image(image, name)
    return _radiograph(picture, hashlib.sha256(np.asarray(picture.pixels).tobytes()).hexdigest())


def _radiograph(picture: Picture, sha256: str) -> Radiograph:
    pixels, colourfulness = picture.grey()
    return Radiograph(
        pixels,
        sha256,
        synthetic=picture.synthetic,
        rendering=picture.rendering,
        notes=picture.notes,
        colourfulness=colourfulness,
    )


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
