"""DICOM files that are made for these tests, with what ever is wanted in them."""

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
"""Not in Table E.1-1: what lies in its items must be found there."""

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


def element(keyword: str, word: str) -> DataElement:
    vr = dictionary_VR(keyword).split(" or ")[0]
    value = VALUES.get(vr, lambda text: text)(word)
    tag = tag_for_keyword(keyword)
    assert tag is not None
    return DataElement(tag, vr, value)


def radiograph(*elements: DataElement) -> Dataset:
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = ComputedRadiographyImageStorage, generate_uid()
    made.Modality, made.BodyPartExamined = "CR", "CHEST"
    made.Rows, made.Columns, made.SamplesPerPixel = 4, 4, 1
    made.PhotometricInterpretation, made.PixelRepresentation = "MONOCHROME2", 0
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 12, 11
    made["PixelData"] = DataElement("PixelData", "OW", np.arange(16, dtype="<u2").tobytes())
    for one in elements:
        made.add(one)
    return made


def as_file(made: Dataset, preamble: bytes = bytes(128), **meta: str) -> bytes:
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    for keyword, value in meta.items():
        setattr(made.file_meta, keyword, value)
    content = io.BytesIO()
    pydicom.dcmwrite(content, made, enforce_file_format=True)
    return preamble + content.getvalue()[128:]


def cleaned(content: bytes, *, shift_dates: bool = False, burned_in: bool = False) -> bytes:
    new, ending = deidentify(
        content,
        "application/dicom",
        "P0",
        Pseudonyms("secret", "1"),
        shift_dates=shift_dates,
        burned_in=burned_in,
    )
    assert ending == "dcm"
    return new


def opened(content: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(content))
