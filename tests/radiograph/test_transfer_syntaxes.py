"""One radiograph in each transfer syntax that DCMTK and GDCM write, and as DCMTK decodes it."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CalledProcessError

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.data import get_testdata_files
from pydicom.dataset import Dataset
from scipy.ndimage import gaussian_filter
from scipy.special import logit

from pneumoscope.radiograph import decode_radiograph, read_radiograph
from pneumoscope.reader import load

from .conftest import DcmtkRenderer, RunProgram
from .dicom_objects import computed_radiograph, save

NOISE = gaussian_filter(np.random.default_rng(5).normal(size=(96, 112)), 5)
SMOOTH = np.rint((NOISE - NOISE.min()) / np.ptp(NOISE) * 4095).astype(np.uint16)
"""A smooth image of 12 bits, in which lossy codings change little."""

LOSSLESS = {
    "implicit VR": ("dcmconv", "+ti"),
    "big endian": ("dcmconv", "+tb"),
    "deflated": ("dcmconv", "+td"),
    "without meta information": ("dcmconv", "-F"),
    "without meta information, implicit VR": ("dcmconv", "-F", "+ti"),
    "RLE": ("dcmcrle",),
    "JPEG Lossless, first order": ("dcmcjpeg", "+e1"),
    "JPEG Lossless, process 14": ("dcmcjpeg", "+el"),
    "JPEG-LS": ("dcmcjpls",),
    "JPEG 2000": ("gdcmconv", "--j2k"),
    "JPEG-LS by GDCM": ("gdcmconv", "--jpegls"),
    "RLE by GDCM": ("gdcmconv", "--rle"),
}
LOSSY = {
    "JPEG Extended of 12 bits": ("dcmcjpeg", "+ee"),
    "JPEG-LS, near lossless": ("dcmcjpls", "+en", "+md", "2"),
}


def twelve_bits(stored: NDArray[np.integer] = SMOOTH, **attributes: object) -> Dataset:
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    return computed_radiograph(stored, **{"BitsStored": 12, "HighBit": 11} | window | attributes)


@pytest.fixture
def convert(run_program: RunProgram, tmp_path: Path) -> Callable[..., bytes]:
    """Return a function that writes an object in another transfer syntax."""

    def convert(dataset: Dataset, program: str, *options: str) -> bytes:
        source, target = tmp_path / "source.dcm", tmp_path / "converted.dcm"
        source.write_bytes(save(dataset))
        run_program(program, *options, source, target)
        return target.read_bytes()

    return convert


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("command", LOSSLESS.values(), ids=LOSSLESS)
def test_lossless_codings_give_the_same_pixels(
    convert: Callable[..., bytes], command: tuple[str, ...]
) -> None:
    dataset = twelve_bits()
    expected = decode_radiograph(save(dataset), "plain").pixels
    pixels = decode_radiograph(convert(dataset, *command), "converted").pixels
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("command", LOSSY.values(), ids=LOSSY)
def test_lossy_codings_give_nearly_the_same_pixels(
    convert: Callable[..., bytes], dcmtk_render: DcmtkRenderer, command: tuple[str, ...]
) -> None:
    dataset = twelve_bits()
    content = convert(dataset, *command)
    pixels = decode_radiograph(content, "converted").pixels
    np.testing.assert_allclose(pixels, dcmtk_render(content, "+Wi", "1"), atol=3e-5)
    np.testing.assert_allclose(pixels, SMOOTH / 4095, atol=0.01)


@pytest.mark.parametrize("shift", [0, 4])
@pytest.mark.parametrize("command", [("dcmcjpeg", "+e1"), ("dcmcjpeg", "+el"), ("dcmcjpls",)])
def test_streams_of_more_bits_than_stored_keep_them(
    convert: Callable[..., bytes], command: tuple[str, ...], shift: int
) -> None:
    """Values that fill 16 bits, of which 12 are the upper ones, or all, stated as 12."""
    stored = SMOOTH * np.uint16(16)
    dataset = computed_radiograph(stored, BitsStored=12, HighBit=11 + shift)
    pixels = decode_radiograph(convert(dataset, *command), "converted").pixels
    np.testing.assert_allclose(pixels, SMOOTH / 4095, atol=1e-6)


def test_jpeg_baseline_is_what_dcmtk_decodes(
    convert: Callable[..., bytes], dcmtk_render: DcmtkRenderer
) -> None:
    dataset = computed_radiograph((SMOOTH // 16).astype(np.uint8))
    content = convert(dataset, "dcmcjpeg", "+eb", "+un")
    pixels = decode_radiograph(content, "converted").pixels
    np.testing.assert_allclose(pixels, dcmtk_render(content), atol=1.5 / 255)


def test_a_picture_wrapped_by_dcmtk_keeps_its_pixels(
    run_program: RunProgram, shared_data: Path, tmp_path: Path
) -> None:
    picture = sorted((shared_data / "chest_xray/test/NORMAL").glob("*.jpeg"))[0]
    target = tmp_path / "wrapped.dcm"
    run_program("img2dcm", picture, target)
    radiograph = read_radiograph(target)
    np.testing.assert_allclose(radiograph.pixels, read_radiograph(picture).pixels, atol=1.5 / 255)


@pytest.mark.parametrize("name", ["RG2_JLSL", "RG2_RLE", "RG3_JPLL", "RG3_JPLY"])
def test_the_working_group_s_files_are_those_of_dcmtk(
    shared_data: Path, dcmtk_render: DcmtkRenderer, name: str
) -> None:
    content = (shared_data / f"dicom/wg04/{name}.dcm").read_bytes()
    pixels = decode_radiograph(content, name).pixels
    differs = np.abs(pixels - dcmtk_render(content, "+Wi", "1")) > 3e-5
    # Lossy coding made 1023 of 10 bits to 1024 in 8 pixels of JPLY, which DCMTK wraps to 0.
    assert differs.sum() == (8 if name == "RG3_JPLY" else 0)


OTHER_VALUES = {
    "greys inverted": (4095 - SMOOTH, {"PhotometricInterpretation": "MONOCHROME1"}),
    "greys from -2048 on": ((SMOOTH - 2048.0).astype(np.int16), {"WindowCenter": 0}),
    "window that leaves out most greys": (SMOOTH, {"WindowCenter": 128, "WindowWidth": 256}),
}


@pytest.mark.parametrize(("stored", "attributes"), OTHER_VALUES.values(), ids=OTHER_VALUES)
def test_the_same_greys_from_other_stored_values(
    stored: NDArray[np.integer], attributes: dict[str, object]
) -> None:
    """A window that would clip the image is not used, and the image's own range is: 0 to 4095."""
    pixels = decode_radiograph(save(twelve_bits(stored, **attributes)), "other values").pixels
    np.testing.assert_allclose(pixels, SMOOTH / 4095, atol=2e-4)


