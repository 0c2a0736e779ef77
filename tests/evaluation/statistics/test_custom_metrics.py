"""Metrics of other packages: values and intervals against those of this package's own."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import pneumoscope as ps
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.statistics.custom_metrics import assess_metrics, find_metrics
from pneumoscope.evaluation.statistics.discrimination import assess_discrimination
from pneumoscope.support.errors import PluginError

SOURCE = """
import numpy as np
def undefined(labels, probabilities): return np.nan
def perfect(labels, probabilities): return 1
def several(labels, probabilities): return probabilities
def failing(labels, probabilities): return 1 / 0
"""


@pytest.fixture(scope="module")
def table() -> Predictions:
    """Return 60 images of 30 patients, whose two images are nearly alike."""
    rng = np.random.default_rng(3)
    labels = np.repeat(rng.integers(0, 2, 30), 2)
    probabilities = np.clip(0.3 + 0.3 * labels + np.repeat(rng.normal(0, 0.2, 30), 2), 0, 1)
    patients = tuple(f"patient {row // 2}" for row in range(60))
    return Predictions(tuple(map(str, range(60))), labels, probabilities, patients)


def test_it_agrees_with_this_package_s_metric_and_its_interval_by_patient(
    table: Predictions,
) -> None:
    metrics = find_metrics(["sklearn.metrics:roc_auc_score"])
    (estimate,) = assess_metrics(table, metrics, draws=300, seed=5).values()
    expected = assess_discrimination(table, {"": 0.5}, (), draws=300, seed=5).auc
    assert estimate.value == pytest.approx(expected.value)
    assert estimate.interval == pytest.approx(expected.interval)


def test_no_interval_stands_where_none_is_known(table: Predictions, install: Callable) -> None:
    install("lab", "1.0", "lab_metrics", SOURCE, metrics={"undefined": "lab_metrics:undefined"})
    metrics = find_metrics(["undefined", "lab_metrics:perfect"])
    estimates = assess_metrics(table, metrics, draws=100)
    assert estimates["undefined"].value is None
    assert estimates["lab_metrics:perfect"].value == 1
    assert estimates["lab_metrics:perfect"].interval is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lab_metrics:several", "it failed .*must return a number"),
        ("lab_metrics:failing", "it failed .*division by zero"),
        ("missing", r"no installed package offers this metric \(installed: none\)"),
    ],
)
def test_what_is_no_metric_is_named(
    table: Predictions, install: Callable, name: str, message: str
) -> None:

    install("lab", "1.0", "lab_metrics", SOURCE)
    with pytest.raises(PluginError, match=f"--metric {name}: {message}"):
        ps.evaluate(table, draws=100, metrics=[name])


def test_it_stands_in_the_report_and_its_json(
    table: Predictions, tmp_path: Path, pneumoscope: Callable
) -> None:
    table.write(tmp_path / "ours.csv")
    name, out = "sklearn.metrics:brier_score_loss", tmp_path / "evaluation"
    words = ["--metric", name, "--draws", 100, "--out", out]
    outcome = pneumoscope("evaluate", tmp_path / "ours.csv", *words)
    assert outcome.code == 0, outcome.err
    (model,) = json.loads((out / "evaluation.json").read_text())["models"]
    brier = ((table.labels - table.probabilities) ** 2).mean()
    assert model["metrics"][name] == pytest.approx(brier)
    assert f"ours, {name}: {brier:.3f} (" in outcome.out
    assert name in (out / "report.html").read_text()
    assert pneumoscope("evaluate", "runs/x", "--metric", name).code == 1
