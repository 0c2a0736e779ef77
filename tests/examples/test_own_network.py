"""Example package: a network of one's own, from its installation to the evaluation of a bundle."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from pneumoscope.reader import load

PACKAGE = Path(__file__).resolve().parents[2] / "examples" / "own_network"
SETTINGS = {"image_size": 64, "epochs": 2, "batch_size": 8, "precision": "float32"}


def test_it_is_trained_exported_and_evaluated(
    phantom_dataset: Path,
    tmp_path: Path,
    install: Callable,
    pneumoscope: Callable,
) -> None:
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    source = (PACKAGE / "own_network.py").read_text()
    groups = {
        group.removeprefix("pneumoscope."): functions
        for group, functions in project["entry-points"].items()
    }
    install(project["name"], project["version"], "own_network", source, **groups)

    words = [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")]
    runs, bundle, evaluation = (tmp_path / name for name in ("runs", "bundle", "evaluation"))
    trained = pneumoscope(
        "train", phantom_dataset, "--model", "tiny", "--out", runs, "--test", *words
    )
    assert trained.code == 0, trained.err
    recorded = json.loads((runs / "tiny" / "run.json").read_text())["network_source"]
    assert (recorded["function"], recorded["version"]) == ("own_network:build", project["version"])

    exported = pneumoscope("export", runs / "tiny", "--out", bundle)
    assert exported.code == 0, exported.err
    reader = load(bundle)
    assert reader.bundle.record.licence == (
        "Apache-2.0, and that of the network's package: own_network:build of own-network 0.1.0"
    )
    picture = next((phantom_dataset / "test" / "PNEUMONIA").iterdir())
    assert reader.read(picture).heatmap is not None

    words = ["--data", phantom_dataset, "--out", evaluation, "--draws", 100, "--quick"]
    words += ["--metric", "specificity_at_95"]
    evaluated = pneumoscope("evaluate", bundle, *words)
    assert evaluated.code == 0, evaluated.err
    (model,) = json.loads((evaluation / "evaluation.json").read_text())["models"]
    run_s_own = json.loads((runs / "tiny" / "metrics" / "test.json").read_text())
    assert model["auc"] == pytest.approx(run_s_own["auc"])  # calibration keeps the order
    low, high = model["metrics"]["specificity_at_95_ci"]
    assert 0 <= low <= model["metrics"]["specificity_at_95"] <= high <= 1
    assert "specificity_at_95" in (evaluation / "report.html").read_text()
