"""Sources of radiographs, and their decoding before any bundle reads them."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset

from pneumoscope.radiograph import (
    Radiograph,
    decode_radiograph,
    radiograph_from_array,
    radiograph_from_dataset,
    radiograph_from_image,
    read_radiograph,
)
from pneumoscope.radiograph.limits import MAX_BYTES
from pneumoscope.support.errors import UnreadableRadiographError


class ArrayLike(Protocol):
    """Array of another library, such as a tensor of PyTorch, that NumPy can take over."""

    def __array__(self) -> NDArray[Any]:
        """Return the values as an array of NumPy."""


Source: TypeAlias = (
    str
    | os.PathLike[str]
    | bytes
    | BinaryIO
    | NDArray[np.generic]
    | ArrayLike
    | Image.Image
    | Dataset
    | Radiograph
)
"""Path of a file, its bytes, the file opened in binary mode, an array or tensor of pixels, a Pillow
image, an opened DICOM object, or a radiograph."""


@dataclass(frozen=True)
class DecodedSource:
    """Decoded source: a radiograph, or the reason why there is none, and the time that it took."""

    radiograph: Radiograph | UnreadableRadiographError
    seconds: float


def decode_source(source: Source, min_side: int) -> DecodedSource:
    """Decode a source, whose JPEG may be reduced to a smallest side of ``min_side`` or more."""
    start = time.perf_counter()
    decoded: Radiograph | UnreadableRadiographError
    try:
        decoded = _decode(source, min_side)
    except UnreadableRadiographError as error:
        decoded = error
    return DecodedSource(decoded, time.perf_counter() - start)


def _decode(source: Source, min_side: int) -> Radiograph:
    match source:
        case Radiograph():
            return source
        case bytes() | bytearray() | memoryview():
            return decode_radiograph(bytes(source), "the bytes", min_side)
        case Dataset():
            return radiograph_from_dataset(source, "the DICOM object")
        case Image.Image():
            return radiograph_from_image(source, "the image")
        case np.ndarray():
            return radiograph_from_array(source, "the array")
        case str() | os.PathLike():
            return read_radiograph(Path(source), min_side)
    if hasattr(source, "read"):
        return decode_radiograph(_read_file(source), "the open file", min_side)
    if hasattr(source, "__array__"):
        return radiograph_from_array(_to_numpy(source), "the array")
    raise UnreadableRadiographError(
        f"a {type(source).__name__} is no radiograph; pass a path, bytes, a file in binary mode, "
        "a 2-D array, a Pillow image, or a pydicom Dataset"
    )


def _read_file(file: Any) -> bytes:
    """Return the rest of an open file, or raise if it is none of an image."""
    try:
        content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # UnicodeDecodeError of a text file is a ValueError
        raise UnreadableRadiographError(
            f"the open file: cannot be read ({error}); open it again, with mode 'rb'"
        ) from error
    if not isinstance(content, bytes):
        raise UnreadableRadiographError("the open file: opened as text; open it with mode 'rb'")
    if not content:
        raise UnreadableRadiographError(
            "the open file: it is empty or at its end; go to its start with seek(0)"
        )
    if len(content) > MAX_BYTES:
        raise UnreadableRadiographError(
            f"the open file: more than {MAX_BYTES / 1e6:,.0f} MB, larger than any radiograph; "
            "export it again"
        )
    return content


def _to_numpy(array: Any) -> NDArray[Any]:
    """Return another library's array as NumPy's; a tensor may be on a GPU or have a gradient."""
    try:
        if hasattr(array, "detach"):
            array = array.detach().cpu()
        return np.asarray(array)
    except Exception as error:  # each library has its own
        raise UnreadableRadiographError(
            f"the array: a {type(array).__name__} that NumPy cannot take over ({error}); pass an "
            "array of uint8, uint16, or floats in [0, 1]"
        ) from error
