"""One image: JPEG, PNG, TIFF or DICOM bytes in, a `Radiograph` out."""

from pneumoscope.radiograph.decode import (
    decode_radiograph,
    from_array,
    from_dataset,
    read_radiograph,
)
from pneumoscope.radiograph.preprocess import Resampling, prepare_pixels
from pneumoscope.radiograph.radiograph import Radiograph

__all__ = [
    "Radiograph",
    "Resampling",
    "decode_radiograph",
    "from_array",
    "from_dataset",
    "prepare_pixels",
    "read_radiograph",
]
