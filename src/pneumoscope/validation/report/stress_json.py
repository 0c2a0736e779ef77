"""JSON of the stress tests, without images."""

from dataclasses import asdict
from typing import Any

from pneumoscope.evaluation.predictions import CLASS_NAMES
from pneumoscope.evaluation.report.evaluation_json import estimates_json
from pneumoscope.report.estimate import Estimate
from pneumoscope.validation.stress.failures import Failure
from pneumoscope.validation.stress.robustness import RobustnessCurve
from pneumoscope.validation.stress.shortcut_verdict import shortcut_verdict
from pneumoscope.validation.stress.shortcuts import ShortcutTable
from pneumoscope.validation.stress.stress_tests import StressTests


def stress_tests_json(tests: StressTests) -> dict[str, Any]:
    """Return the results of the stress tests as a JSON object."""
    failures = tests.failures
    return {
        "robustness": [_curve(curve) for curve in tests.robustness],
        "shortcuts": None if tests.shortcuts is None else _shortcuts(tests.shortcuts),
        "failures": {
            "threshold": failures.threshold,
            "false_negatives": failures.false_negative_count,
            "false_positives": failures.false_positive_count,
            "worst_false_negatives": [_failure(failure) for failure in failures.false_negatives],
            "worst_false_positives": [_failure(failure) for failure in failures.false_positives],
        },
        "duplicates_of_training": (
            None
            if tests.duplicates is None
            else [asdict(duplicate) for duplicate in tests.duplicates]
        ),
    }


def _curve(curve: RobustnessCurve) -> dict[str, Any]:
    point_names = ("strength", "change", "auc", "sensitivity", "specificity", "rejected", "outside")
    return {
        **_values(curve, "name", "unit", "n", "positives", "unreadable"),
        "points": [_values(point, *point_names) for point in curve.points],
    }


def _shortcuts(table: ShortcutTable) -> dict[str, Any]:
    row_names = ("mean_positive", "mean_negative", "auc", "sensitivity", "specificity")
    return {
        "verdict": shortcut_verdict(table),
        **_values(table, "n", "positives", "unreadable"),
        **_values(table, "lungs_found_positive", "lungs_found_negative"),
        "conditions": [
            {"condition": str(row.condition), **_values(row, *row_names)} for row in table.rows
        ],
    }


def _values(result: object, *names: str) -> dict[str, Any]:
    """Return attributes of a result by name; estimates have their intervals beside them."""
    content: dict[str, Any] = {}
    for name in names:
        value = getattr(result, name)
        content |= estimates_json({name: value}) if isinstance(value, Estimate) else {name: value}
    return content


def _failure(failure: Failure) -> dict[str, Any]:
    return {
        "file": failure.file,
        "label": CLASS_NAMES[failure.label],
        "probability": failure.probability,
        "nearest_training": [
            {"file": image.file, "label": image.class_name, "distance": image.distance}
            for image in failure.neighbours
        ],
    }
