"""JSON of the stress tests, without images."""

from dataclasses import asdict
from typing import Any

from pneumoscope.evaluation.predictions import CLASS_NAMES
from pneumoscope.evaluation.report.evaluation_json import estimates_json
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
    return {
        "name": curve.name,
        "unit": curve.unit,
        "n": curve.n,
        "positives": curve.positives,
        "unreadable": curve.unreadable,
        "points": [
            {
                "strength": point.strength,
                "change": point.change,
                **estimates_json(
                    {
                        "auc": point.auc,
                        "sensitivity": point.sensitivity,
                        "specificity": point.specificity,
                        "rejected": point.rejected,
                    }
                ),
            }
            for point in curve.points
        ],
    }


def _shortcuts(table: ShortcutTable) -> dict[str, Any]:
    return {
        "verdict": shortcut_verdict(table),
        "n": table.n,
        "positives": table.positives,
        "unreadable": table.unreadable,
        **estimates_json(
            {
                "lungs_found_positive": table.lungs_found_positive,
                "lungs_found_negative": table.lungs_found_negative,
            }
        ),
        "conditions": [
            {
                "condition": str(row.condition),
                "mean_positive": row.mean_positive,
                "mean_negative": row.mean_negative,
                **estimates_json(
                    {
                        "auc": row.auc,
                        "sensitivity": row.sensitivity,
                        "specificity": row.specificity,
                    }
                ),
            }
            for row in table.rows
        ],
    }


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
