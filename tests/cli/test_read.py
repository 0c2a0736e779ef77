"""``pneumoscope read`` at the command line."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from pneumoscope.reader import Status
from pneumoscope.reader.table import COLUMNS

KEYS = [
    "file",
    "status",
    "reasons",
    "probability",
    "finding",
    "operating_point",
    "threshold",
    "heatmap",
    "bundle",
    "milliseconds",
    "probability_outside",
    "assumed_population",
    "low_confidence",
    "likelihood_ratio",
]


@pytest.fixture
def folder(tmp_path: Path, radiographs: Callable) -> Path:
    """Return a folder with five radiographs, a broken image and a text file."""
    folder = tmp_path / "folder"
    (folder / "night").mkdir(parents=True)
    for number, path in enumerate(radiographs(5)):
        target = folder / ("night" if number % 2 else "") / f"{number}.png"
        target.write_bytes(path.read_bytes())
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    (folder / "notes.txt").write_text("not read")
    return folder


@pytest.fixture
def read(pneumoscope: Callable, exported: Path) -> Callable:
    return lambda *words: pneumoscope("read", *words, "--bundle", exported)


def names(rows: list[dict]) -> list[str]:
    return [Path(row["file"]).name for row in rows]


@pytest.fixture
def patients(
    bundles_by_age: Path,
    radiographs: Callable,
    write_dicom: Callable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Return a folder of radiographs of a child of 3, an adult, a child of 10, and one unknown.

    The bundles that come with the package are one for children and one for adults.
    """
    monkeypatch.setattr("pneumoscope.reader.BUNDLES", bundles_by_age)
    folder = tmp_path / "patients"
    folder.mkdir()
    picture = radiographs(1)[0]
    for age in ("003Y", "045Y", "010Y"):
        write_dicom(folder / f"{age}.dcm", picture, PatientAge=age)
    shutil.copy(picture, folder / "unknown.png")
    return folder


def rows_of(text: str) -> dict[str, dict]:
    return {Path(row["file"]).stem: row for row in json.loads(text)}


def test_a_table_has_a_line_for_each_file_in_order(read: Callable, folder: Path) -> None:
    outcome = read(folder)
    assert outcome.code == 1  # one file failed
    lines = outcome.out.splitlines()
    order = ["0.png", "2.png", "4.png", "broken.png", "1.png", "3.png"]
    assert [name for line, name in zip(lines, order, strict=True) if name in line] == order
    assert lines[3].startswith("FAILED")
    assert "damaged" in lines[3]
    assert "5 read" in outcome.err or "flagged" in outcome.err
    assert "1 failed" in outcome.err
    assert "Learned from phantoms." in outcome.err


def test_all_read_is_exit_code_0(read: Callable, folder: Path) -> None:
    assert read(folder / "0.png").code == 0


def test_json_has_one_object_per_file_with_stable_keys(read: Callable, folder: Path) -> None:
    rows = json.loads(read(folder, "--format", "json", "--at", "confirm").out)
    assert [list(row) for row in rows] == [KEYS] * 6
    assert list(COLUMNS) == KEYS
    for row in rows:
        assert row["operating_point"] == "confirm"
        assert row["bundle"].startswith("phantoms@")
        assert 0 < row["threshold"] < 1
        if row["status"] == "failed":
            assert (row["probability"], row["finding"], row["heatmap"]) == (None, None, None)
            assert len(row["reasons"]) == 1
        else:
            assert 0 <= row["probability"] <= 1
            assert row["finding"] in ("pneumonia suspected", "no sign of pneumonia")
            assert row["low_confidence"] in (True, False)
            assert row["likelihood_ratio"] is None or row["likelihood_ratio"] >= 0
    assert json.loads(read(folder / "none", "--format", "json").out)[0]["status"] == "failed"


def test_an_empty_folder_is_an_empty_array(read: Callable, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    outcome = read(tmp_path / "empty", "--format", "json")
    assert (outcome.code, json.loads(outcome.out)) == (0, [])


@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "table"])
def test_a_file_receives_the_same_rows_as_the_terminal(
    read: Callable, folder: Path, tmp_path: Path, form: str
) -> None:
    out = tmp_path / "new" / f"rows.{form}"
    assert read(folder, "--format", form, "--out", out).code == 1
    shown = read(folder, "--format", form).out

    def without_times(text: str) -> list[object]:
        if form == "table":
            return text.splitlines()
        if form == "csv":
            rows = list(csv.DictReader(io.StringIO(text)))
        else:
            rows = json.loads(text if form == "json" else f"[{','.join(text.splitlines())}]")
        return [{**row, "milliseconds": 0} for row in rows]

    assert without_times(out.read_text()) == without_times(shown)
    again = read(folder, "--format", form, "--out", out)
    assert again.code == 1
    assert "the file exists" in again.err


