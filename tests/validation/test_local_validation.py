"""Local validation and recalibration, on phantoms read with a bundle trained on phantoms."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from pneumoscope.evaluation.acceptance import Outcome, Requirements
from pneumoscope.evaluation.predictions import Labels, Predictions
from pneumoscope.export.recalibrate import recalibrate
from pneumoscope.reader import Bundle, Reader, load
from pneumoscope.reader.bundle import FAMILIARITY
from pneumoscope.reader.population import Population
from pneumoscope.support.errors import PredictionsError
from pneumoscope.validation.local_readings import read_labelled
from pneumoscope.validation.local_validation import calls_by_folds, validate_locally
from pneumoscope.validation.report.validation_json import validation_json


@pytest.fixture(scope="module")
def labels_csv(phantom_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a table of labels of the phantoms of train and test, relative to their folder."""
    files = sorted(phantom_dataset.glob("t*/*/*.png"))
    path = tmp_path_factory.mktemp("labels") / "labels.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file, delimiter=";")
        rows.writerow(["file", "label", "patient", "sex"])
        for number, image in enumerate(files):
            name = image.relative_to(phantom_dataset).as_posix()
            rows.writerow([name, image.parent.name, f"p{number // 2}", "FM"[number % 2]])
    return path


@pytest.fixture(scope="module")
def local(reader: Reader, labels_csv: Path, phantom_dataset: Path):
    return read_labelled(reader, Labels.read(labels_csv), phantom_dataset)


def test_every_labelled_radiograph_is_read_or_has_a_reason(
    reader, labels_csv, phantom_dataset, local
):
    table = Labels.read(labels_csv)
    named = {*local.predictions.files, *(radiograph.file for radiograph in local.unread)}
    assert named == set(table.files)
    file = local.predictions.files[3]
    reading = reader.read(phantom_dataset / file)
    assert local.predictions.probabilities[3] == pytest.approx(reading.probability, abs=1e-6)
    assert local.predictions.groups["sex"][3] == table.groups["sex"][table.files.index(file)]
    assert local.predictions.groups["reading"][3] == str(reading.status)
    unfamiliar = "unfamiliar" in [finding.code for finding in reading.quality]
    assert (local.distances[3] > 1) == unfamiliar


def test_missing_files_are_refused_and_unlabelled_ones_named(reader, phantom_dataset, tmp_path):
    files = sorted(phantom_dataset.glob("test/*/*.png"))[:4]
    for file in files:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    named = [file.name for file in files[:2]] + ["broken.png"]
    labels = Labels(tuple(named), (0, 1, 0), tuple(named), {})
    local = read_labelled(reader, labels, tmp_path)
    assert local.unlabelled == tuple(sorted(file.name for file in files[2:]))
    assert [
        (radiograph.file, radiograph.status)
        for radiograph in local.rejected
        if "broken" in radiograph.file
    ] == [("broken.png", "failed")]
    lost = replace(labels, files=("gone.png", *named[1:]))
    with pytest.raises(PredictionsError, match=r"1 of 3 labelled files are missing: gone.png"):
        read_labelled(reader, lost, tmp_path)
    with pytest.raises(PredictionsError, match=r"none: is not a folder"):
        read_labelled(reader, labels, tmp_path / "none")
    alone = Labels(("broken.png",), (0,), ("broken.png",), {})
    with pytest.raises(PredictionsError, match=r"none of its 1 .* broken.png"):
        read_labelled(reader, alone, tmp_path)


@pytest.fixture(scope="module")
def validation(reader: Reader, labels_csv: Path, phantom_dataset: Path):
    requirements = Requirements(min_auc=0.6, min_sensitivity=0.5, min_specificity=0.3)
    return validate_locally(
        reader,
        Labels.read(labels_csv),
        phantom_dataset,
        "balanced",
        requirements,
        draws=200,
        with_stress_tests=False,
    )


def test_the_json_keeps_its_names(validation, reader, local):
    content = json.loads(validation_json(validation))
    table = local.predictions
    assert content["n"] == len(table.files)
    assert content["positives"] == int(table.labels.sum())
    assert content["auc"] == pytest.approx(roc_auc_score(table.labels, table.probabilities))
    low, high = content["auc_ci"]
    assert low <= content["auc"] <= high
    points = {point["name"]: point for point in content["operating_points"]}
    assert points.keys() == reader.bundle.record.operating_points.keys()
    assert content["operating_points"][0]["name"] == "balanced"
    for name, point in points.items():
        threshold = reader.bundle.record.operating_points[name].threshold
        called = table.probabilities >= threshold
        assert point["threshold"] == threshold
        assert point["sensitivity"] == pytest.approx(called[table.labels == 1].mean())
        assert point["specificity"] == pytest.approx(1 - called[table.labels == 0].mean())
        assert point["ppv"] == pytest.approx(table.labels[called].mean())
        cleared = table.labels[~called]
        assert point["npv"] == (pytest.approx(1 - cleared.mean()) if len(cleared) else None)
        assert {
            f"{name}_ci" for name in ("sensitivity", "specificity", "ppv", "npv")
        } <= point.keys()
    assert {"slope", "intercept", "brier", "ece"} <= content["calibration"].keys()
    assert {(group["column"], group["value"]) for group in content["subgroups"]} >= {
        ("sex", "F"),
        ("sex", "M"),
    }
    assert len(content["rejected"]) == len(local.rejected)
    assert content["verdict"] in [answer.value for answer in Outcome]


