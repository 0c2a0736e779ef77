"""Python API: the same results as the command line's, with paths as text or Path."""

import html
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import pneumoscope as ps
from pneumoscope.support.errors import DatasetError, RecipeError, TableError
from pneumoscope.training import Run

SETTINGS = {"image_size": 64, "epochs": 1, "batch_size": 8, "precision": "float32"}


def test_every_name_is_found_and_listed() -> None:
    assert set(ps.__all__) <= set(dir(ps))
    for name in ps.__all__:
        assert getattr(ps, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'diagnose'"):
        ps.diagnose  # noqa: B018


def test_importing_it_for_reading_loads_no_pytorch() -> None:
    code = "import sys, pneumoscope; pneumoscope.load; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_training_is_that_of_the_command_line(
    few_phantoms: Path, tmp_path: Path, pneumoscope: Callable
) -> None:
    run = ps.train(str(few_phantoms), "compact", tmp_path / "api", **SETTINGS)
    words = [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")]
    out = tmp_path / "cli"
    outcome = pneumoscope("train", few_phantoms, "--model", "compact", "--out", out, *words)
    assert outcome.code == 0
    ours, theirs = run.read_weights(), ps.load_run(str(out / "compact")).read_weights()
    assert ours.keys() == theirs.keys()
    assert all((ours[name] == theirs[name]).all() for name in ours)
    assert not (run.folder / "metrics" / "test.json").exists()  # the test split was not asked for


def test_bad_settings_and_sources_leave_nothing(phantom_dataset: Path, tmp_path: Path) -> None:
    manifest = ps.load_manifest(phantom_dataset)
    with pytest.raises(RecipeError, match="epochs"):
        ps.train(manifest, "compact", tmp_path, epochs=0)
    with pytest.raises(RecipeError, match="'speed' is not a setting"):
        ps.train(manifest, "compact", tmp_path, speed=9)
    with pytest.raises(DatasetError, match="there is no such folder or file"):
        ps.load_manifest(tmp_path / "nowhere")
    assert not any(tmp_path.iterdir())


def test_a_table_and_its_predictions_are_evaluated_alike(tmp_path: Path) -> None:
    labels = np.arange(60) % 2
    probabilities = np.clip(0.3 + 0.4 * labels + np.sin(np.arange(60)) / 3, 0, 1)
    files = tuple(f"{row}.png" for row in range(60))
    predictions = ps.Predictions(files, labels, probabilities, files)
    predictions.write(tmp_path / "p.csv")
    in_memory = ps.evaluate(predictions, 0.4, draws=100).discrimination
    from_file = ps.evaluate(str(tmp_path / "p.csv"), {"mine": 0.4}, draws=100).discrimination
    assert in_memory.auc == from_file.auc
    expected = np.mean(probabilities[labels == 1] >= 0.4)
    assert from_file.points[0].estimates["sensitivity"].value == expected
    assert from_file.points[0].name == "mine"
    with pytest.raises(TableError, match="cannot be read"):
        ps.evaluate(tmp_path / "nowhere.csv")


def test_a_run_is_evaluated_on_its_test_split(compact_run: Run) -> None:
    auc = ps.evaluate(compact_run, draws=100).discrimination.auc.value
    recorded = json.loads((compact_run.folder / "metrics" / "test.json").read_text())
    assert auc == pytest.approx(recorded["auc"])


def test_an_experiment_returns_what_it_reports(few_phantoms: Path, tmp_path: Path) -> None:
    out = tmp_path / "experiment"
    result = ps.experiment(few_phantoms, str(out), models=["model_1"], **SETTINGS)
    assert result.choice.name == json.loads((out / "results.json").read_text())["chosen"]
    assert (out / "report.html").exists()
    view = result._repr_html_()
    shown = result.models[0].test.metrics["sensitivity"]
    assert f"{shown.value:.3f}<br><small>{shown.interval_text()}" in view
    reasons = (*result.notes, *result.choice.ineligible.values())
    assert all(html.escape(reason) in view for reason in reasons)
    assert "Synthetic images" in view


def test_a_local_validation_writes_its_report_on_demand(
    exported: Path, phantom_dataset: Path, tmp_path: Path
) -> None:
    images = sorted((phantom_dataset / "test").rglob("*.png"))[:24]
    rows = [f"{path.relative_to(phantom_dataset)},{path.parent.name}" for path in images]
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(["file,label", *rows]))
    out = tmp_path / "validation"
    validation = ps.validate(
        str(labels), str(phantom_dataset), bundle=exported, out=out, draws=100, quick=True
    )
    said = json.loads((out / "validation.json").read_text())
    assert said["verdict"] == str(validation.acceptance.outcome)
    assert said["findings"] == validation.findings
