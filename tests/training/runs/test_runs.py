"""``pneumoscope runs``: listing, comparison and removal of Runs."""

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import recall_score, roc_auc_score

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.training import Run


@pytest.fixture
def two_runs(compact_run: Run, tmp_path: Path) -> tuple[Path, Path]:
    """Return two Runs on the same images, the second with other predictions and settings."""
    first, second = (tmp_path / "runs" / name / "compact" for name in ("a", "b"))
    for folder in (first, second):
        shutil.copytree(compact_run.folder, folder)
    table = Predictions.read(second / "predictions" / "validation.csv")
    shuffled = np.random.default_rng(0).permutation(table.probabilities)
    Predictions(table.files, table.labels, shuffled, table.patients).write(
        second / "predictions" / "validation.csv"
    )
    recipe = (second / "recipe.yaml").read_text()
    changed = recipe.replace("threshold: 0.5", "threshold: 0.4").replace("seed: 1", "seed: 7")
    (second / "recipe.yaml").write_text(changed)
    return first, second


def test_runs_are_listed_with_their_results_and_readings(
    pneumoscope: Callable, two_runs: tuple[Path, Path], tmp_path: Path
) -> None:
    broken = tmp_path / "runs" / "broken"
    broken.mkdir()
    (broken / "run.json").write_text('{"format": 1}')
    (tmp_path / "runs" / "link").symlink_to(two_runs[0].parent)
    outcome = pneumoscope("runs", "list", tmp_path / "runs", "--format", "json")
    assert outcome.code == 1  # one cannot be read
    assert "a Run of format 1" in outcome.err
    first, second, unreadable = json.loads(outcome.out)
    assert [first["run"], second["run"], unreadable["run"]] == ["a/compact", "b/compact", "broken"]
    assert unreadable["problem"]
    assert unreadable["model"] is None
    stored = json.loads((two_runs[0] / "metrics" / "validation.json").read_text())
    assert first["validation_auc"] == stored["auc"]
    assert [first["validation_auc_low"], first["validation_auc_high"]] == stored["intervals"]["auc"]
    assert (first["model"], first["epochs"], first["finished"]) == ("compact", 5, True)
    readings = (two_runs[0] / "test_readings.csv").read_text().splitlines()[1:]
    assert first["test_readings"] == len(readings) == 1
    files = [file for file in two_runs[0].rglob("*") if file.is_file()]
    assert first["bytes"] == sum(file.stat().st_size for file in files)
    rows = csv.DictReader(io.StringIO(pneumoscope("runs", "list", tmp_path, "--format", "csv").out))
    assert [row["run"] for row in rows] == ["runs/a/compact", "runs/b/compact", "runs/broken"]
    assert "a/compact" in pneumoscope("runs", "list", tmp_path / "runs").out


def test_runs_are_compared_on_the_same_validation_images(
    pneumoscope: Callable, two_runs: tuple[Path, Path]
) -> None:
    for folder in two_runs:
        (folder / "predictions" / "test.csv").unlink()  # not read
    outcome = pneumoscope("runs", "compare", *two_runs, "--format", "json")
    assert outcome.code == 0, outcome.err
    content = json.loads(outcome.out)
    assert [run["run"] for run in content["runs"]] == ["a", "b"]
    assert content["runs"][1]["settings"] == {"seed": 7, "threshold": 0.4}
    (difference,) = content["differences"]
    tables = [Predictions.read(folder / "predictions" / "validation.csv") for folder in two_runs]
    labels = tables[0].labels
    aucs = [roc_auc_score(labels, table.probabilities) for table in tables]
    assert difference["auc"]["value"] == pytest.approx(aucs[0] - aucs[1])
    assert difference["auc"]["low"] < difference["auc"]["value"] < difference["auc"]["high"]
    calls = [
        table.probabilities >= threshold
        for table, threshold in zip(tables, (0.5, 0.4), strict=True)
    ]
    for name, label in (("sensitivity", 1), ("specificity", 0)):
        rates = [recall_score(labels, call, pos_label=label) for call in calls]
        assert difference[name]["value"] == pytest.approx(rates[0] - rates[1])
    shown = pneumoscope("runs", "compare", *two_runs).out
    assert "Paired differences" in shown


def test_runs_on_other_images_have_no_paired_differences(
    pneumoscope: Callable, two_runs: tuple[Path, Path]
) -> None:
    from dataclasses import replace

    from pneumoscope.dataset import Manifest

    path = two_runs[1] / "manifest.parquet"
    manifest = Manifest.read(path)
    entries = tuple(replace(entry, sha256=entry.sha256[::-1]) for entry in manifest.entries)
    replace(manifest, entries=entries).write(path)
    outcome = pneumoscope("runs", "compare", *two_runs)
    assert outcome.code == 0, outcome.err
    assert "No two of these Runs are finished and have the same validation images" in outcome.out
    alone = pneumoscope("runs", "compare", two_runs[0])
    assert alone.code == 1
    assert "two or more different Runs" in alone.err


def test_a_run_is_removed_whole_and_says_what_is_lost(
    pneumoscope: Callable, two_runs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two_runs
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    refused = pneumoscope("runs", "rm", first)
    assert refused.code == 1
    assert "record of one reading of its test split" in " ".join(refused.err.split())
    assert (first / "run.json").exists()
    removed = pneumoscope("runs", "rm", first, "--yes")
    assert removed.code == 0, removed.err
    assert not first.exists()
    assert first.parent.exists()
    assert (second / "run.json").exists()


def test_removal_keeps_what_is_not_the_run_s_and_follows_no_link(
    pneumoscope: Callable, two_runs: tuple[Path, Path], tmp_path: Path
) -> None:
    run = two_runs[0]
    outside = tmp_path / "outside"
    shutil.move(run / "figures", outside)
    (run / "figures").symlink_to(outside)
    weights = run / "checkpoints" / "final.safetensors"
    shutil.move(weights, outside / "weights")
    weights.symlink_to(outside / "weights")
    (run / "notes.txt").write_text("mine")
    (run / "metrics" / "mine.json").write_text("{}")
    kept = sorted(outside.iterdir())
    outcome = pneumoscope("runs", "rm", run, "--yes")
    assert outcome.code == 0, outcome.err
    assert "stays: figures, notes.txt, metrics/mine.json" in " ".join(outcome.err.split())
    left = sorted(path.relative_to(run).as_posix() for path in run.rglob("*"))
    assert left == ["figures", "metrics", "metrics/mine.json", "notes.txt"]
    assert sorted(outside.iterdir()) == kept
    again = pneumoscope("runs", "rm", run, "--yes")
    assert again.code == 1
    assert "is no Run" in again.err
    (tmp_path / "link").symlink_to(two_runs[1])
    linked = pneumoscope("runs", "rm", tmp_path / "link", "--yes")
    assert linked.code == 1
    assert (two_runs[1] / "run.json").exists()
