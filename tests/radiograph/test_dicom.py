import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    generate_uid,
)

from pneumoscope.errors import UnreadableRadiographError
from pneumoscope.radiograph import Radiograph, decode_radiograph, read_radiograph

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


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16])
def test_the_stored_range_becomes_0_to_1(kind: type[np.integer]) -> None:
    stored = (STORED // 16 - (120 if kind is np.int16 else 0)).astype(kind)
    pixels = decode(computed_radiograph(stored)).pixels
    assert pixels.dtype == np.float32
    np.testing.assert_allclose(pixels, stretched(stored.astype(float)), atol=1e-6)


def test_monochrome1_is_the_inverse_of_monochrome2() -> None:
    plain = decode(computed_radiograph()).pixels
    inverse = decode(computed_radiograph(PhotometricInterpretation="MONOCHROME1")).pixels
    np.testing.assert_allclose(inverse, 1 - plain, atol=1e-6)
    assert inverse[0, 0] == 1  # the lowest stored value is the brightest


@pytest.mark.parametrize(("centre", "width"), [(2_000, 1_500), (1_000, 400), (3_000, 2)])
def test_the_window_is_applied(centre: float, width: float) -> None:
    # PS3.3, C.11.2.1.2.1: the default function, LINEAR
    line = (STORED - (centre - 0.5)) / (width - 1) + 0.5
    pixels = decode(computed_radiograph(WindowCenter=centre, WindowWidth=width)).pixels
    np.testing.assert_allclose(pixels, np.clip(line, 0, 1), atol=1e-5)


def test_the_first_of_several_windows_is_applied() -> None:
    first = computed_radiograph(WindowCenter=2_000, WindowWidth=1_500)
    both = computed_radiograph(WindowCenter=[2_000, 900], WindowWidth=[1_500, 100])
    np.testing.assert_array_equal(decode(both).pixels, decode(first).pixels)


def test_values_are_rescaled_before_the_window() -> None:
    # PS3.3, C.11.1: 2 * 1,500 - 1,000 = 2,000 and 2 * 2,500 - 1,000 = 4,000
    rescaled = computed_radiograph(
        RescaleSlope=2, RescaleIntercept=-1_000, WindowCenter=3_000.5, WindowWidth=2_001
    )
    expected = np.clip((STORED - 1_500.0) / 1_000, 0, 1)
    np.testing.assert_allclose(decode(rescaled).pixels, expected, atol=1e-5)


def test_a_negative_slope_inverts() -> None:
    plain = decode(computed_radiograph()).pixels
    negative = decode(computed_radiograph(RescaleSlope=-1, RescaleIntercept=4_095)).pixels
    np.testing.assert_allclose(negative, 1 - plain, atol=1e-6)


def test_one_value_everywhere_is_black() -> None:
    assert not decode(computed_radiograph(np.full((4, 4), 7, np.uint16))).pixels.any()


def test_a_colour_capture_becomes_luminance() -> None:
    colours = np.random.default_rng(4).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    capture = computed_radiograph(
        colours, PhotometricInterpretation="RGB", SamplesPerPixel=3, PlanarConfiguration=0
    )
    luminance = colours @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(decode(capture).pixels, stretched(luminance), atol=1e-5)


def test_jpeg_inside_dicom_is_what_pillow_reads() -> None:
    file = io.BytesIO()
    Image.fromarray((STORED // 16).astype(np.uint8)).resize((80, 64)).save(file, "JPEG")
    shown = np.asarray(Image.open(file)).astype(float)
    compressed = computed_radiograph(shown.astype(np.uint8))
    compressed.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    compressed.PixelData = encapsulate([file.getvalue()])
    np.testing.assert_allclose(decode(compressed).pixels, stretched(shown), atol=1e-6)


def test_patients_are_pseudonyms() -> None:
    other_picture = computed_radiograph(STORED.T.copy(), PatientName="Doe^J")
    first, second = decode(computed_radiograph()).patient, decode(other_picture).patient
    assert first is not None
    assert first == second
    assert "4711" not in first
    assert "doe" not in first.lower()
    assert decode(computed_radiograph(PatientID="PID-4712")).patient != first


@pytest.mark.parametrize("nobody", [{"PatientID": ""}, {"PatientID": None}, {}])
def test_no_patient_id_is_no_patient(nobody: dict[str, object]) -> None:
    dataset = computed_radiograph(**nobody)
    if not nobody:
        del dataset.PatientID
    assert decode(dataset).patient is None


def test_several_frames_are_refused() -> None:
    frames = computed_radiograph(NumberOfFrames=2)
    frames.PixelData = STORED.tobytes() * 2
    assert "several frames; export the one radiograph" in refusal(save(frames))
    assert decode(computed_radiograph(NumberOfFrames=1)).width == 10


def test_an_object_without_pixels_is_refused() -> None:
    report = computed_radiograph()
    del report.PixelData
    assert "without an image" in refusal(save(report))


def test_a_bomb_is_refused_by_its_header() -> None:
    assert "40,000 x 40,000 pixels" in refusal(
        save(computed_radiograph(Rows=40_000, Columns=40_000))
    )
    assert "no pixels" in refusal(save(computed_radiograph(Rows=0)))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kept", [133, 150, 300, 450, -120, -20])
def test_a_truncated_object_is_refused(kept: int) -> None:
    message = refusal(save(computed_radiograph())[:kept])
    assert "export it again" in message or "a file cut short" in message


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("slope", [b"nan ", b"inf ", b"1e99999 "])
def test_grey_values_must_be_numbers(slope: bytes) -> None:
    content = save(computed_radiograph(RescaleSlope="12345678"[: len(slope)], RescaleIntercept=0))
    assert "export it again" in refusal(content.replace(b"12345678"[: len(slope)], slope))


def test_a_damaged_patient_id_is_refused_without_being_quoted() -> None:
    content = save(computed_radiograph(PatientID="PID-42"))
    text, numbers = b"\x10\0\x20\0LO", b"\x10\0\x20\0UL"  # six bytes are no 32-bit numbers
    assert content.count(text) == 1
    message = refusal(content.replace(text, numbers))
    assert "Patient ID of the DICOM object is damaged; export it again" in message
    assert "PID-42" not in message


def test_a_missing_photometric_interpretation_is_refused() -> None:
    dataset = computed_radiograph()
    del dataset.PhotometricInterpretation
    assert "export it again" in refusal(save(dataset))


def test_real_objects(shared_data: Path) -> None:
    folder = shared_data / "dicom"
    chest = read_radiograph(folder / "rsna_pneumonia_challenge.dcm")
    inverse = read_radiograph(folder / "monochrome1_synthetic.dcm")
    small = read_radiograph(folder / "dx_image.dcm")
    assert (chest.height, chest.width) == (1024, 1024)
    np.testing.assert_allclose(inverse.pixels, 1 - chest.pixels, atol=1e-6)
    assert (small.height, small.width) == (169, 211)
    assert chest.patient == inverse.patient != small.patient
    for radiograph in (chest, inverse, small):
        assert radiograph.pixels.min() == 0
        assert radiograph.pixels.max() == 1
