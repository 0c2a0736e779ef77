"""Damaged bytes give a Radiograph or an UnreadableRadiographError, and nothing else."""

import io

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

from pneumoscope.radiograph import decode_radiograph
from pneumoscope.support.errors import UnreadableRadiographError

PIXELS = np.random.default_rng(5).integers(0, 256, (12, 9), dtype=np.uint8)


def picture(kind: str, pixels: np.ndarray = PIXELS, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def turned_jpeg() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture("JPEG", exif=exif)


def described_png() -> bytes:
    note = PngInfo()
    note.add_text("Comment", "a chest", zip=True)
    return picture("PNG", PIXELS.astype(np.uint16) * 257, pnginfo=note)


def dicom() -> bytes:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = "1.2.3.4"
    dataset.PatientID = "PID-4711"
    dataset.PhotometricInterpretation = "MONOCHROME1"
    dataset.SamplesPerPixel, dataset.NumberOfFrames = 1, 1
    dataset.Rows, dataset.Columns = PIXELS.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelRepresentation = 0
    dataset.WindowCenter, dataset.WindowWidth = 120, 200
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    dataset.PixelData = PIXELS.tobytes()
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()


WHOLE = {"jpeg": turned_jpeg(), "png": described_png(), "dicom": dicom()}
# Offset of the header, where damage matters most: a DICOM file starts with 128 unused bytes.
START = {"jpeg": 0, "png": 0, "dicom": 128}


@st.composite
def damaged(draw: st.DrawFn, kind: str) -> bytes:
    content = bytearray(WHOLE[kind])
    places = st.integers(START[kind], len(content) - 1)
    for place, byte in draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=6)):
        content[place] = byte
    start, length = draw(st.tuples(places, st.sampled_from([0, 0, 0, 1, 2, 40])))
    if draw(st.booleans()):
        del content[start : start + length]
    else:
        content[start:start] = draw(st.binary(min_size=length, max_size=length))
    kept = draw(st.sampled_from([None, None, None, *range(0, len(content), 29)]))
    return bytes(content[:kept])


def check(content: bytes) -> None:
    refusal = None
    try:
        pixels = decode_radiograph(content, "chest").pixels
    except UnreadableRadiographError as error:
        refusal = str(error)
    if refusal is None:
        assert pixels.dtype == np.float32
        assert pixels.ndim == 2
        assert pixels.min() >= 0
        assert pixels.max() <= 1
    else:
        assert refusal.startswith("chest: ")
        assert ";" in refusal, "a remedy follows the reason"


@pytest.mark.parametrize("kind", WHOLE)
def test_undamaged_files_are_radiographs(kind: str) -> None:
    shape = PIXELS.shape[::-1] if kind == "jpeg" else PIXELS.shape
    assert decode_radiograph(WHOLE[kind], "chest").pixels.shape == shape


hypothesis_settings = settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@hypothesis_settings
@example(turned_jpeg().replace(b"Exif\0\0MM\0*", b"Exif\0\0MM\0+"))
@given(damaged("jpeg"))
def test_damaged_jpeg(content: bytes) -> None:
    check(content)


@hypothesis_settings
@given(damaged("png"))
def test_damaged_png(content: bytes) -> None:
    check(content)


@pytest.mark.filterwarnings("ignore")
@hypothesis_settings
@given(damaged("dicom"))
def test_damaged_dicom(content: bytes) -> None:
    check(content)
