"""DICOM objects of small radiographs, and what becomes of them."""

import io

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from pneumoscope.radiograph import Radiograph, decode_radiograph
from pneumoscope.support.errors import UnreadableRadiographError

STORED = np.random.default_rng(3).integers(100, 3_900, (8, 10)).astype(np.uint16)
STORED[0, :2] = 0, 4_095


def save(dataset: Dataset) -> bytes:
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()


def computed_radiograph(stored: NDArray[np.generic] = STORED, **attributes: object) -> Dataset:
    """Build a Computed Radiography object (PS3.3, A.2) around the stored values."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["radiograph"])
    dataset.PatientName = "Doe^Jane"
    dataset.PatientID = "PID-4711"
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.SamplesPerPixel = 1
    dataset.Rows, dataset.Columns = stored.shape[:2]
    dataset.BitsAllocated = dataset.BitsStored = 8 * stored.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    dataset.PixelData = stored.tobytes()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset


def decode(dataset: Dataset) -> Radiograph:
    return decode_radiograph(save(dataset), "chest.dcm")


def refusal(content: bytes) -> str:
    with pytest.raises(UnreadableRadiographError) as caught:
        decode_radiograph(content, "chest.dcm")
    assert str(caught.value).startswith("chest.dcm: ")
    return str(caught.value)


def stretched(values: NDArray[np.generic]) -> NDArray[np.float64]:
    return (values - values.min()) / float(values.max() - values.min())


def table(first: int, entries: list[int], bits: int, keyword: str) -> dict[str, object]:
    """Build a LUT sequence (PS3.3, C.11.1 and C.11.2)."""
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, bits]
    item.LUTData = np.array(entries, np.uint16).tobytes()
    if keyword == "ModalityLUTSequence":
        item.ModalityLUTType = "US"
    return {keyword: [item]}
