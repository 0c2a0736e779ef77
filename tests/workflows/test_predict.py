"""``pneumoscope predict``: probabilities of a Run for any images."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.training import Run


@pytest.fixture
def run(compact_run: Run, tmp_path: Path) -> Path:
    """Return a copy of the Run, without a record of test readings."""
    folder = Path(shutil.copytree(compact_run.folder, tmp_path / "compact"))
    (folder / "test_readings.csv").unlink()
    return folder


def readings(run: Path) -> list[str]:
    """Return the numbers of images that were recorded."""
    path = run / "test_readings.csv"
    return [row["images"] for row in csv.DictReader(path.open())] if path.exists() else []


def test_predictions_are_those_of_the_run_s_evaluation_and_the_reading_counts(
    pneumoscope: Callable, run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "all.parquet"
    outcome = pneumoscope("predict", run, run / "manifest.parquet", "--out", out)
    assert outcome.code == 0, outcome.err
    found = Predictions.read(out)
    known = dict(zip(found.files, found.probabilities, strict=True))
    for split in ("validation", "test"):
        recorded = Predictions.read(run / "predictions" / f"{split}.csv")
        ours = [known[file] for file in recorded.files]
        np.testing.assert_allclose(ours, recorded.probabilities, atol=1e-5)
    assert readings(run) == [str(len(recorded.files))]
    assert "reading number 1" in outcome.err
    evaluated = pneumoscope("evaluate", out, "--out", tmp_path / "e", "--draws", 100, "--quick")
    assert evaluated.code == 0, evaluated.err


def test_a_test_image_is_recognised_under_another_name_and_in_another_format(
    pneumoscope: Callable, run: Path, radiographs: Callable, phantom_dataset: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    copied, converted = radiographs(2)
    shutil.copy(copied, folder / "a.png")
    Image.open(converted).save(folder / "b.tiff")
    shutil.copy(next(phantom_dataset.glob("train/*/*.png")), folder / "c.png")
    outcome = pneumoscope("predict", run, folder / "c.png", "--out", tmp_path / "c.csv")
    assert outcome.code == 0, outcome.err
    assert readings(run) == []
    outcome = pneumoscope("predict", run, folder, "--out", tmp_path / "mine.csv")
    assert outcome.code == 0, outcome.err
    assert readings(run) == ["2"]
    rows = list(csv.DictReader((tmp_path / "mine.csv").open()))
    assert [Path(row["file"]).name for row in rows] == ["a.png", "b.tiff", "c.png"]
    assert list(rows[0]) == ["file", "probability", "run_split", "not_read"]
    assert [row["run_split"] for row in rows] == ["test", "test", "train"]
    assert "The Run used some of these images: 1 of its train split" in outcome.err


def test_a_probability_that_a_manifest_keeps_is_not_the_network_s(
    pneumoscope: Callable, run: Path, radiographs: Callable, tmp_path: Path
) -> None:
    lines = ["file,label,probability"]
    lines += [f"{path},{path.parent.name},0.01" for path in radiographs(32)]
    (tmp_path / "theirs.csv").write_text("\n".join(lines))
    manifest = tmp_path / "theirs.parquet"
    assert pneumoscope("data", "manifest", tmp_path / "theirs.csv", "--out", manifest).code == 0
    for number, source in enumerate((manifest, radiographs(1)[0].parent)):
        assert pneumoscope("predict", run, source, "--out", tmp_path / f"{number}.csv").code == 0
    by_name = [
        {row["file"]: row["probability"] for row in csv.DictReader(path.open())}
        for path in (tmp_path / "0.csv", tmp_path / "1.csv")
    ]
    shared = by_name[0].keys() & by_name[1].keys()
    assert shared
    theirs, networks = (
        [float(probabilities[name]) for name in sorted(shared)] for probabilities in by_name
    )
    np.testing.assert_allclose(theirs, networks, atol=1e-5)


def test_labelled_and_unlabelled_images_are_not_mixed(
    pneumoscope: Callable, run: Path, radiographs: Callable, tmp_path: Path
) -> None:
    sources = run / "manifest.parquet", radiographs(1)[0]
    outcome = pneumoscope("predict", run, *sources, "--out", tmp_path / "mixed.csv")
    assert (outcome.code, "predict them apart" in outcome.err) == (1, True)


def test_a_row_without_a_probability_says_why_and_evaluate_leaves_it_out(
    pneumoscope: Callable, run: Path, phantom_dataset: Path, tmp_path: Path
) -> None:
    images = sorted(phantom_dataset.glob("train/*/*.png"))
    names = [image.relative_to(phantom_dataset) for image in images]
    lines = [f"{name},{name.parent.name},F" for name in names]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["file,label,sex", *lines, "gone.png,OTHER,M"]))
    words = ("predict", run, table, "--images", phantom_dataset, "--out", tmp_path / "p.csv")
    assert "--negative OTHER" in pneumoscope(*words).err
    outcome = pneumoscope(*words, "--negative", "OTHER")
    assert outcome.code == 1  # a row has no probability
    rows = list(csv.DictReader((tmp_path / "p.csv").open()))
    columns = ["file", "label", "probability", "patient", "sex", "run_split", "not_read"]
    assert list(rows[0]) == columns
    assert (rows[-1]["label"], rows[-1]["probability"]) == ("NORMAL", "")
    assert "no such file" in rows[-1]["not_read"].lower()
    out = tmp_path / "evaluation"
    evaluated = pneumoscope("evaluate", tmp_path / "p.csv", "--out", out, "--draws", 100)
    assert evaluated.code == 0, evaluated.err
    assert f"1 of {len(rows):,} images have no probability" in evaluated.err
    assert f"n = {len(images):,} radiographs" in evaluated.out


def test_a_bundle_is_referred_to_read(
    pneumoscope: Callable, exported: Path, tmp_path: Path
) -> None:
    outcome = pneumoscope("predict", exported, tmp_path, "--out", tmp_path / "p.csv")
    assert outcome.code == 1
    assert "pneumoscope read" in outcome.err
