import csv
import io
import json
import math
from dataclasses import replace

import pytest

from pneumoscope.evaluation.report.experiment_results import results_csv, results_json

METRIC_KEYS = {
    "n",
    "accuracy",
    "precision",
    "recall",
    "specificity",
    "f1",
    "auc",
    "average_precision",
    "confusion",
}


@pytest.fixture
def result(experiment, table):
    test = table([0, 1, 1], [0.3, 0.2, 0.1], files=["a.png", "b.png", "c.png"])
    return experiment(test)


def test_the_json_is_the_interface(result):
    content = json.loads(results_json(result))
    assert set(content) == {
        *("schema", "data", "models", "chosen", "rule"),
        *("usable", "tied", "ineligible", "own_thresholds", "baseline"),
    }
    assert (content["usable"], content["tied"], content["ineligible"]) == (True, [], {})
    assert (content["schema"], content["chosen"], content["rule"]) == (
        1,
        "model_1",
        "the stated rule",
    )
    assert content["data"] == {
        "fingerprint": "f00d",
        "counts": {
            split: {"NORMAL": 2, "PNEUMONIA": 3} for split in ("train", "validation", "test")
        },
        "synthetic": False,
        "split_by": "patient",
        "images_without_patient": 0,
    }
    (model,) = content["models"]
    assert model["parameters"] == {"total": 12, "trainable": 10, "non_trainable": 2}
    assert (model["name"], model["epochs"], model["seconds"]) == ("model_1", 2, 3.25)
    assert set(model["test"]) == set(model["validation"]) == METRIC_KEYS
    assert model["test"]["confusion"] == [[1, 0], [2, 0]]
    assert model["false_negatives"] == ["b.png", "c.png"]
    assert set(model) == {
        "name",
        "parameters",
        "epochs",
        "seconds",
        "validation",
        "test",
        "intervals",
        "false_negatives",
    }


def test_what_is_undefined_is_null(result):
    (model,) = json.loads(results_json(result))["models"]
    assert model["test"]["precision"] is None
    assert model["intervals"]["test"]["precision"] is None
    low, high = model["intervals"]["test"]["accuracy"]
    assert 0 <= low <= model["test"]["accuracy"] <= high <= 1
    assert set(model["intervals"]["validation"]) == METRIC_KEYS - {"n", "confusion"}


def test_not_a_number_is_never_written(result):
    broken = replace(result, models=(replace(result.models[0], seconds=math.nan),))
    with pytest.raises(ValueError, match="not JSON compliant"):
        results_json(broken)


def test_the_csv_has_a_row_per_model_and_split(result):
    validation, test, *baseline = csv.DictReader(io.StringIO(results_csv(result)))
    assert [row["model"] for row in baseline] == ["baseline", "baseline"]
    assert (validation["split"], test["split"]) == ("validation", "test")
    assert (test["model"], test["chosen"], test["n"]) == ("model_1", "yes", "3")
    assert (test["recall"], test["precision"], test["precision_low"]) == ("0.0", "", "")
    assert [test[cell] for cell in ("tn", "fp", "fn", "tp")] == ["1", "0", "2", "0"]
    assert (validation["accuracy"], validation["auc"]) == ("1.0", "1.0")
