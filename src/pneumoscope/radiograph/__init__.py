"""One image: JPEG, PNG, TIFF or DICOM bytes in, a `Radiograph` out."""

from pneumoscope.radiograph.decode import (
    decode_radiograph,
    from_array,
    from_dataset,
    read_radiograph,
)
from pneumoscope.radiograph.preprocess import Resampling, prepare_pixels
from pneumoscope.radiograph.radiograph import Radiograph
from pneumoscope.radiograph.stored_pixels import StoredPixels, original_values

__all__ = [
    "Radiograph",
    "Resampling",
    "StoredPixels",
    "decode_radiograph",
    "from_array",
    "from_dataset",
    "original_values",
    "prepare_pixels",
    "read_radiograph",
]
