"""Local validation and recalibration, on phantoms read with a bundle that learned from phantoms."""

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
from pneumoscope.support.errors import PredictionsError
from pneumoscope.validation.local_readings import read_labelled
from pneumoscope.validation.local_validation import calls_by_folds, validate
from pneumoscope.validation.report.validation_json import validation_json


@pytest.fixture(scope="module")
def ward(phantom_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a table of the phantoms of train and test, relative to their folder."""
    files = sorted(phantom_dataset.glob("t*/*/*.png"))
    path = tmp_path_factory.mktemp("ward") / "labels.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file, delimiter=";")
        rows.writerow(["file", "label", "patient", "sex"])
        for number, image in enumerate(files):
            name = image.relative_to(phantom_dataset).as_posix()
            rows.writerow([name, image.parent.name, f"p{number // 2}", "FM"[number % 2]])
    return path


@pytest.fixture(scope="module")
def local(reader: Reader, ward: Path, phantom_dataset: Path):
    return read_labelled(reader, Labels.read(ward), phantom_dataset)


def test_every_labelled_radiograph_is_read_or_has_its_reason(reader, ward, phantom_dataset, local):
    table = Labels.read(ward)
    named = {*local.predictions.files, *(one.file for one in local.rejected)}
    assert named == set(table.files)
    one = local.predictions.files[3]
    reading = reader.read(phantom_dataset / one)
    assert local.predictions.probabilities[3] == pytest.approx(reading.probability, abs=1e-6)
    assert local.predictions.groups["sex"][3] == table.groups["sex"][table.files.index(one)]
    assert local.predictions.groups["reading"][3] == str(reading.status)
    unfamiliar = "unfamiliar" in [finding.code for finding in reading.quality]
    assert (local.distances[3] > 1) == unfamiliar


def test_what_is_not_there_stops_and_what_has_no_label_is_named(reader, phantom_dataset, tmp_path):
    files = sorted(phantom_dataset.glob("test/*/*.png"))[:4]
    for file in files:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    named = [file.name for file in files[:2]] + ["broken.png"]
    labels = Labels(tuple(named), (0, 1, 0), tuple(named), {})
    found = read_labelled(reader, labels, tmp_path)
    assert found.unlabelled == tuple(sorted(file.name for file in files[2:]))
    assert [(one.file, one.status) for one in found.rejected if "broken" in one.file] == [
        ("broken.png", "failed")
    ]
    lost = replace(labels, files=("gone.png", *named[1:]))
    with pytest.raises(PredictionsError, match=r"1 of 3 labelled files .* gone.png"):
        read_labelled(reader, lost, tmp_path)
    with pytest.raises(PredictionsError, match=r"none: is not a folder"):
        read_labelled(reader, labels, tmp_path / "none")
    alone = Labels(("broken.png",), (0,), ("broken.png",), {})
    with pytest.raises(PredictionsError, match=r"none of its 1 .* broken.png"):
        read_labelled(reader, alone, tmp_path)


@pytest.fixture(scope="module")
def validation(reader: Reader, ward: Path, phantom_dataset: Path):
    asked = Requirements(auc=0.6, sensitivity=0.5, specificity=0.3)
    return validate(
        reader, Labels.read(ward), phantom_dataset, "balanced", asked, draws=200, inspected=False
    )


def test_the_json_has_the_names_that_hospitals_rely_on(validation, reader, local):
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
        assert {f"{one}_ci" for one in ("sensitivity", "specificity", "ppv", "npv")} <= point.keys()
    assert {"slope", "intercept", "brier", "ece"} <= content["calibration"].keys()
    assert {(one["column"], one["value"]) for one in content["subgroups"]} >= {
        ("sex", "F"),
        ("sex", "M"),
    }
    assert len(content["rejected"]) == len(local.rejected)
    assert content["verdict"] in [answer.value for answer in Outcome]


def test_the_verdict_is_of_the_point_asked_for_and_of_stricter_wishes_not_fit(
    validation, reader, ward, phantom_dataset
):
    names = [(one.name, one.recalibrated) for one in validation.verdict.criteria]
    assert names[:6] == [
        (n, False) for n in ("auc", "rejected", "sensitivity", "specificity", "slope", "intercept")
    ]
    point = validation.judgement.discrimination.points[0]
    assert point.name == "balanced"
    assert validation.verdict.criteria[2].estimate == point.figures["sensitivity"]
    with pytest.raises(PredictionsError, match=r"--at any: .* screening, balanced"):
        validate(reader, Labels.read(ward), phantom_dataset, "any")


def test_calls_by_folds_never_use_a_patients_own_label():
    # Of a score without meaning, a threshold fitted on the same images would call them better.
    rng = np.random.default_rng(0)
    n = 400
    names = tuple(f"{row}.png" for row in range(n))
    patients = tuple(f"p{row // 4}" for row in range(n))
    table = Predictions(names, np.arange(n) % 2, rng.uniform(size=n), patients)
    calls = calls_by_folds(table, "screening")
    assert set(calls.probabilities) <= {0.0, 1.0}
    # A patient whose labels are turned keeps its calls: they come from the others alone.
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
    made = recalibrate(old, local.predictions, tmp_path / "new", "phantoms of a ward", 0.5, seed=1)
    new = load(tmp_path / "new")
    for row in (0, 5):
        reading = new.read(phantom_dataset / made.after.files[row])
        assert reading.probability == pytest.approx(made.after.probabilities[row], abs=1e-5)
    assert Bundle.open(exported).digest == old.digest
    record = new.bundle.record
    assert record.history[0].before == old.identity
    assert "phantoms of a ward" in record.history[0].what
    assert record.calibration.n + len(made.after.files) == len(local.predictions.files)
    card = (tmp_path / "new" / "MODEL_CARD.md").read_text()
    assert "phantoms of a ward" in card
    fitted = set(local.predictions.patients) - set(made.after.patients)
    assert len(fitted) == pytest.approx(len(set(local.predictions.patients)) / 2, abs=2)
    twice = recalibrate(new.bundle, local.predictions, tmp_path / "newer", "again", 0.5, seed=1)
    assert [one.before for one in twice.bundle.record.history] == [
        old.identity,
        new.bundle.identity,
    ]


def test_recalibration_refuses_what_it_cannot_mend(exported, local, tmp_path):
    bundle = Bundle.open(exported)
    turned = replace(local.predictions, probabilities=1 - local.predictions.probabilities)
    with pytest.raises(PredictionsError, match="no calibration mends that"):
        recalibrate(bundle, turned, tmp_path / "new", "x", 0.5, seed=0)
    ill = local.predictions.rows(local.predictions.labels == 1)
    with pytest.raises(PredictionsError, match="at least 10 of each are needed"):
        recalibrate(bundle, ill, tmp_path / "new", "x", 0.5, seed=0)
    assert not (tmp_path / "new").exists()


def test_an_untouched_bundle_has_no_intercept_and_no_history(exported):
    record = yaml.safe_load((exported / "bundle.yaml").read_text())
    assert record["calibration"]["intercept"] == 0
    assert record["history"] == []
