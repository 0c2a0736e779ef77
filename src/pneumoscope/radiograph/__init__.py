"""Decoding of radiographs: JPEG, PNG, TIFF or DICOM bytes in, a `Radiograph` out."""

from pneumoscope.radiograph.decode import (
    decode_radiograph,
    radiograph_from_array,
    radiograph_from_image,
    read_radiograph,
)
from pneumoscope.radiograph.dicom import radiograph_from_dataset
from pneumoscope.radiograph.preprocess import Resampling, prepare_pixels
from pneumoscope.radiograph.radiograph import DecodingNote, Radiograph
from pneumoscope.radiograph.stored_pixels import StoredPixels, decode_stored_pixels

__all__ = [
    "DecodingNote",
    "Radiograph",
    "Resampling",
    "StoredPixels",
    "decode_radiograph",
    "decode_stored_pixels",
    "prepare_pixels",
    "radiograph_from_array",
    "radiograph_from_dataset",
    "radiograph_from_image",
    "read_radiograph",
]