def test_the_verdict_is_for_the_operating_point(validation, reader, labels_csv, phantom_dataset):
    names = [
        (criterion.name, criterion.recalibrated) for criterion in validation.acceptance.criteria
    ]
    assert names[:6] == [
        (n, False) for n in ("auc", "rejected", "sensitivity", "specificity", "slope", "intercept")
    ]
    point = validation.evaluation.discrimination.points[0]
    assert point.name == "balanced"
    assert validation.acceptance.criteria[2].estimate == point.estimates["sensitivity"]
    with pytest.raises(PredictionsError, match=r"--at any: .* screening, balanced"):
        validate_locally(reader, Labels.read(labels_csv), phantom_dataset, "any")


def test_calls_by_folds_never_use_a_patients_own_label():
    # For a random score, a threshold fitted on the same images would look better than chance.
    rng = np.random.default_rng(0)
    n = 400
    names = tuple(f"{row}.png" for row in range(n))
    patients = tuple(f"p{row // 4}" for row in range(n))
    table = Predictions(names, np.arange(n) % 2, rng.uniform(size=n), patients)
    calls = calls_by_folds(table, "screening")
    assert set(calls.probabilities) <= {0.0, 1.0}
    # A patient whose labels are inverted keeps its calls: they depend on other patients only.
    turned = np.array(table.labels)
    turned[:4] = 1 - turned[:4]
    again = calls_by_folds(replace(table, labels=turned), "screening")
    np.testing.assert_array_equal(again.probabilities[:4], calls.probabilities[:4])
    few = table.rows(np.arange(4))
    assert calls_by_folds(few, "screening") is None


def test_recalibration_writes_a_bundle_whose_probabilities_are_the_fitted_ones(
    exported, local, phantom_dataset, tmp_path
):
    old = Bundle.open(exported)
    made = recalibrate(
        old, local.predictions, tmp_path / "new", "phantoms of a clinic", 0.5, seed=1
    )
    new = load(tmp_path / "new")
    for row in (0, 5):
        reading = new.read(phantom_dataset / made.after.files[row])
        assert reading.probability == pytest.approx(made.after.probabilities[row], abs=1e-5)
    assert Bundle.open(exported).digest == old.digest
    record = new.bundle.record
    assert record.history[0].previous == old.identity
    assert "phantoms of a clinic" in record.history[0].description
    assert record.calibration.n + len(made.after.files) == len(local.predictions.files)
    card = (tmp_path / "new" / "MODEL_CARD.md").read_text()
    assert "phantoms of a clinic" in card
    fitted = set(local.predictions.patients) - set(made.after.patients)
    assert len(fitted) == pytest.approx(len(set(local.predictions.patients)) / 2, abs=2)
    twice = recalibrate(new.bundle, local.predictions, tmp_path / "newer", "again", 0.5, seed=1)
    assert [change.previous for change in twice.bundle.record.history] == [
        old.identity,
        new.bundle.identity,
    ]


def test_recalibration_keeps_population_and_limits_of_refusal(exported, local, tmp_path):
    bundle = Bundle.open(exported)
    children = Population(name="children", min_age=1, max_age=5)
    old = replace(bundle, record=bundle.record.model_copy(update={"population": children}))
    made = recalibrate(old, local.predictions, tmp_path / "new", "phantoms", 0.5, seed=1)
    record = Bundle.open(made.bundle.folder).record
    assert record.population == children
    assert record.refusal is not None
    assert record.refusal == old.record.refusal
    assert made.bundle.contents[FAMILIARITY] == old.contents[FAMILIARITY]


def test_recalibration_refuses_inverted_scores_and_few_patients(exported, local, tmp_path):
    bundle = Bundle.open(exported)
    turned = replace(local.predictions, probabilities=1 - local.predictions.probabilities)
    with pytest.raises(PredictionsError, match="no recalibration corrects"):
        recalibrate(bundle, turned, tmp_path / "new", "x", 0.5, seed=0)
    drawn = np.random.default_rng(0).uniform(size=len(local.predictions.files))
    by_chance = replace(local.predictions, probabilities=drawn)
    with pytest.raises(PredictionsError, match="it may rank no better than chance"):
        recalibrate(bundle, by_chance, tmp_path / "new", "x", 0.5, seed=0)
    # A good ranking, but a few extreme probabilities turn the fitted slope round.
    labels = local.predictions.labels
    turning = np.where(labels == 1, 0.55, 0.45) + drawn / 100
    turning[np.flatnonzero(labels == 1)[::8]] = 1e-7
    extreme = replace(local.predictions, probabilities=turning)
    with pytest.raises(PredictionsError, match="recalibrated it would rank backwards"):
        recalibrate(bundle, extreme, tmp_path / "new", "x", 0.5, seed=0)
    ill = local.predictions.rows(local.predictions.labels == 1)
    with pytest.raises(PredictionsError, match="at least 10 of each are needed"):
        recalibrate(bundle, ill, tmp_path / "new", "x", 0.5, seed=0)
    assert not (tmp_path / "new").exists()


def test_an_untouched_bundle_has_no_intercept_and_no_history(exported):
    record = yaml.safe_load((exported / "bundle.yaml").read_text())
    assert record["calibration"]["intercept"] == 0
    assert record["history"] == []
