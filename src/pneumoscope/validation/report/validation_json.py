"""A local validation as JSON: a stable interface."""

import json
from dataclasses import asdict
from typing import Any

from pneumoscope.evaluation.report.evaluation_json import evaluation_json, with_intervals
from pneumoscope.validation.local_validation import Validation
from pneumoscope.validation.report.stress_json import inspection_json

SCHEMA = 1
"""It changes only when a reader of the old one would misread the new."""


def validation_json(validation: Validation) -> str:
    """Return a validation as JSON.

    ``n``, ``positives``, ``auc``, ``auc_ci``, ``operating_points`` (each with ``name``,
    ``threshold``, ``sensitivity``, ``specificity``, ``ppv`` and ``npv``, and their ``_ci``),
    ``calibration``, ``subgroups``, ``rejected`` and ``verdict`` keep their names and meaning; see
    `evaluation_json` for the rest.
    """
    verdict, local, population = validation.verdict, validation.local, validation.population
    found = validation.inspection
    shares = {"unfamiliar": population.unfamiliar, "rejected": population.rejected}
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "verdict": str(verdict.answer),
        "verdict_reasons": list(verdict.reasons),
        "verdict_rule": verdict.rule,
        "verdict_sample": verdict.sample,
        "criteria": [
            {
                "name": one.name,
                "recalibrated": one.recalibrated,
                **with_intervals({"value": one.estimate}),
                "low": one.low,
                "high": one.high,
                "state": str(one.state),
            }
            for one in verdict.criteria
        ],
        "bundle": validation.bundle,
        "operating_point": validation.at,
        **evaluation_json(validation.judgement),
        "rejected": [asdict(one) for one in local.rejected],
        "unlabelled": list(local.unlabelled),
        "copies": local.copies,
        "population": {
            **with_intervals(shares),
            "unfamiliar_expected": population.expected,
            "distance_quartiles": list(population.distances),
            "quality": dict(population.quality),
        },
        "inspection": None if found is None else inspection_json(found),
    }
    return json.dumps(content, indent=2, allow_nan=False) + "\n"
