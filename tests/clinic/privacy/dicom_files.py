"""DICOM files for tests, with arbitrary attributes."""

import io
from collections.abc import Callable

import numpy as np
import pydicom
from pydicom import DataElement, Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from pneumoscope.clinic.privacy.deidentify import deidentify
from pneumoscope.clinic.privacy.pseudonyms import Pseudonyms

KEPT_SEQUENCE = "PerformedProtocolCodeSequence"
"""Sequence that is not in Table E.1-1, so that its items must be cleaned."""

VALUES: dict[str, Callable[[str], object]] = {
    "DA": lambda _: "19571103",
    "TM": lambda _: "132756",
    "DT": lambda _: "19571103132756.25",
    "AS": lambda _: "047Y",
    "DS": lambda _: "61.75",
    "IS": lambda _: "6175",
    "US": lambda _: 4711,
    "UI": lambda _: generate_uid(),
    "CS": lambda word: word.upper()[:16],
    "SH": lambda word: word[:16],
    "OB": lambda word: word.encode() * 2,
    "OW": lambda word: word.encode() * 2,
    "SQ": lambda word: [_item(word)],
}


def _item(word: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "1", "99X", word
    item.ReferencedSOPInstanceUID = generate_uid()
    return item


def make_element(keyword: str, word: str) -> DataElement:
    vr = dictionary_VR(keyword).split(" or ")[0]
    value = VALUES.get(vr, lambda text: text)(word)
    tag = tag_for_keyword(keyword)
    assert tag is not None
    return DataElement(tag, vr, value)


def radiograph(*elements: DataElement) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = ComputedRadiographyImageStorage, generate_uid()
    dataset.Modality, dataset.BodyPartExamined = "CR", "CHEST"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 4, 4, 1
    dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset["PixelData"] = DataElement("PixelData", "OW", np.arange(16, dtype="<u2").tobytes())
    for element in elements:
        dataset.add(element)
    return dataset


def file_of(dataset: Dataset, preamble: bytes = bytes(128), **meta: str) -> bytes:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    for keyword, value in meta.items():
        setattr(dataset.file_meta, keyword, value)
    content = io.BytesIO()
    pydicom.dcmwrite(content, dataset, enforce_file_format=True)
    return preamble + content.getvalue()[128:]


def deidentify_dicom(
    content: bytes, *, shift_dates: bool = False, burned_in: bool = False
) -> bytes:
    new, suffix = deidentify(
        content,
        "application/dicom",
        "P0",
        Pseudonyms("secret", "1"),
        shift_dates=shift_dates,
        burned_in=burned_in,
    )
    assert suffix == "dcm"
    return new


def read_file(content: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(content))
