"""Readings of local files: labelled twice, copied, and with columns of any name."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pneumoscope.evaluation.predictions import Labels, Predictions
from pneumoscope.radiograph import read_radiograph
from pneumoscope.reader import Reader, open_reader
from pneumoscope.reader.bundle import FAMILIARITY, RefusalLimits
from pneumoscope.reader.familiarity import FeatureFamiliarity
from pneumoscope.report.estimate import Estimate
from pneumoscope.support.errors import PredictionsError
from pneumoscope.validation.local_readings import read_labelled
from pneumoscope.validation.population_comparison import compare_population


@pytest.fixture(scope="module")
def shipped() -> Reader:
    """Return the shipped reader without its limits of refusal, so that it answers for phantoms."""
    bundle = open_reader("default").bundle
    record = bundle.record.model_copy(update={"refusal": None})
    return Reader(replace(bundle, record=record), threads=2)


@pytest.fixture
def folder(shipped: Reader, radiographs: Callable, tmp_path: Path) -> Path:
    """Return a folder with five different radiographs that are read: a.png to e.png."""
    read = [path for path in radiographs(20) if shipped.read(path).probability is not None]
    for name, path in zip("abcde", read, strict=False):
        (tmp_path / f"{name}.png").write_bytes(path.read_bytes())
    return tmp_path


def copy(folder: Path, name: str, new: str) -> None:
    (folder / new).write_bytes((folder / name).read_bytes())


def labels(files: str, values: tuple[int, ...], patients: str = "", **groups: tuple) -> Labels:
    names = tuple(files.split())
    return Labels(names, values, tuple(patients.split()) or names, groups)


def test_different_files_are_not_joined(shipped: Reader, folder: Path) -> None:
    local = read_labelled(shipped, labels("a.png b.png c.png", (0, 1, 0), "p p q"), folder)
    assert local.predictions.patients == ("p", "p", "q")
    assert local.copies == 0


@pytest.mark.parametrize("again", ["./a.png", "sub/../a.png", "link.png"])
def test_two_rows_of_one_file_are_refused(shipped: Reader, folder: Path, again: str) -> None:
    (folder / "sub").mkdir()
    (folder / "link.png").symlink_to(folder / "a.png")
    with pytest.raises(PredictionsError, match=r"is the same file as a\.png") as refused:
        read_labelled(shipped, labels(f"a.png b.png {again}", (0, 1, 1)), folder)
    assert again.removeprefix("./") in str(refused.value)


def test_copies_with_different_labels_are_refused(shipped: Reader, folder: Path) -> None:
    copy(folder, "a.png", "z.png")
    with pytest.raises(PredictionsError, match=r"a\.png \(NORMAL\) and z\.png \(PNEUMONIA\)"):
        read_labelled(shipped, labels("a.png b.png z.png", (0, 1, 1)), folder)


def test_patients_who_share_copies_are_joined(shipped: Reader, folder: Path) -> None:
    # p2 has a copy of p1's image, and p3 of p2's other one: all three are joined, p4 is not.
    copy(folder, "a.png", "a2.png")
    copy(folder, "b.png", "b2.png")
    copy(folder, "b.png", "b3.png")
    files = "a.png c.png b.png a2.png b2.png d.png b3.png e.png"
    table = labels(files, (0, 1, 0, 0, 0, 1, 0, 1), "p1 p1 p2 p2 p3 p3 p3 p4")
    local = read_labelled(shipped, table, folder)
    assert local.predictions.patients == ("p1",) * 7 + ("p4",)
    assert local.copies == 3
    assert local.predictions.files == table.files
    assert local.predictions.labels.tolist() == list(table.labels)
    same = [table.files.index(name) for name in ("b.png", "b2.png", "b3.png")]
    assert len(set(local.predictions.probabilities[same].tolist())) == 1


def test_broken_files_have_a_reason_even_if_they_are_copies(shipped: Reader, folder: Path) -> None:
    for name in ("y.png", "z.png"):
        (folder / name).write_bytes(b"")
    local = read_labelled(shipped, labels("a.png y.png z.png", (0, 0, 1)), folder)
    assert [radiograph.file for radiograph in local.rejected] == ["y.png", "z.png"]
    assert local.copies == 0
    # Reports do not contain the folder.
    assert str(folder) not in repr(local.rejected)
    assert "empty" in local.rejected[0].reasons[0]


def test_outside_radiographs_are_listed_apart_and_not_evaluated(
    shipped: Reader, folder: Path
) -> None:
    (folder / "z.png").write_bytes(b"")
    files = "a.png b.png c.png d.png z.png"
    familiarity = FeatureFamiliarity.from_bytes(shipped.bundle.contents[FAMILIARITY])
    pixels = [
        shipped.preparation.square(read_radiograph(folder / name).pixels)
        for name in files.split()[:4]
    ]
    distances = familiarity.distance(shipped.run(np.stack(pixels)).features)
    limit = float(np.sort(distances)[1:3].mean())
    refusal = RefusalLimits(distance=limit, false_refusals=Estimate(0.5))
    record = shipped.bundle.record.model_copy(
        update={"familiarity_limit": limit, "refusal": refusal}
    )
    strict = Reader(replace(shipped.bundle, record=record), threads=2)
    local = read_labelled(strict, labels(files, (0, 1, 0, 1, 1)), folder)
    beyond = [
        name for name, distance in zip(files.split(), distances, strict=False) if distance > limit
    ]
    assert len(beyond) == 2
    assert [radiograph.file for radiograph in local.outside] == beyond
    assert [radiograph.file for radiograph in local.rejected] == ["z.png"]
    assert [radiograph.file for radiograph in local.unread] == [*beyond, "z.png"]
    assert all("unlike" in radiograph.reasons[0] for radiograph in local.outside)
    assert len(local.predictions.files) == 2
    shares = compare_population(local)
    assert (shares.outside.value, shares.rejected.value, shares.unread.value) == (0.4, 0.2, 0.6)


@pytest.mark.parametrize(
    ("columns", "ours"),
    [
        ((), "reading"),
        (("reading",), "reading status"),
        (("reading", "reading status"), "reading status status"),
    ],
)
def test_a_column_of_the_hospital_is_never_overwritten(
    shipped: Reader, folder: Path, columns: tuple[str, ...], ours: str
) -> None:
    groups = dict.fromkeys(columns, ("Dr A", "Dr B"))
    predictions = read_labelled(
        shipped, labels("a.png b.png", (0, 1), **groups), folder
    ).predictions
    expected = tuple(str(shipped.read(folder / name).status) for name in predictions.files)
    assert dict(predictions.groups) == groups | {ours: expected}
    predictions.write(folder / "t.csv")
    again = Predictions.read(folder / "t.csv")
    assert dict(again.groups) == dict(predictions.groups)
    np.testing.assert_array_equal(again.probabilities, predictions.probabilities)
