"""Metrics against each reader, beside scikit-learn on the images selected by hand."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score, recall_score, roc_auc_score

from pneumoscope.evaluation.model_evaluation import Subject, evaluate_model
from pneumoscope.evaluation.report.evaluation_json import evaluation_json
from pneumoscope.evaluation.report.evaluation_view import view_evaluation
from pneumoscope.evaluation.second_reader import SecondReader, SecondReading
from pneumoscope.evaluation.second_reader_evaluation import Reference
from pneumoscope.support.errors import PredictionsError


@pytest.fixture(scope="module")
def images(drawn):
    return drawn(300, seed=0, images_per_patient=2)


@pytest.fixture(scope="module")
def opinions(images) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return of each image whether it was read, whether it is usable, and the second label."""
    rng = np.random.default_rng(1)
    read, usable = rng.uniform(size=(2, 300)) < ([0.9], [0.8])
    return read, read & usable, np.where(rng.uniform(size=300) < 0.8, images.labels, 0)


@pytest.fixture(scope="module")
def evaluation(images, opinions):
    read, usable, second = opinions
    readings = {
        images.files[row]: SecondReading(int(second[row]), bool(usable[row]))
        for row in np.flatnonzero(read)
    }
    second_reader = SecondReader(Path("second.csv"), readings | {"rejected.png": SecondReading(1)})
    subject = Subject("ours", "a table", images, {"low": 0.3, "high": 0.6})
    return evaluate_model(subject, draws=100, second_reader=second_reader)


def test_each_column_has_the_metrics_of_its_images_and_labels(images, opinions, evaluation):
    _, usable, second = opinions
    agreed = usable & (second == images.labels)
    expected = {
        Reference.LABELS: (np.ones(300, bool), images.labels),
        Reference.SECOND_READER: (usable, second),
        Reference.AGREED: (agreed, second),
    }
    assert list(evaluation.second_reader.references) == list(expected)
    for reference, (rows, labels) in expected.items():
        measured = evaluation.second_reader.references[reference]
        truth, scores = labels[rows], images.probabilities[rows]
        assert (measured.n, measured.positives) == (rows.sum(), truth.sum())
        auc = measured.discrimination.auc
        assert auc.value == pytest.approx(roc_auc_score(truth, scores))
        assert auc.low < auc.value < auc.high
        low, high = measured.discrimination.points
        assert low.estimates["sensitivity"].value == pytest.approx(
            recall_score(truth, scores >= 0.3)
        )
        assert high.estimates["accuracy"].value == pytest.approx(
            accuracy_score(truth, scores >= 0.6)
        )
    assert measured.discrimination.draws == 100


def test_the_second_reader_is_compared_with_the_labels(images, opinions, evaluation):
    read, usable, second = opinions
    result = evaluation.second_reader
    assert (result.read, result.unusable) == (read.sum(), (read & ~usable).sum())
    assert (result.without_reading, result.not_evaluated) == ((~read).sum(), 1)
    for agreement, rows in ((result.usable, usable), (result.labelled, read)):
        labels, calls = images.labels[rows], second[rows]
        assert agreement.n == rows.sum()
        assert agreement.kappa.value == pytest.approx(cohen_kappa_score(labels, calls))
        estimates = agreement.point.estimates
        assert estimates["sensitivity"].value == pytest.approx(recall_score(labels, calls))
        assert estimates["specificity"].value == pytest.approx(
            recall_score(labels, calls, pos_label=0)
        )
        assert all(estimates[name].interval for name in ("sensitivity", "ppv", "accuracy"))


def test_nothing_else_depends_on_the_second_reader(images, evaluation):
    plain = evaluate_model(evaluation.subject, draws=100)
    content = evaluation_json(evaluation)
    assert content.pop("second_reader") is not None
    without = evaluation_json(plain)
    assert without.pop("second_reader") is None
    assert content == without


def test_the_page_has_each_reader_in_a_column(evaluation):
    view = view_evaluation(evaluation).second_reader
    n = [evaluation.second_reader.references[reference].n for reference in Reference]
    assert [cell.text for cell in view.references.rows[0][1:]] == [str(count) for count in n]
    assert [row[0] for row in view.references.rows[1:4]] == [
        *("AUC", "Sensitivity at low", "Specificity at low")
    ]
    assert view.agreement.rows[1][1].text == f"{evaluation.second_reader.usable.kappa.value:.3f}"
    assert len(view.agreement.headings) == 3


def evaluate_readings(table, readings: dict[str, SecondReading]):
    subject = Subject("ours", "a table", table, {"low": 0.3})
    second_reader = SecondReader(Path("second.csv"), readings)
    return evaluate_model(subject, draws=20, second_reader=second_reader)


def test_a_reader_who_never_agrees_leaves_a_column_undefined(table):
    made = table([0, 1, 0, 1], [0.1, 0.8, 0.4, 0.7])
    readings = {
        file: SecondReading(1 - int(label))
        for file, label in zip(made.files, made.labels, strict=True)
    }
    evaluation = evaluate_readings(made, readings)
    agreed = evaluation_json(evaluation)["second_reader"]["against"]["agreed"]
    expected = {"n": 0, "positives": 0, "auc": None, "auc_ci": None, "operating_points": []}
    assert agreed == expected
    last = [row[-1].text for row in view_evaluation(evaluation).second_reader.references.rows]
    assert last == ["0", *["–"] * (len(last) - 1)]


def test_a_second_reader_of_images_without_prediction_is_refused(table):
    made = table([0, 1], [0.1, 0.8])
    readings = {"rejected.png": SecondReading(1), made.files[0]: SecondReading(None, usable=False)}
    with pytest.raises(PredictionsError, match=r"second.csv: none of its usable images is among"):
        evaluate_readings(made, readings)


def test_an_unusable_image_without_a_label_counts_as_unusable_alone(table):
    made = table([0, 1, 1], [0.1, 0.8, 0.7])
    readings = {file: SecondReading(1) for file in made.files[:2]}
    readings[made.files[2]] = SecondReading(None, usable=False)
    result = evaluate_readings(made, readings).second_reader
    assert (result.unusable, result.usable.n, result.labelled.n) == (1, 2, 2)