@pytest.mark.filterwarnings("ignore")
def test_one_radiograph_has_one_probability(
    convert: Callable[..., bytes], shared_data: Path
) -> None:
    """The same in each lossless transfer syntax; nearly the same where greys differ by rounding.

    Rounding, and lossy coding, move the log-odds of an 8-bit network and the edge of the lungs that
    it sees.
    """
    reader = load("default")
    for folder in ("NORMAL", "PNEUMONIA"):
        path = sorted((shared_data / "chest_xray/val" / folder).glob("*.jpeg"))[0]
        grey = read_radiograph(path).pixels
        expected = reader.read(path).probability
        stored = np.rint(grey * 255).astype(np.uint8)
        assert reader.read(save(computed_radiograph(stored))).probability == expected
        deep = np.rint(grey * 4095).astype(np.uint16)
        coded = [convert(twelve_bits(deep), *command) for command in LOSSLESS.values()]
        plain = reader.read(save(twelve_bits(deep))).probability
        assert [reading.probability for reading in reader.read_many(coded)] == [plain] * len(coded)
        lossy = [convert(twelve_bits(deep), *command) for command in LOSSY.values()]
        others = [plain, *(reading.probability for reading in reader.read_many(lossy))]
        np.testing.assert_allclose(logit(others), logit(expected), atol=0.6)


def comparable(path: Path) -> Dataset | None:
    """Return an object of pydicom as a computed radiograph that DCMTK stretches as we do."""
    dataset = pydicom.dcmread(path, force=True)
    if (
        not str(dataset.get("PhotometricInterpretation", "")).startswith("MONOCHROME")
        or int(dataset.get("NumberOfFrames") or 1) > 1
        or "PixelPaddingValue" in dataset  # DCMTK's range includes padding
        or not 8 < dataset.BitsStored <= 16
    ):
        return None
    dataset.Modality = "CR"
    for keyword in ("WindowCenter", "WindowWidth", "VOILUTSequence"):
        dataset.pop(keyword, None)
    return dataset


@pytest.mark.filterwarnings("ignore")
def test_the_test_files_of_pydicom_are_those_of_dcmtk(dcmtk_render: DcmtkRenderer) -> None:
    compared = set()
    for path in map(Path, get_testdata_files("*.dcm")):
        if path.name == "MR_truncated.dcm":  # refused here, completed by DCMTK
            continue
        try:
            if (dataset := comparable(path)) is None:
                continue
            content = save(dataset)
            expected = dcmtk_render(content, "+Wm")
        except (AttributeError, ValueError, CalledProcessError):  # not a complete file
            continue
        pixels = decode_radiograph(content, path.name).pixels
        np.testing.assert_allclose(pixels, expected, atol=5e-4, err_msg=path.name)
        compared.add(path.name)
    assert len(compared) > 10
