"""Inspection of files, compared with dcmdump and with how the files were made."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.sequence import Sequence

from pneumoscope.reader import AnyReader, AutomaticReader, Reader, Status, open_reader
from pneumoscope.reader.file_description import describe_file
from pneumoscope.reader.inspection import Inspection, inspect_file, write_picture

DUMPED = {
    "0028,0002": "samples_per_pixel",
    "0028,0004": "photometric_interpretation",
    "0028,0100": "bits_allocated",
    "0028,0101": "bits_stored",
    "0028,0102": "high_bit",
}


@pytest.fixture(scope="session")
def automatic(bundles_by_age: Path) -> AnyReader:
    return AutomaticReader([open_reader(bundles_by_age / name) for name in ("default", "adults")])


@pytest.fixture
def inspect(
    write_dicom: Callable, radiographs: Callable, tmp_path: Path, automatic: AnyReader
) -> Callable[..., Inspection]:
    """Inspect a radiograph with more attributes: ``inspect(PatientAge="045Y")``."""

    def call(with_patient: bool = False, **attributes: object) -> Inspection:
        file = write_dicom(tmp_path / "radiograph.dcm", radiographs(1)[0], **attributes)
        return inspect_file(file, automatic, with_patient)

    return call


def values_of(inspection: Inspection, name: str) -> list[str]:
    return [value for line, value in inspection.lines() if line == name]


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "JPEG2000.dcm", "SC_rgb_jpeg_dcmtk.dcm", "MR_small_bigendian.dcm"]
)
def test_stated_elements_are_those_of_dcmdump(
    require_program: Callable[[str], str], name: str
) -> None:
    file = get_testdata_file(name)
    wanted = [word for tag in DUMPED for word in ("+P", tag)]
    command = [require_program("dcmdump"), *wanted, file]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    dumped = re.findall(r"\((\w{4},\w{4})\) \w\w \[?([\w ]+?)\]? *#", text)
    assert dumped
    stated = describe_file(Path(file))
    for tag, value in dumped:
        assert getattr(stated, DUMPED[tag]) == value


def test_the_transfer_syntax_and_the_kind_have_names() -> None:
    stated = describe_file(Path(get_testdata_file("JPEG2000.dcm")))
    assert stated.transfer_syntax == "JPEG 2000 Image Compression"
    assert stated.kind == "DICOM, Secondary Capture Image Storage"
    assert describe_file(Path(get_testdata_file("DICOMDIR"))).kind == (
        "DICOM, Media Storage Directory Storage"
    )


def test_windows_tables_and_rescaling_are_listed_in_their_order(inspect: Callable) -> None:
    table = write_table(np.arange(256, dtype=np.uint16) * 16)
    stated = inspect(
        WindowCenter=["128", "60"],
        WindowWidth="256",
        VOILUTSequence=Sequence([table]),
        RescaleSlope="1",
        RescaleIntercept="-1024",
        PixelPaddingValue=0,
        PresentationLUTShape="IDENTITY",
    ).stated
    assert stated.windows == ("centre 128, width 256", "centre 60, width missing")
    assert stated.voi_luts == ("256 entries, first value 0, 16 bits",)
    assert stated.modality_transformation == ("slope 1, intercept -1024",)
    assert (stated.pixel_padding, stated.presentation) == ("0", "IDENTITY")


def write_table(entries: np.ndarray) -> object:
    from pydicom import Dataset

    table = Dataset()
    table.add_new("LUTDescriptor", "US", [len(entries), 0, 16])
    table.add_new("LUTData", "OW", entries.tobytes())
    return table


def test_ignored_windows_are_notes(inspect: Callable) -> None:
    inspection = inspect(WindowCenter="30000", WindowWidth="100")
    assert any("does not fit" in note for note in values_of(inspection, "note"))
    assert values_of(inspection, "rendering") == [inspection.radiograph.rendering]
    assert inspection.radiograph.rendering


def test_each_population_says_whether_it_covers_the_patient(inspect: Callable) -> None:
    inspection = inspect(PatientAge="045Y", PatientOrientation=["L", "F"])
    assert values_of(inspection, "age") == ["adult, 45 years"]
    assert values_of(inspection, "orientation") == ["L\\F"]
    children, adults = values_of(inspection, "population")
    assert children.startswith("children: adult, 45 years; the children's network does not apply")
    assert adults.startswith("adults: covers it")


@pytest.mark.parametrize("age", ["003Y", "045Y", "010Y", ""])
def test_the_status_is_that_of_the_reader(
    inspect: Callable, automatic: AnyReader, age: str
) -> None:
    inspection = inspect(PatientAge=age)
    expected = automatic.read(inspection.file).status
    assert values_of(inspection, "status") == [expected]
    assert json.loads(inspection.to_json())["status"] == expected


def test_the_patient_is_named_only_if_asked_for(inspect: Callable) -> None:
    for with_patient in (False, True):
        inspection = inspect(with_patient, PatientBirthDate="20200102", StudyDate="20240102")
        for text in (repr(list(inspection.lines())), inspection.to_json()):
            assert ("Doe^Jane" in text) == with_patient
            assert ("4711" in text) == with_patient
            assert "20200102" not in text


def test_the_written_picture_is_the_decoded_one(
    inspect: Callable, radiographs: Callable, tmp_path: Path
) -> None:
    write_picture(tmp_path / "out.png", inspect().radiograph)
    written, original = (
        np.asarray(Image.open(file).convert("L"))
        for file in (tmp_path / "out.png", radiographs(1)[0])
    )
    np.testing.assert_array_equal(written, original)


def test_pictures_state_their_mode_and_orientation(tmp_path: Path, reader: Reader) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned, by EXIF 2.3, section 4.6.4
    Image.new("RGB", (40, 30)).save(tmp_path / "phone.jpeg", exif=exif, progressive=True)
    inspection = inspect_file(tmp_path / "phone.jpeg", reader)
    stated = inspection.stated
    assert (stated.kind, stated.photometric_interpretation) == ("JPEG, progressive", "RGB")
    assert (stated.size, stated.exif_orientation) == ("40 x 30", "6")
    assert values_of(inspection, "decoded to") == ["30 x 40"]


@pytest.mark.parametrize(
    "content",
    [b"", b"text", b"\x89PNG\r\n\x1a\n" + bytes(40), bytes(128) + b"DICM", bytes(128) + b"DICM\2"],
)
def test_an_undecodable_file_has_the_reason_and_no_picture(
    reader: Reader, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "broken"
    file.write_bytes(content)
    inspection = inspect_file(file, reader)
    assert inspection.radiograph is None
    assert inspection.reading.status is Status.FAILED
    assert values_of(inspection, "reason")
    assert values_of(inspection, "kind")
    assert inspection.populations == ()
    assert json.loads(inspection.to_json())["decoding"] is None


def test_a_missing_file_is_described_as_unknown(tmp_path: Path, reader: Reader) -> None:
    inspection = inspect_file(tmp_path / "none", reader)
    assert inspection.stated.kind == "unknown"
    assert "no such file" in values_of(inspection, "reason")[0]


@pytest.mark.timeout(10)
def test_a_pipe_is_not_waited_for(tmp_path: Path, reader: Reader) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.dcm")
    assert inspect_file(tmp_path / "pipe.dcm", reader).stated.kind == "unknown"
