"""Files without preamble, meta information or transfer syntax, and objects that are no images."""

import io

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    EncapsulatedPDFStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    KeyObjectSelectionDocumentStorage,
    MediaStorageDirectoryStorage,
)

from pneumoscope.radiograph import decode_radiograph
from pneumoscope.radiograph.dicom_file import is_dicom
from pneumoscope.support.errors import NotAnImageError, UnreadableRadiographError

from .dicom_objects import STORED, computed_radiograph, save, stretched

UNCOMPRESSED = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]


def bare(dataset: Dataset, syntax: UID) -> bytes:
    """Return an object's data set alone, as programs write it that know no file format."""
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = STORED.astype(">u2").tobytes()
    del dataset.file_meta
    file = io.BytesIO()
    options = {"implicit_vr": syntax.is_implicit_VR, "little_endian": syntax.is_little_endian}
    pydicom.dcmwrite(file, dataset, enforce_file_format=False, **options)
    return file.getvalue()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("syntax", UNCOMPRESSED)
def test_a_data_set_alone_is_read(syntax: UID) -> None:
    content = bare(computed_radiograph(), syntax)
    assert content[128:132] != b"DICM"
    pixels = decode_radiograph(content, "chest").pixels
    np.testing.assert_allclose(pixels, stretched(STORED), atol=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("preamble", [b"", bytes(128) + b"DICM", b"DICM"])
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_meta_information_without_a_transfer_syntax_is_read(preamble: bytes, syntax: UID) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    file = io.BytesIO()
    pydicom.filewriter.write_file_meta_info(file, meta, enforce_standard=False)
    content = preamble + file.getvalue() + bare(computed_radiograph(), syntax)
    pixels = decode_radiograph(content, "chest").pixels
    np.testing.assert_allclose(pixels, stretched(STORED), atol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_a_file_without_a_preamble_but_with_meta_information_is_read() -> None:
    content = save(computed_radiograph())[132:]
    np.testing.assert_allclose(
        decode_radiograph(content, "chest").pixels, stretched(STORED), atol=1e-6
    )


@pytest.mark.filterwarnings("ignore")
def test_compressed_pixels_of_an_unstated_syntax_are_refused() -> None:
    dataset = computed_radiograph()
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PixelData = pydicom.encaps.encapsulate([bytes(16)])
    content = save(dataset)
    start = 132 + 12 + int.from_bytes(content[140:144], "little")
    with pytest.raises(UnreadableRadiographError, match="does not state how"):
        decode_radiograph(content[start:], "chest")


@pytest.mark.parametrize(
    "content", [b"", b"\x02\x00", b"\x08\x00text of a letter", b"\xff\xd8\xff"]
)
def test_other_bytes_are_no_dicom_file(content: bytes) -> None:
    assert not is_dicom(content)


def document(sop_class: UID) -> Dataset:
    made = computed_radiograph(SOPClassUID=sop_class, Modality="OT")
    del made.PixelData
    return made


@pytest.mark.parametrize(
    "sop_class",
    [
        EncapsulatedPDFStorage,
        KeyObjectSelectionDocumentStorage,
        MediaStorageDirectoryStorage,
        UID("1.2.840.10008.5.1.4.1.1.88.22"),  # Enhanced SR
        UID("1.2.840.10008.5.1.4.1.1.11.1"),  # Grayscale Softcopy Presentation State
    ],
)
def test_documents_are_no_images(sop_class: UID) -> None:
    with pytest.raises(NotAnImageError, match=rf"no image \({sop_class.name}\)"):
        decode_radiograph(save(document(sop_class)), "object.dcm")


def test_a_pdf_is_no_image() -> None:
    with pytest.raises(NotAnImageError, match="a PDF; export the radiograph"):
        decode_radiograph(b"%PDF-1.7", "letter")


def test_an_image_object_without_pixels_is_no_document() -> None:
    with pytest.raises(UnreadableRadiographError, match="without an image") as caught:
        decode_radiograph(save(document(ComputedRadiographyImageStorage)), "object.dcm")
    assert not isinstance(caught.value, NotAnImageError)


def test_the_directory_of_a_medium_is_no_image() -> None:
    path = pydicom.data.get_testdata_file("DICOMDIR")
    with open(path, "rb") as file, pytest.raises(NotAnImageError, match="Directory"):
        decode_radiograph(file.read(), "DICOMDIR")