@pytest.mark.parametrize("form", ["jsonl", "csv"])
@pytest.mark.parametrize("cut", [0, 1, 30, 400, 900])
def test_resume_skips_existing_rows_and_repairs_a_cut_line(
    read: Callable, folder: Path, tmp_path: Path, form: str, cut: int
) -> None:
    whole, half = tmp_path / "whole", tmp_path / "half"
    read(folder, "--format", form, "--out", whole)
    content = whole.read_bytes()
    half.write_bytes(content[: len(content) - cut])
    assert read(folder, "--format", form, "--out", half, "--resume").code in (0, 1)

    def files(path: Path) -> list[str]:
        text = path.read_text()
        if form == "csv":
            return names(list(csv.DictReader(io.StringIO(text))))
        return names([json.loads(line) for line in text.splitlines()])

    assert files(half) == files(whole)


def test_resume_after_a_header_alone_writes_no_second(
    read: Callable, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "rows.csv"
    out.write_text(",".join(COLUMNS) + "\n")
    read(folder, "--format", "csv", "--out", out, "--resume")
    assert out.read_text().count("operating_point") == 1


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_resume_does_not_mix_operating_points(
    read: Callable, folder: Path, tmp_path: Path, form: str
) -> None:
    out = tmp_path / "rows"
    read(folder, "--format", form, "--out", out)
    before = out.read_bytes()
    outcome = read(folder, "--format", form, "--out", out, "--resume", "--at", "confirm")
    assert outcome.code == 1
    assert "readings with operating_point screening" in outcome.err
    assert out.read_bytes() == before


ODD_NAMES = [b"caf\xe9.png", "line\u2028break.png".encode(), b"new\nline.png", b'a,"b.png']


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
def test_any_file_name_is_written_and_read_again(
    read: Callable, radiographs: Callable, tmp_path: Path, form: str
) -> None:
    folder, out = tmp_path / "folder", tmp_path / "rows"
    folder.mkdir()
    files = [Path(os.fsdecode(os.fsencode(folder) + b"/" + name)) for name in ODD_NAMES]
    for file in files:
        os.link(radiographs(1)[0], file)
    read(folder, "--format", form, "--out", out)
    text = out.read_bytes().decode(errors="surrogateescape")
    if form == "table":
        assert len(text.splitlines()) == len(files)
        return
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    else:
        rows = json.loads(text if form == "json" else f"[{','.join(text.splitlines())}]")
    assert {row["file"] for row in rows} == {str(file) for file in files}
    if form != "json":
        again = read(folder, "--format", form, "--out", out, "--resume")
        assert "no files to read; 4 were read before" in again.err


def test_a_name_in_another_encoding_reaches_a_terminal_of_utf_8(
    exported: Path, radiographs: Callable, tmp_path: Path
) -> None:
    os.link(radiographs(1)[0], os.fsencode(tmp_path) + b"/caf\xe9.png")
    words = ["read", tmp_path, "--bundle", exported, "--format", "csv"]
    command = [sys.executable, "-m", "pneumoscope", *map(str, words)]
    strict = os.environ | {"PYTHONIOENCODING": "utf-8:strict"}
    outcome = subprocess.run(command, capture_output=True, env=strict, check=False)
    assert b"caf\xe9.png" in outcome.stdout


def test_resume_leaves_other_files_alone(read: Callable, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text("not a row\n")
    outcome = read(folder, "--format", "jsonl", "--out", path, "--resume")
    assert outcome.code == 1
    assert "not a table of readings" in outcome.err
    assert path.read_text() == "not a row\n"


def test_rows_are_on_the_disk_before_the_last_file_is_read(
    exported: Path, radiographs: Callable, tmp_path: Path
) -> None:
    """A killed process loses no row that was written, and --resume adds the rest."""
    for number in range(400):
        os.link(radiographs(1)[0], tmp_path / f"{number:04}.png")
    out = tmp_path / "rows.jsonl"
    words = ["read", tmp_path, "--bundle", exported, "--format", "jsonl", "--out", out]
    command = [sys.executable, "-m", "pneumoscope", *map(str, words)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not out.exists() or out.stat().st_size < 20_000:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    before = [json.loads(line) for line in out.read_bytes().splitlines()[:-1]]
    assert 0 < len(before) < 400
    assert subprocess.run([*command, "--resume"], capture_output=True).returncode == 0
    rows = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert rows[: len(before)] == before
    assert names(rows) == [f"{number:04}.png" for number in range(400)]


def test_heat_maps_have_the_size_of_the_radiograph(
    read: Callable, folder: Path, tmp_path: Path
) -> None:
    (folder / "night" / "0.png").write_bytes((folder / "0.png").read_bytes())
    rows = json.loads(read(folder, "--format", "json", "--heatmaps", tmp_path / "maps").out)
    heatmaps = [row["heatmap"] for row in rows if row["status"] != "failed"]
    assert len(set(heatmaps)) == 6  # files of the same name have different heat maps
    for row in rows:
        if row["heatmap"]:
            with Image.open(row["heatmap"]) as picture, Image.open(row["file"]) as radiograph:
                assert picture.width == radiograph.width
                assert picture.height > radiograph.height  # the caption is below


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--at", "certain"), "no such operating point; choose screening, balanced, confirm"),
        (("--resume",), "--resume needs --out"),
    ],
)
def test_a_usage_error_says_what_to_do(
    read: Callable, folder: Path, words: tuple[str, ...], message: str
) -> None:
    outcome = read(folder, *words)
    assert outcome.code == 1
    assert message in outcome.err


def test_a_folder_without_a_bundle_is_refused(pneumoscope: Callable, folder: Path) -> None:
    outcome = pneumoscope("read", folder, "--bundle", folder)
    assert outcome.code == 1
    assert "is not a complete bundle" in outcome.err


def test_the_age_decides_which_bundle_reads(pneumoscope: Callable, patients: Path) -> None:
    outcome = pneumoscope("read", patients, "--format", "json")
    rows = rows_of(outcome.out)
    assert outcome.code == 1  # one is outside
    bundles = {stem: row["bundle"].split("@")[0] for stem, row in rows.items()}
    assert bundles == {
        "003Y": "children",
        "045Y": "adults",
        "010Y": "children",
        "unknown": "children",
    }
    assumed = {stem: row["assumed_population"] for stem, row in rows.items()}
    assert assumed == {"003Y": None, "045Y": None, "010Y": None, "unknown": "children"}
    assert outcome.err.count("age unknown (1 of 4 files): read with the children's network") == 1


def test_one_bundle_does_not_read_other_ages(pneumoscope: Callable, patients: Path) -> None:
    outcome = pneumoscope("read", patients / "045Y.dcm", "--bundle", "default")
    assert outcome.code == 1
    (line,) = outcome.out.splitlines()
    assert line.startswith("NOT READ ")
    assert line.endswith("adult, 45 years; the children's network does not apply")
    assert "%" not in line
    assert "1 outside" in outcome.err
    assert "age unknown" not in outcome.err
    assert pneumoscope("read", patients / "045Y.dcm", "--bundle", "adults").code == 0


@pytest.mark.parametrize("form", ["table", "csv", "json", "jsonl"])
@pytest.mark.parametrize("shown", [False, True])
def test_the_output_outside_is_in_json_and_elsewhere_if_asked_for(
    pneumoscope: Callable, patients: Path, form: str, shown: bool
) -> None:
    option = ["--show-probability-outside"] * shown
    out = pneumoscope("read", patients / "010Y.dcm", "--format", form, *option).out
    if form == "table":
        assert ("output of the network" in out) == shown
        assert ("%" in out) == shown
        return
    if form == "csv":
        (row,) = csv.DictReader(io.StringIO(out))
    else:
        row = json.loads(out.strip("[] \n"))
    assert not row["probability"]
    assert (row["probability_outside"] not in ("", None)) == (shown or form != "csv")


def test_only_read_and_flagged_radiographs_have_probability_finding_and_heat_map(
    pneumoscope: Callable, patients: Path, tmp_path: Path
) -> None:
    (patients / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    Image.new("L", (300, 300), 90).save(patients / "blank.png")
    words = ["--format", "json", "--heatmaps", tmp_path / "maps"]
    rows = rows_of(pneumoscope("read", patients, *words).out)
    statuses = {row["status"] for row in rows.values()}
    assert statuses >= {Status.OUTSIDE, Status.REJECTED, Status.FAILED}
    assert statuses & {Status.READ, Status.FLAGGED}
    for row in rows.values():
        answers = [row[name] is not None for name in ("probability", "finding", "heatmap")]
        assert set(answers) == {row["status"] in (Status.READ, Status.FLAGGED)}
        assert (row["probability_outside"] is not None) == (row["status"] == Status.OUTSIDE)
    written = {str(file) for file in (tmp_path / "maps").iterdir()}
    assert written == {row["heatmap"] for row in rows.values() if row["heatmap"]}


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_resume_continues_rows_of_several_bundles(
    pneumoscope: Callable, patients: Path, tmp_path: Path, form: str
) -> None:
    out = tmp_path / "rows"
    words = ["--format", form, "--out", out]
    pneumoscope("read", patients / "003Y.dcm", patients / "045Y.dcm", *words)
    outcome = pneumoscope("read", patients, *words, "--resume")
    assert "2 were read before" in outcome.err
    assert len(out.read_text().splitlines()) == 4 + (form == "csv")
    outcome = pneumoscope("read", patients, *words, "--resume", "--bundle", "default")
    assert outcome.code == 1
    assert "it has readings with bundle adults@" in outcome.err


NOT_IMAGES = ("DICOMDIR", "reportsi.dcm", "test-SR.dcm")
"""Files of pydicom's test data: a directory and two structured reports."""


def test_files_of_a_folder_that_are_not_images_are_passed_over(
    pneumoscope: Callable, patients: Path
) -> None:
    for name in NOT_IMAGES:
        shutil.copy(get_testdata_file(name), patients / name)
    (patients / "010Y.dcm").unlink()
    outcome = pneumoscope("read", patients)
    assert outcome.code == 0
    assert "3 not images" in outcome.err
    assert len(outcome.out.splitlines()) == 3
    outcome = pneumoscope("read", patients, patients / "DICOMDIR")
    assert outcome.code == 1
    assert [line.split()[0] for line in outcome.out.splitlines()].count("FAILED") == 2
