"""A hospital's own files: named twice, copied, and with columns of any name."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pneumoscope.evaluation.predictions import Labels, Predictions
from pneumoscope.reader import Reader, load
from pneumoscope.support.errors import PredictionsError
from pneumoscope.validation.local_readings import read_labelled


@pytest.fixture(scope="module")
def shipped() -> Reader:
    return load(threads=2)


@pytest.fixture
def ward(shipped: Reader, radiographs: Callable, tmp_path: Path) -> Path:
    """Return a folder with five different radiographs that are read: a.png to e.png."""
    read = [path for path in radiographs(20) if shipped.read(path).probability is not None]
    for name, path in zip("abcde", read, strict=False):
        (tmp_path / f"{name}.png").write_bytes(path.read_bytes())
    return tmp_path


def copy(ward: Path, name: str, new: str) -> None:
    (ward / new).write_bytes((ward / name).read_bytes())


def labels(files: str, values: tuple[int, ...], patients: str = "", **groups: tuple) -> Labels:
    names = tuple(files.split())
    return Labels(names, values, tuple(patients.split()) or names, groups)


def test_different_files_stay_as_they_are(shipped: Reader, ward: Path) -> None:
    found = read_labelled(shipped, labels("a.png b.png c.png", (0, 1, 0), "p p q"), ward)
    assert found.predictions.patients == ("p", "p", "q")
    assert found.copies == 0


@pytest.mark.parametrize("again", ["./a.png", "sub/../a.png", "link.png"])
def test_two_rows_of_one_file_are_refused(shipped: Reader, ward: Path, again: str) -> None:
    (ward / "sub").mkdir()
    (ward / "link.png").symlink_to(ward / "a.png")
    with pytest.raises(PredictionsError, match=r"is the same file as a\.png") as refused:
        read_labelled(shipped, labels(f"a.png b.png {again}", (0, 1, 1)), ward)
    assert again.removeprefix("./") in str(refused.value)


def test_copies_with_opposite_labels_are_refused(shipped: Reader, ward: Path) -> None:
    copy(ward, "a.png", "z.png")
    with pytest.raises(PredictionsError, match=r"a\.png \(NORMAL\) and z\.png \(PNEUMONIA\)"):
        read_labelled(shipped, labels("a.png b.png z.png", (0, 1, 1)), ward)


def test_copies_count_as_one_patient_and_so_do_those_that_share_them(
    shipped: Reader, ward: Path
) -> None:
    # p2 has a copy of p1's, and p3 of p2's other: all three are one; p4 is another.
    copy(ward, "a.png", "a2.png")
    copy(ward, "b.png", "b2.png")
    copy(ward, "b.png", "b3.png")
    files = "a.png c.png b.png a2.png b2.png d.png b3.png e.png"
    asked = labels(files, (0, 1, 0, 0, 0, 1, 0, 1), "p1 p1 p2 p2 p3 p3 p3 p4")
    found = read_labelled(shipped, asked, ward)
    assert found.predictions.patients == ("p1",) * 7 + ("p4",)
    assert found.copies == 3
    assert found.predictions.files == asked.files
    assert found.predictions.labels.tolist() == list(asked.labels)
    same = [asked.files.index(name) for name in ("b.png", "b2.png", "b3.png")]
    assert len(set(found.predictions.probabilities[same].tolist())) == 1


def test_broken_files_are_rows_with_a_reason_even_if_they_are_copies(
    shipped: Reader, ward: Path
) -> None:
    for name in ("y.png", "z.png"):
        (ward / name).write_bytes(b"")
    found = read_labelled(shipped, labels("a.png y.png z.png", (0, 0, 1)), ward)
    assert [one.file for one in found.rejected] == ["y.png", "z.png"]
    assert found.copies == 0
    # Where the folder lies is nobody's business.
    assert str(ward) not in repr(found.rejected)
    assert "empty" in found.rejected[0].reasons[0]


@pytest.mark.parametrize(
    ("columns", "ours"),
    [
        ((), "reading"),
        (("reading",), "reading status"),
        (("reading", "reading status"), "reading status status"),
    ],
)
def test_a_column_of_the_hospital_is_never_overwritten(
    shipped: Reader, ward: Path, columns: tuple[str, ...], ours: str
) -> None:
    theirs = dict.fromkeys(columns, ("Dr A", "Dr B"))
    found = read_labelled(shipped, labels("a.png b.png", (0, 1), **theirs), ward).predictions
    expected = tuple(str(shipped.read(ward / name).status) for name in found.files)
    assert dict(found.groups) == theirs | {ours: expected}
    found.write(ward / "t.csv")
    again = Predictions.read(ward / "t.csv")
    assert dict(again.groups) == dict(found.groups)
    np.testing.assert_array_equal(again.probabilities, found.probabilities)
