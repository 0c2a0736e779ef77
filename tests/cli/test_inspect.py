"""``pneumoscope inspect`` at the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def inspect(pneumoscope: Callable, exported: Path) -> Callable:
    return lambda *words: pneumoscope("inspect", *words, "--bundle", exported)


def test_a_file_is_printed_with_the_reason_if_it_fails(
    inspect: Callable, radiographs: Callable, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("text")
    outcome = inspect(radiographs(1)[0], tmp_path / "notes.txt")
    assert outcome.code == 1
    first, second = outcome.out.split(str(tmp_path / "notes.txt"), 1)
    assert "PNG" in first
    assert "population" in first
    assert "text, not an image" in second
    assert inspect(radiographs(1)[0]).code == 0


def test_json_is_an_array_of_the_files(inspect: Callable, radiographs: Callable) -> None:
    files = radiographs(2)
    objects = json.loads(inspect(*files, "--format", "json").out)
    assert [inspection["file"] for inspection in objects] == list(map(str, files))


def test_the_patient_is_printed_only_with_the_option(
    inspect: Callable, radiographs: Callable, write_dicom: Callable, tmp_path: Path
) -> None:
    file = write_dicom(tmp_path / "a.dcm", radiographs(1)[0])
    for option in ([], ["--patient"]):
        outcome = inspect(file, *option)
        assert ("Doe^Jane" in outcome.out + outcome.err) == bool(option)


def test_the_picture_is_written_once_and_for_one_file(
    inspect: Callable, radiographs: Callable, tmp_path: Path
) -> None:
    (file, other), out = radiographs(2), tmp_path / "out.png"
    assert inspect(file, "--picture", out).code == 0
    assert Image.open(out).size == Image.open(file).size
    for words in ((file, "--picture", out), (file, other, "--picture", tmp_path / "new.png")):
        outcome = inspect(*words)
        assert outcome.code == 1
        assert "must not exist" in outcome.err
    assert not (tmp_path / "new.png").exists()


def test_control_characters_of_a_file_do_not_reach_the_terminal(
    inspect: Callable, radiographs: Callable, write_dicom: Callable, tmp_path: Path
) -> None:
    file = write_dicom(tmp_path / "a.dcm", radiographs(1)[0], StudyDescription="x")
    file.write_bytes(file.read_bytes().replace(b"CHEST ", b"CH\x1b[2J"))
    assert "\x1b[2J" not in inspect(file).out
