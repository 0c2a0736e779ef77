import io
import struct

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from pneumoscope.radiograph import dicom_header
from pneumoscope.radiograph.dicom_header import HeaderElement, read_dicom_header
from pneumoscope.support.errors import UnreadableRadiographError

from .dicom_objects import computed_radiograph, save


def nested(depth: int) -> Dataset:
    item = Dataset()
    item.CodeValue = str(depth)
    if depth:
        item.ConceptCodeSequence = [nested(depth - 1)]
    return item


def by_tag(content: bytes) -> dict[str, HeaderElement]:
    return {element.tag: element for element in read_dicom_header(content, "chest.dcm").elements}


def test_elements_are_rows_of_text_without_the_pixels() -> None:
    content = save(
        computed_radiograph(
            WindowCenter=[2000, 500],
            PatientName="Müller^Anna",
            SpecificCharacterSet="ISO_IR 100",
            ImageComments="x" * 500 + "\x1b[31m",
        )
    )
    header = read_dicom_header(content, "chest.dcm")
    rows = by_tag(content)
    assert header.complete
    assert rows["(0010,0010)"] == HeaderElement(
        "(0010,0010)", "Patient's Name", "PN", "Müller^Anna", 0
    )
    assert rows["(0002,0010)"].value == "1.2.840.10008.1.2.1 (Explicit VR Little Endian)"
    assert rows["(0028,1050)"].value == "2000.0\\500.0"
    assert rows["(0020,4000)"].value == "x" * dicom_header.MAX_VALUE_LENGTH + " ..."
    assert "(7FE0,0010)" not in rows


def test_items_of_sequences_follow_them_to_a_depth() -> None:
    dataset = computed_radiograph(ViewCodeSequence=[nested(8)])
    rows = read_dicom_header(save(dataset), "chest.dcm").elements
    codes = [(row.value, row.depth) for row in rows if row.name == "Code Value"]
    assert codes == [("8", 1), ("7", 2), ("6", 3), ("5", 4), ("4", 5)]


@pytest.mark.parametrize("syntax", [None, DeflatedExplicitVRLittleEndian])
def test_large_headers_are_cut(syntax: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = computed_radiograph()
    for number in range(400):
        dataset.add_new(0x00111000 + number, "LO", "x" * 30)
    dataset.add_new(0x00110010, "LO", "a maker")
    if syntax:
        dataset.file_meta.TransferSyntaxUID = syntax
    content = save(dataset)
    assert read_dicom_header(content, "chest.dcm").complete
    monkeypatch.setattr(dicom_header, "MAX_ELEMENTS", 100)
    header = read_dicom_header(content, "chest.dcm")
    assert (len(header.elements), header.complete) == (100, False)
    if syntax is None:
        monkeypatch.setattr(dicom_header, "MAX_ELEMENTS", 2000)
        monkeypatch.setattr(dicom_header, "MAX_HEADER_BYTES", 4000)
        header = read_dicom_header(content, "chest.dcm")
        assert 10 < len(header.elements) < 200
        assert not header.complete


def test_damaged_values_are_named() -> None:
    dataset = computed_radiograph(StudyDate="20260101")
    content = save(dataset).replace(b"20260101", b"2026\xff\xfe!!")
    assert by_tag(content)["(0008,0020)"].vr == "DA"
    rows = struct.pack("<HH2sH", 0x0028, 0x0010, b"US", 2) + struct.pack("<H", 8)
    damaged = struct.pack("<HH2sH", 0x0028, 0x0010, b"US", 1) + b"\x08"
    cut = save(computed_radiograph()).replace(rows, damaged)
    assert by_tag(cut)["(0028,0010)"].value == "cannot be read"


def test_thousands_of_nested_sequences_are_refused() -> None:
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    sequence = struct.pack("<HH2sHL", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF)
    bomb = save(computed_radiograph()).split(b"\x28\x00\x02\x00")[0] + (sequence + item) * 50_000
    with pytest.raises(UnreadableRadiographError):
        read_dicom_header(bomb, "chest.dcm")


def test_other_files_have_no_header() -> None:
    with pytest.raises(UnreadableRadiographError, match="not a DICOM file"):
        read_dicom_header(b"\x89PNG\r\n", "chest.png")


def test_the_pixels_are_not_read() -> None:
    content = save(computed_radiograph(np.zeros((2000, 2000), np.uint16)))
    assert len(content) > dicom_header.MAX_HEADER_BYTES
    assert read_dicom_header(content, "chest.dcm").complete
    assert pydicom.dcmread(io.BytesIO(content)).Rows == 2000
