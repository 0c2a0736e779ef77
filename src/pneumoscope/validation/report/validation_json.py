"""JSON of a local validation: a stable interface for programs."""

import json
from dataclasses import asdict
from typing import Any

from pneumoscope.evaluation.report.evaluation_json import estimates_json, evaluation_json
from pneumoscope.validation.local_validation import LocalValidation
from pneumoscope.validation.report.stress_json import stress_tests_json

SCHEMA = 3
"""Version of the JSON; it changes only when a program for the old one would misread the new."""


def validation_json(validation: LocalValidation) -> str:
    """Return a local validation as JSON.

    ``n``, ``positives``, ``auc``, ``auc_ci``, ``operating_points`` (each with ``name``,
    ``threshold``, ``sensitivity``, ``specificity``, ``ppv`` and ``npv``, and their ``_ci``),
    ``calibration``, ``subgroups``, ``rejected``, ``outside`` and ``verdict`` keep their names and
    meaning; see `evaluation_json` for the rest.
    """
    acceptance, local = validation.acceptance, validation.local
    population, stress_tests = validation.population, validation.stress_tests
    shares = {
        "unfamiliar": population.unfamiliar,
        "rejected": population.rejected,
        "outside": population.outside,
        "unread": population.unread,
    }
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "verdict": str(acceptance.outcome),
        "verdict_reasons": list(acceptance.reasons),
        "verdict_rule": acceptance.rule,
        "verdict_sample": acceptance.sample_size,
        "criteria": [
            {
                "name": criterion.name,
                "recalibrated": criterion.recalibrated,
                **estimates_json({"value": criterion.estimate}),
                "low": criterion.low,
                "high": criterion.high,
                "state": str(criterion.state),
            }
            for criterion in acceptance.criteria
        ],
        "bundle": validation.bundle,
        "operating_point": validation.operating_point,
        "findings": validation.findings,
        **evaluation_json(validation.evaluation),
        "rejected": [asdict(radiograph) for radiograph in local.rejected],
        "outside": [asdict(radiograph) for radiograph in local.outside],
        "unlabelled": list(local.unlabelled),
        "copies": local.copies,
        "population": {
            **estimates_json(shares),
            "unfamiliar_expected": population.expected,
            "distance_quartiles": list(population.distances),
            "quality": dict(population.quality),
        },
        "stress_tests": None if stress_tests is None else stress_tests_json(stress_tests),
    }
    return json.dumps(content, indent=2, allow_nan=False) + "\n"
