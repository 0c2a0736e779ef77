"""JSON of a model's evaluation and of a comparison of models."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from math import isfinite
from typing import Any

from pneumoscope.evaluation.model_comparison import Comparison
from pneumoscope.evaluation.model_evaluation import ModelEvaluation
from pneumoscope.evaluation.predictions import CLASS_NAMES, Floats
from pneumoscope.evaluation.report.fingerprint import fingerprint
from pneumoscope.evaluation.statistics.calibration import CalibrationAssessment
from pneumoscope.evaluation.statistics.decision_curve import Consequences
from pneumoscope.evaluation.statistics.discrimination import Discrimination, PointEvaluation
from pneumoscope.evaluation.statistics.paired_tests import PairedComparison
from pneumoscope.evaluation.subgroups.table import Subgroup
from pneumoscope.report.estimate import Estimate

SCHEMA = 1
"""Version of the JSON of a comparison; it changes where a reader of the old one would misread it."""


def comparison_json(comparison: Comparison, extra: Mapping[str, object] | None = None) -> str:
    """Return a comparison as JSON; see `evaluation_json` for each model.

    Parameters
    ----------
    comparison
        Comparison of models on the same images.
    extra
        Further entries at the top level.
    """
    choice, stability = comparison.choice, comparison.stability
    content = {
        "schema": SCHEMA,
        "models": [evaluation_json(evaluation) for evaluation in comparison.judgements],
        "compared": comparison.compared,
        "comparisons": [_pair(pair) for pair in comparison.pairs],
        "choice": None if choice is None else asdict(choice),
        "choice_stability": None if stability is None else asdict(stability),
        **(extra or {}),
    }
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def evaluation_json(judgement: ModelEvaluation) -> dict[str, Any]:
    """Return a judgement as a JSON object.

    A figure ``x`` has its 95 % interval in ``x_ci``, a list of two numbers; both are null where
    they are undefined. Names may be added in later versions; none is taken away or changes its
    meaning.
    """
    subject, predictions = judgement.subject, judgement.subject.predictions
    return {
        "name": subject.name,
        "source": subject.source,
        "n": len(predictions.files),
        "positives": int(predictions.labels.sum()),
        "patients": len(set(predictions.patients)),
        "patients_stated": predictions.patients != predictions.files,
        "fingerprint": fingerprint(predictions),
        **_discrimination(judgement.discrimination),
        "operating_points": [_point(point) for point in judgement.discrimination.points],
        "calibration": _calibration(judgement.calibration),
        "recalibrated": {
            "how": judgement.recalibrated_on,
            **({} if judgement.recalibrated is None else _calibration(judgement.recalibrated)),
        },
        "usefulness": [
            _per_thousand(row) for rows in judgement.consequences.values() for row in rows
        ],
        "decision_curve": {
            name: _numbers(getattr(judgement.decisions, name))
            for name in ("thresholds", "model", "treat_all", "low", "high")
        },
        "subgroups": [_subgroup(group) for group in judgement.subgroups.groups],
        "subgroups_left_out": dict(judgement.subgroups.left_out),
        "label_errors": [
            {
                "file": one.file,
                "label": CLASS_NAMES[one.label],
                "probability": one.probability,
                "score": one.score,
            }
            for one in judgement.label_errors.candidates
        ],
        "label_errors_total": judgement.label_errors.total,
    }


def estimates_json(
    figures: Mapping[str, Estimate],
) -> dict[str, float | tuple[float, float] | None]:
    """Return each figure and, by its name with ``_ci``, its interval.

    Examples
    --------
    >>> estimates_json({"auc": Estimate(0.9, 0.8, 1.0)})
    {'auc': 0.9, 'auc_ci': (0.8, 1.0)}
    """
    content: dict[str, float | tuple[float, float] | None] = {}
    for name, estimate in figures.items():
        content |= {name: estimate.value, f"{name}_ci": estimate.interval}
    return content


def _numbers(values: Floats | None) -> list[float | None] | None:
    if values is None:
        return None
    return [value if isfinite(value) else None for value in values.tolist()]


def _discrimination(found: Discrimination) -> dict[str, Any]:
    figures = {
        "auc": found.auc,
        "auc_delong": found.auc_delong,
        "average_precision": found.average_precision,
        "partial_auc": found.partial_auc,
    }
    return estimates_json(figures) | {"draws": found.draws}


def _point(point: PointEvaluation) -> dict[str, Any]:
    (tn, fp), (fn, tp) = point.confusion
    return {
        "name": point.name,
        "threshold": point.threshold,
        "tn": tn,
        "fp": fp,
        "fn": fn,
        "tp": tp,
        **estimates_json(point.estimates),
        "wilson": {name: estimate.interval for name, estimate in point.by_image.items()},
        "at_prevalence": [
            {"prevalence": prevalence, **estimates_json(figures)}
            for prevalence, figures in point.at_prevalence.items()
        ],
    }


def _pair(pair: PairedComparison) -> dict[str, Any]:
    return {
        "first": pair.first,
        "second": pair.second,
        **estimates_json({"auc_difference": pair.auc.difference}),
        "delong_z": pair.auc.z,
        "delong_p": pair.auc.p,
        "delong_p_holm": pair.auc_p_holm,
        "mcnemar": asdict(pair.calls),
        "mcnemar_p_holm": pair.calls_p_holm,
    }


def _per_thousand(row: Consequences) -> dict[str, Any]:
    figures = {
        "found": row.found,
        "missed": row.missed,
        "followups": row.followups,
        "followups_avoided": row.followups_avoided,
        "needless": row.needless,
    }
    return {"name": row.name, "prevalence": row.prevalence, **estimates_json(figures)}


def _calibration(found: CalibrationAssessment) -> dict[str, Any]:
    figures = {"slope": found.slope, "intercept": found.intercept, "brier": found.brier}
    return {
        **estimates_json(figures),
        "ece": found.ece,
        "reliability": found.reliability,
        "resolution": found.resolution,
        "uncertainty": found.uncertainty,
        "within_bins": found.within_bins,
        "bins": [
            {
                "low": part.low,
                "high": part.high,
                "n": part.n,
                "predicted": part.predicted,
                "observed": part.observed.value,
                "interval": {"low": part.observed.low, "high": part.observed.high},
            }
            for part in found.bins
        ],
    }


def _subgroup(group: Subgroup) -> dict[str, Any]:
    figures = {
        "auc": group.auc,
        "sensitivity": group.sensitivity,
        "specificity": group.specificity,
        "auc_gap": group.auc_gap,
        "sensitivity_gap": group.sensitivity_gap,
        "specificity_gap": group.specificity_gap,
    }
    return {
        "column": group.column,
        "value": group.value,
        "n": group.n,
        "positives": group.positives,
        "patients": group.patients,
        **estimates_json(figures),
        "against": group.against,
        "too_few_to_say": sorted(group.too_few),
    }
