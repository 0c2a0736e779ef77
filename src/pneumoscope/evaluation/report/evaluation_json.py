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
from pneumoscope.evaluation.second_reader_evaluation import (
    ReaderAgreement,
    ReferenceEvaluation,
    SecondReaderEvaluation,
)
from pneumoscope.evaluation.statistics.calibration import CalibrationAssessment, CalibrationBin
from pneumoscope.evaluation.statistics.decision_curve import Consequences
from pneumoscope.evaluation.statistics.discrimination import PointEvaluation
from pneumoscope.evaluation.statistics.paired_tests import PairedComparison
from pneumoscope.evaluation.subgroups.table import SUBGROUP_METRICS, Subgroup
from pneumoscope.report.estimate import Estimate

SCHEMA = 2
"""Version of a comparison's JSON; it changes where a reader of the old one would misread it."""


def comparison_json(comparison: Comparison, extra: Mapping[str, object] | None = None) -> str:
    """Return a comparison, and ``extra`` entries, as JSON; see `evaluation_json` for each model."""
    choice, stability = comparison.choice, comparison.stability
    content = {
        "schema": SCHEMA,
        "models": [evaluation_json(evaluation) for evaluation in comparison.evaluations],
        "compared": comparison.compared,
        "comparisons": [_pair(pair) for pair in comparison.pairs],
        "choice": None if choice is None else asdict(choice),
        "choice_stability": None if stability is None else asdict(stability),
        **(extra or {}),
    }
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def evaluation_json(evaluation: ModelEvaluation) -> dict[str, Any]:
    """Return a model's evaluation as a JSON object.

    An estimate ``x`` has its 95 % interval in ``x_ci``, a list of two numbers; both are null where
    they are undefined. Names may be added in later versions; none is removed or changes its
    meaning.
    """
    subject, predictions = evaluation.subject, evaluation.subject.predictions
    discrimination, recalibrated = evaluation.discrimination, evaluation.recalibrated
    second_reader = evaluation.second_reader
    return {
        "name": subject.name,
        "source": subject.source,
        "n": len(predictions.files),
        "positives": int(predictions.labels.sum()),
        "patients": None if predictions.n_without_patient else len(set(predictions.patients)),
        "patients_stated": predictions.n_without_patient < len(predictions.files),
        "images_without_patient": predictions.n_without_patient,
        "fingerprint": fingerprint(predictions),
        **_fields(discrimination, "auc", "auc_delong", "average_precision", "partial_auc"),
        "metrics": estimates_json(evaluation.metrics),
        "draws": discrimination.draws,
        "operating_points": [_point(point) for point in discrimination.points],
        "calibration": _calibration(evaluation.calibration),
        "recalibrated": {
            "how": evaluation.recalibrated_on,
            **({} if recalibrated is None else _calibration(recalibrated)),
        },
        "consequences": [
            _consequences(row) for rows in evaluation.consequences.values() for row in rows
        ],
        "decision_curve": {
            name: _numbers(getattr(evaluation.decisions, name))
            for name in ("thresholds", "model", "treat_all", "low", "high")
        },
        "subgroups": [
            _subgroup(group, not predictions.n_without_patient)
            for group in evaluation.subgroups.groups
        ],
        "subgroups_left_out": dict(evaluation.subgroups.left_out),
        "label_errors": [
            asdict(candidate) | {"label": CLASS_NAMES[candidate.label]}
            for candidate in evaluation.label_errors.candidates
        ],
        "label_errors_total": evaluation.label_errors.total,
        "second_reader": None if second_reader is None else _second_reader(second_reader),
    }


def estimates_json(
    estimates: Mapping[str, Estimate],
) -> dict[str, float | tuple[float, float] | None]:
    """Return each value by its name, and its interval by the name with ``_ci``.

    Examples
    --------
    >>> estimates_json({"auc": Estimate(0.9, 0.8, 1.0)})
    {'auc': 0.9, 'auc_ci': (0.8, 1.0)}
    """
    content: dict[str, float | tuple[float, float] | None] = {}
    for name, estimate in estimates.items():
        content |= {name: estimate.value, f"{name}_ci": estimate.interval}
    return content


def _fields(values: object, *names: str) -> dict[str, float | tuple[float, float] | None]:
    return estimates_json({name: getattr(values, name) for name in names})


def _numbers(values: Floats | None) -> list[float | None] | None:
    if values is None:
        return None
    return [value if isfinite(value) else None for value in values.tolist()]


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
            {"prevalence": prevalence, **estimates_json(values)}
            for prevalence, values in point.at_prevalence.items()
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


def _consequences(row: Consequences) -> dict[str, Any]:
    counts = _fields(row, "found", "missed", "followups", "followups_avoided", "needless")
    return {"name": row.name, "prevalence": row.prevalence, **counts}


def _calibration(calibration: CalibrationAssessment) -> dict[str, Any]:
    return {
        **_fields(calibration, "slope", "in_the_large", "brier"),
        # Its name before `in_the_large`, kept for programs that read it.
        **estimates_json({"intercept": calibration.in_the_large}),
        "ece": calibration.ece,
        "reliability": calibration.reliability,
        "resolution": calibration.resolution,
        "uncertainty": calibration.uncertainty,
        "within_bins": calibration.within_bins,
        "bins": [_bin(part) for part in calibration.bins],
    }


def _bin(part: CalibrationBin) -> dict[str, Any]:
    observed = part.observed
    return {
        "low": part.low,
        "high": part.high,
        "n": part.n,
        "predicted": part.predicted,
        "observed": observed.value,
        "interval": {"low": observed.low, "high": observed.high},
    }


def _subgroup(group: Subgroup, patients_known: bool) -> dict[str, Any]:
    return {
        "column": group.column,
        "value": group.value,
        "n": group.n,
        "positives": group.positives,
        "patients": group.patients if patients_known else None,
        **_fields(group, *SUBGROUP_METRICS, *(f"{name}_gap" for name in SUBGROUP_METRICS)),
        "against": group.against,
        "too_few_to_say": sorted(group.too_few),
        "gap_p_holm": dict(group.gap_p_holm),
    }


def _second_reader(second: SecondReaderEvaluation) -> dict[str, Any]:
    names = ("table", "read", "unusable", "without_reading", "not_evaluated")
    return {
        **{name: getattr(second, name) for name in names},
        "against": {
            str(reference): _reference(evaluation)
            for reference, evaluation in second.references.items()
        },
        "agreement": {
            "usable": _agreement(second.usable),
            "labelled": _agreement(second.labelled),
        },
    }


def _reference(evaluation: ReferenceEvaluation) -> dict[str, Any]:
    discrimination = evaluation.discrimination
    return {
        "n": evaluation.n,
        "positives": evaluation.positives,
        **estimates_json({"auc": Estimate(None) if discrimination is None else discrimination.auc}),
        "operating_points": (
            [] if discrimination is None else [_point(point) for point in discrimination.points]
        ),
    }


def _agreement(agreement: ReaderAgreement) -> dict[str, Any]:
    point = _point(agreement.point)
    for name in ("name", "threshold", "at_prevalence"):  # a person has none of them
        del point[name]
    return {"n": agreement.n, **estimates_json({"kappa": agreement.kappa}), **point}
