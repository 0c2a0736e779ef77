import io
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.data import get_testdata_file, get_testdata_files
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForProcessing,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
)

from pneumoscope.radiograph import (
    radiograph_from_dataset,
    read_radiograph,
)
from pneumoscope.support.errors import UnreadableRadiographError

from .dicom_objects import STORED, computed_radiograph, decode, refusal, save, stretched, table

READABLE_TEST_FILES = {
    "GDCMJ2K_TextGBR.dcm",
    "JPEGLSNearLossless_08.dcm",
    "JPEGLSNearLossless_16.dcm",
    "SC_jpeg_no_color_transform.dcm",
    "SC_jpeg_no_color_transform_2.dcm",
    "SC_rgb_dcmtk_+eb+cr.dcm",
    "SC_rgb_dcmtk_+eb+cy+n1.dcm",
    "SC_rgb_dcmtk_+eb+cy+n2.dcm",
    "SC_rgb_dcmtk_+eb+cy+np.dcm",
    "SC_rgb_dcmtk_+eb+cy+s2.dcm",
    "SC_rgb_dcmtk_+eb+cy+s4.dcm",
    "SC_rgb_gdcm_KY.dcm",
    "SC_rgb_jls_lossy_line.dcm",
    "SC_rgb_jls_lossy_sample.dcm",
    "SC_rgb_jpeg.dcm",
    "SC_rgb_jpeg_app14_dcmd.dcm",
    "SC_rgb_jpeg_dcmd.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "SC_rgb_jpeg_gdcm.dcm",
    "SC_rgb_jpeg_lossy_gdcm.dcm",
    "SC_rgb_rle.dcm",
    "SC_rgb_rle_16bit.dcm",
    "SC_rgb_rle_32bit.dcm",
    "SC_rgb_small_odd.dcm",
    "SC_rgb_small_odd_big_endian.dcm",
    "SC_rgb_small_odd_jpeg.dcm",
    "SC_ybr_full_422_uncompressed.dcm",
    "image_dfl.dcm",
}
"""Secondary captures; the others are of other modalities, or no images."""


