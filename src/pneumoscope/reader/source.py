"""Sources of radiographs, and their decoding before any bundle reads them."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from pneumoscope.radiograph import (
    Radiograph,
    decode_radiograph,
    radiograph_from_array,
    radiograph_from_dataset,
    read_radiograph,
)
from pneumoscope.support.errors import UnreadableRadiographError

Source: TypeAlias = Path | str | bytes | NDArray[np.generic] | Dataset | Radiograph
"""Path of a file, its bytes, an array of pixels, an opened DICOM object, or a radiograph."""


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
        case bytes():
            return decode_radiograph(source, "the bytes", min_side)
        case Dataset():
            return radiograph_from_dataset(source, "the DICOM object")
        case np.ndarray():
            return radiograph_from_array(source, "the array")
        case _:
            return read_radiograph(Path(source), min_side)
