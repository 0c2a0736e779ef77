"""An inspection as JSON, without its pictures."""

from dataclasses import asdict
from typing import Any

from pneumoscope.evaluation.predictions import CLASS_NAMES
from pneumoscope.evaluation.report.evaluation_json import with_intervals
from pneumoscope.validation.stress.failures import Failure
from pneumoscope.validation.stress.robustness import RobustnessCurve
from pneumoscope.validation.stress.shortcuts import ShortcutTable, shortcut_verdict
from pneumoscope.validation.stress.stress_tests import StressTests, short_name


def inspection_json(inspection: StressTests) -> dict[str, Any]:
    """Return an inspection as a JSON object, without its pictures."""
    failures = inspection.failures
    return {
        "robustness": [_curve(curve) for curve in inspection.robustness],
        "shortcuts": None if inspection.shortcuts is None else _shortcuts(inspection.shortcuts),
        "failures": {
            "threshold": failures.threshold,
            "missed": failures.missed,
            "false_alarms": failures.false_alarms,
            "worst_false_negatives": [_failure(one) for one in failures.false_negatives],
            "worst_false_positives": [_failure(one) for one in failures.false_positives],
        },
        "duplicates_of_training": (
            None
            if inspection.duplicates is None
            else [asdict(one) for one in inspection.duplicates]
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
                **with_intervals(
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
        **with_intervals(
            {
                "lungs_found_ill": table.lungs_found_ill,
                "lungs_found_healthy": table.lungs_found_healthy,
            }
        ),
        "conditions": [
            {
                "condition": str(row.condition),
                "mean_ill": row.mean_ill,
                "mean_healthy": row.mean_healthy,
                **with_intervals(
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
            {
                "file": short_name(one.neighbour.file),
                "label": CLASS_NAMES[one.neighbour.label],
                "distance": one.neighbour.distance,
            }
            for one in failure.neighbours
        ],
    }