def test_eight_bits_are_taken_as_they_are() -> None:
    stored = (STORED // 32 + 20).astype(np.uint8)
    pixels = decode(computed_radiograph(stored)).pixels
    np.testing.assert_allclose(pixels, stored / 255, atol=1e-6)


@pytest.mark.parametrize("kind", [np.uint16, np.int16])
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


@pytest.mark.parametrize(("centre", "width"), [(2_000, 2_500), (1_500, 2_800), (3_000, 3_500)])
def test_the_window_is_applied(centre: float, width: float) -> None:
    # PS3.3, C.11.2.1.2.1: the default function, LINEAR
    line = (STORED - (centre - 0.5)) / (width - 1) + 0.5
    pixels = decode(computed_radiograph(WindowCenter=centre, WindowWidth=width)).pixels
    np.testing.assert_allclose(pixels, np.clip(line, 0, 1), atol=1e-5)


def test_the_first_of_several_windows_is_applied() -> None:
    first = computed_radiograph(WindowCenter=2_000, WindowWidth=1_500)
    both = computed_radiograph(WindowCenter=[2_000, 900], WindowWidth=[1_500, 100])
    np.testing.assert_array_equal(decode(both).pixels, decode(first).pixels)


@pytest.mark.parametrize(
    ("function", "stored", "shown"),
    [  # PS3.3, C.11.2.1.3, with centre 2,000 and width 1,000, worked by hand
        ("LINEAR_EXACT", [1_400, 1_500, 1_750, 2_000, 2_500, 2_600], [0, 0, 0.25, 0.5, 1, 1]),
        ("SIGMOID", [1_750, 2_000, 2_250], [1 / (1 + np.e), 0.5, np.e / (1 + np.e)]),
    ],
)
def test_other_window_functions(function: str, stored: list[int], shown: list[float]) -> None:
    dataset = computed_radiograph(
        np.array([stored], np.uint16),
        WindowCenter=2_000,
        WindowWidth=1_000,
        VOILUTFunction=function,
    )
    np.testing.assert_allclose(decode(dataset).pixels[0], shown, atol=1e-6)


def test_a_voi_table_is_applied_and_its_bits_are_the_range() -> None:
    stored = np.array([[99, 100, 101, 102, 103, 200]], np.uint16)
    entries = [0, 512, 2_048, 4_095]
    dataset = computed_radiograph(stored, **table(100, entries, 12, "VOILUTSequence"))
    expected = np.array([0, 0, 512, 2_048, 4_095, 4_095]) / 4_095
    np.testing.assert_allclose(decode(dataset).pixels[0], expected, atol=1e-6)


def test_a_modality_table_is_applied_before_the_window() -> None:
    stored = np.array([[0, 1, 2, 3]], np.uint16)
    tables = table(0, [1_000, 1_250, 1_500, 2_000], 16, "ModalityLUTSequence")
    window = {"WindowCenter": 1_500, "WindowWidth": 1_000, "VOILUTFunction": "LINEAR_EXACT"}
    dataset = computed_radiograph(stored, **tables, **window)
    np.testing.assert_allclose(decode(dataset).pixels[0], [0, 0.25, 0.5, 1], atol=1e-6)


@pytest.mark.parametrize("kind", [np.uint16, np.int16])
def test_bits_above_the_stored_ones_are_ignored(kind: type[np.integer]) -> None:
    signed = kind is np.int16
    values = np.array([[0, 500, 1_000, 2_047]], np.int32) - (1_024 if signed else 0)
    clean = (values & 0xFFF).astype(np.uint16)
    noisy = clean | np.array([[0xF000, 0x1000, 0, 0xA000]], np.uint16)
    settings = {"BitsStored": 12, "HighBit": 11}
    dataset = computed_radiograph(noisy.view(kind), **settings)
    np.testing.assert_allclose(decode(dataset).pixels, stretched(values), atol=1e-6)


def test_padding_is_black_and_not_part_of_the_stretch() -> None:
    stored = np.array([[0, 5, 1_000, 1_500, 2_000]], np.uint16)
    for photometric in ("MONOCHROME2", "MONOCHROME1"):
        dataset = computed_radiograph(
            stored,
            PixelPaddingValue=0,
            PixelPaddingRangeLimit=10,
            PhotometricInterpretation=photometric,
        )
        shown = [0, 0.5, 1] if photometric == "MONOCHROME2" else [1, 0.5, 0]
        np.testing.assert_allclose(decode(dataset).pixels[0], [0, 0, *shown], atol=1e-6)


def test_an_inverse_presentation_shape_inverts_once() -> None:
    plain = decode(computed_radiograph()).pixels
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        dataset = computed_radiograph(
            PresentationLUTShape="INVERSE", PhotometricInterpretation=photometric
        )
        np.testing.assert_allclose(decode(dataset).pixels, 1 - plain, atol=1e-6)


def test_contradicting_ages_leave_doubt() -> None:
    dates = {"PatientBirthDate": "19800101", "StudyDate": "20250601"}
    (note,) = decode(computed_radiograph(PatientAge="003Y", **dates)).notes
    assert (note.code, note.doubtful) == ("age_contradiction", True)
    assert decode(computed_radiograph(PatientAge="045Y", **dates)).notes == ()


def test_view_laterality_and_body_part_are_kept() -> None:
    said = {"ViewPosition": "PA", "ImageLaterality": "U", "BodyPartExamined": "CHEST"}
    radiograph = decode(computed_radiograph(**said))
    assert (radiograph.view, radiograph.laterality, radiograph.body_part) == ("PA", "U", "CHEST")
    silent = decode(computed_radiograph())
    assert (silent.view, silent.laterality, silent.body_part) == (None, None, None)


@pytest.mark.parametrize("modality", ["CT", "MR", "US", "MG"])
def test_other_modalities_are_refused_by_name(modality: str) -> None:
    assert f"of modality {modality}" in refusal(save(computed_radiograph(Modality=modality)))


@pytest.mark.parametrize("modality", ["CR", "DX", "OT", ""])
def test_radiographs_and_captures_are_read(modality: str) -> None:
    assert decode(computed_radiograph(Modality=modality)).width == 10


@pytest.mark.parametrize(
    "attributes",
    [
        {"PresentationIntentType": "FOR PROCESSING", "Modality": "DX"},
        {"SOPClassUID": DigitalXRayImageStorageForProcessing},
    ],
)
def test_an_object_for_processing_is_refused(attributes: dict[str, object]) -> None:
    message = refusal(save(computed_radiograph(**attributes)))
    assert "for processing, not for viewing; send the image for presentation" in message


def test_a_deflated_object_is_read_and_a_deflated_bomb_refused() -> None:
    dataset = computed_radiograph()
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    np.testing.assert_allclose(decode(dataset).pixels, stretched(STORED), atol=1e-6)
    content = save(dataset)
    start = 144 + int.from_bytes(content[140:144], "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = b"".join(packer.compress(bytes(2**24)) for _ in range(50)) + packer.flush()
    assert "far larger than any radiograph" in refusal(content[:start] + bomb)
    # A file without the length of its meta information, which readers accept.
    assert "far larger than any radiograph" in refusal(content[:132] + content[144:start] + bomb)


def test_an_opened_object_is_read_as_its_file() -> None:
    dataset = computed_radiograph(ViewPosition="AP")
    opened, read = radiograph_from_dataset(dataset, "opened"), decode(dataset)
    np.testing.assert_array_equal(opened.pixels, read.pixels)
    assert (opened.patient, opened.view) == (read.patient, "AP")


@pytest.mark.filterwarnings("ignore")
def test_each_test_file_of_pydicom_is_read_or_refused() -> None:
    read, reasons = set(), {}
    paths = [Path(path) for path in get_testdata_files("*")]
    files = [path for path in paths if path.is_file() and path.suffix not in (".py", ".pyc")]
    assert len(files) > 60
    for path in files:
        try:
            radiograph = read_radiograph(path)
        except UnreadableRadiographError as error:
            reasons[path] = str(error)
            continue
        read.add(path.name)
        assert radiograph.pixels.ndim == 2
        assert radiograph.pixels.dtype == np.float32
        assert 0 <= radiograph.pixels.min() <= radiograph.pixels.max() <= 1
        assert radiograph.pixels.std() > 0
    for path, reason in reasons.items():
        assert reason.startswith(str(path))
        assert ";" in reason  # the remedy follows the reason
    assert read == READABLE_TEST_FILES


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name",
    [
        "MR_small_RLE.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_expb.dcm",
        "MR_small_implicit.dcm",
        "MR_small_padded.dcm",
    ],
)
def test_every_lossless_coding_of_one_image_gives_the_same_pixels(name: str) -> None:
    def as_radiograph(name: str) -> NDArray[np.float32]:
        dataset = pydicom.dcmread(get_testdata_file(name))
        dataset.Modality = "CR"
        return radiograph_from_dataset(dataset, name).pixels

    np.testing.assert_array_equal(as_radiograph(name), as_radiograph("MR_small.dcm"))


def test_jpeg_lossless_is_read() -> None:
    plain = pydicom.dcmread(get_testdata_file("SC_rgb_jpeg_gdcm.dcm"))
    assert plain.file_meta.TransferSyntaxUID == JPEGLosslessSV1
    reference = pydicom.dcmread(get_testdata_file("SC_rgb_small_odd.dcm"))
    assert radiograph_from_dataset(plain, "lossless").colourfulness > 0
    assert radiograph_from_dataset(reference, "plain").colourfulness > 0


def test_values_are_rescaled_before_the_window() -> None:
    # PS3.3, C.11.1: 2 * 500 - 1,000 = 0 and 2 * 3,500 - 1,000 = 6,000
    rescaled = computed_radiograph(
        RescaleSlope=2, RescaleIntercept=-1_000, WindowCenter=3_000.5, WindowWidth=6_001
    )
    expected = np.clip((STORED - 500.0) / 3_000, 0, 1)
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
    radiograph = decode(capture)
    np.testing.assert_allclose(radiograph.pixels, luminance / 255, atol=1e-5)
    spread = (colours.max(2).astype(int) - colours.min(2)).mean() / 255
    assert radiograph.colourfulness == pytest.approx(spread, rel=1e-4)


def test_jpeg_inside_dicom_is_what_pillow_reads() -> None:
    file = io.BytesIO()
    Image.fromarray((STORED // 16).astype(np.uint8)).resize((80, 64)).save(file, "JPEG")
    shown = np.asarray(Image.open(file)).astype(float)
    compressed = computed_radiograph(shown.astype(np.uint8))
    compressed.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    compressed.PixelData = encapsulate([file.getvalue()])
    np.testing.assert_allclose(decode(compressed).pixels, shown / 255, atol=1e-6)


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


@pytest.mark.parametrize("copies", [2, 3, 15])
def test_more_frames_than_the_object_says_are_refused(copies: int) -> None:
    """A damaged Rows does this; three frames are not three colours."""
    frames = computed_radiograph(NumberOfFrames=1)
    frames.PixelData = STORED.tobytes() * copies
    assert f"its pixels are {copies} x" in refusal(save(frames))


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
        assert radiograph.pixels.min() < 0.02
        assert radiograph.pixels.max() > 0.95
