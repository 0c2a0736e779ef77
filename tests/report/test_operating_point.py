"""A metric of an operating point is declared once and shown everywhere."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from rich.console import Console

from pneumoscope.cli.tables import bundles_table, evaluations_table
from pneumoscope.evaluation.model_comparison import compare_models
from pneumoscope.evaluation.model_evaluation import Subject
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.report.comparison_page import render_comparison
from pneumoscope.evaluation.report.evaluation_json import evaluation_json
from pneumoscope.export.bundle_metrics import choose_measured_points
from pneumoscope.reader import Bundle
from pneumoscope.reader.model_card import model_card
from pneumoscope.report.operating_point import POINT_METRICS, PointMetric


@pytest.fixture
def predictions() -> Predictions:
    labels = np.arange(80) % 2
    probabilities = np.random.default_rng(0).beta(2 + 3 * labels, 5 - 3 * labels)
    files = tuple(map(str, range(80)))
    return Predictions(files, labels, probabilities, files)


def printed(table: object) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(table)
    return console.file.getvalue()


def test_a_metric_that_is_added_to_the_list_is_shown_everywhere(
    predictions: Predictions, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    misses = PointMetric("Misses", lambda tn, fp, fn, tp: (fn, fn + tp), is_headline=True)
    monkeypatch.setitem(POINT_METRICS, "misses", misses)

    comparison = compare_models([Subject("ours", "a table", predictions, {"balanced": 0.5})])
    (evaluation,) = comparison.evaluations
    (point,) = evaluation.discrimination.points
    missed = np.mean(predictions.probabilities[predictions.labels == 1] < 0.5)
    estimate = point.estimates["misses"]
    assert estimate.value == pytest.approx(missed)
    assert estimate.low < missed < estimate.high

    (described,) = evaluation_json(evaluation)["operating_points"]
    assert (described["misses"], described["misses_ci"]) == (estimate.value, estimate.interval)
    assert "misses" in described["wilson"]
    page = re.sub("<[^>]*>", " ", render_comparison(comparison))
    table = page[page.index("Operating points of ours") :]
    assert "Misses" in table[: table.index("balanced")]
    assert estimate.interval_text() in table
    shown = printed(evaluations_table([evaluation]))
    assert "Misses" in shown
    assert f"{estimate.value:.3f}" in shown

    bundle = Bundle.open(exported)
    points = choose_measured_points(predictions, predictions)
    record = bundle.record.model_copy(update={"operating_points": points})
    estimate = points["balanced"].measured["misses"]
    written = yaml.safe_load(record.to_yaml())["operating_points"]["balanced"]["measured"]
    assert written["misses"] == {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
    }
    rows = [line for line in model_card(record).splitlines() if line.startswith("| Misses |")]
    assert [str(estimate) in row for row in rows] == [True, True]
    changed = Bundle(bundle.folder, record, bundle.digest, bundle.contents)
    assert "Misses, as fitted" in printed(bundles_table([changed]))
