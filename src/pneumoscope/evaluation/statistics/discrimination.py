"""Discrimination: areas under the curves, and metrics at operating points, with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats, Predictions
from pneumoscope.evaluation.statistics.bootstrap import DRAWS, estimate_from_resamples, resample
from pneumoscope.evaluation.statistics.delong import delong
from pneumoscope.evaluation.statistics.intervals import widen_certain
from pneumoscope.evaluation.statistics.metrics import (
    Confusion,
    Metrics,
    point_metrics,
    wilson_proportions,
)
from pneumoscope.evaluation.statistics.roc import Ranking
from pneumoscope.report.estimate import Estimate
from pneumoscope.report.operating_point import POINT_METRICS
from pneumoscope.support.errors import PredictionsError

PREVALENCES = (0.05, 0.20, 0.60)
"""Default prevalences at which predictive values are stated."""

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class PointEvaluation:
    """Metrics at one operating point.

    Parameters
    ----------
    name
        Name of the operating point.
    threshold
        Lowest probability that is called PNEUMONIA.
    confusion
        Confusion matrix.
    estimates
        `POINT_METRICS` by name, with percentile bootstrap intervals by patient. A likelihood ratio
        whose denominator is 0 (no false positive, no true negative) is infinite and has no value;
        where only an end of its interval is infinite, it has no interval.
    by_image
        The proportions with Wilson's intervals, which take images as independent: exact where each
        patient has one image, too narrow where patients have several.
    at_prevalence
        ``ppv`` and ``npv`` at other prevalences, from sensitivity and specificity by Bayes' rule.
    """

    name: str
    threshold: float
    confusion: Confusion
    estimates: Mapping[str, Estimate]
    by_image: Mapping[str, Estimate]
    at_prevalence: Mapping[float, Mapping[str, Estimate]]


@dataclass(frozen=True, slots=True)
class Discrimination:
    """Discrimination of one table of predictions.

    Parameters
    ----------
    auc
        Area under the ROC curve, with its bootstrap interval by patient.
    auc_delong
        Area under the ROC curve with DeLong's interval, clustered by patient.
    average_precision
        Average precision over all thresholds, without interpolation.
    partial_auc
        Area of the region of sensitivity >= 0.9, standardised: 0.5 is chance and 1 perfect.
    points
        Operating points, in the order given.
    draws
        Number of bootstrap resamples behind the intervals.
    """

    auc: Estimate
    auc_delong: Estimate
    average_precision: Estimate
    partial_auc: Estimate
    points: tuple[PointEvaluation, ...]
    draws: int


def assess_discrimination(
    predictions: Predictions,
    thresholds: Mapping[str, float],
    prevalences: Sequence[float] = PREVALENCES,
    draws: int = DRAWS,
    seed: int = 0,
) -> Discrimination:
    """Return the discrimination of predictions over all thresholds and at operating points.

    All intervals but DeLong's and Wilson's come from the same bootstrap resamples of patients; a
    resample in which a metric is undefined is left out for that metric. With a single patient there
    are no intervals. Where no resample can differ, because all images are classified alike,
    proportions have Wilson's interval of the patients behind them, and other metrics none; see
    `widen_certain`.

    Parameters
    ----------
    predictions
        Table to evaluate.
    thresholds
        Lowest probability that is called PNEUMONIA, by the name of the operating point.
    prevalences
        Shares of PNEUMONIA, within [0, 1], at which to state predictive values.
    draws
        Number of bootstrap resamples.
    seed
        Random seed; the same seed gives the same intervals, on any number of cores.

    Raises
    ------
    PredictionsError
        If a prevalence is outside [0, 1].

    References
    ----------
    For the MCC: Matthews BW. Comparison of the predicted and observed secondary structure of T4
    phage lysozyme. Biochimica et Biophysica Acta 405:442-451, 1975.

    Examples
    --------
    >>> table = Predictions(
    ...     files=("a", "b", "c", "d"),
    ...     labels=np.array([0, 0, 1, 1]),
    ...     probabilities=np.array([0.1, 0.6, 0.8, 0.9]),
    ...     patients=("A", "B", "C", "D"),
    ... )
    >>> discrimination = assess_discrimination(table, {"balanced": 0.5})
    >>> str(discrimination.auc), discrimination.points[0].confusion
    ('1.000 (0.342 to 1.000)', ((1, 1), (0, 2)))
    >>> str(discrimination.points[0].estimates["specificity"])
    '0.500 (0.000 to 1.000)'
    """
    for prevalence in prevalences:
        if not 0 <= prevalence <= 1:
            raise PredictionsError(
                f"the prevalence {prevalence} is not a share between 0 and 1; write 5 % as 0.05"
            )
    labels, probabilities = predictions.labels, predictions.probabilities
    patient = predictions.patient_numbers()
    ranking = Ranking.of(labels, probabilities, patient, tuple(thresholds.values()))
    resampled = resample(ranking.areas_and_counts, patient, draws, seed).T
    auc, average_precision, partial_auc = map(estimate_from_resamples, resampled[:3])
    points = (
        _point(name, threshold, resampled[start : start + 4], prevalences)
        for start, (name, threshold) in zip(
            range(3, len(resampled), 4), thresholds.items(), strict=True
        )
    )
    smaller_class = min(_count_patients(predictions, labels == label) for label in (0, 1))
    return Discrimination(
        widen_certain(auc, smaller_class),
        widen_certain(delong(labels, probabilities, patient), smaller_class),
        drop_zero_width(average_precision),
        drop_zero_width(partial_auc),
        tuple(_widen_point(point, predictions) for point in points),
        draws,
    )


def bootstrap_metrics(
    predictions: Predictions, threshold: float, draws: int = DRAWS, seed: int = 0
) -> Metrics:
    """Return the metrics of `measure` with their intervals; see `assess_discrimination`.

    Parameters
    ----------
    predictions
        Table to evaluate.
    threshold
        Lowest probability that is called PNEUMONIA.
    draws
        Number of bootstrap resamples.
    seed
        Random seed of the resamples.

    Examples
    --------
    >>> labels, files = np.arange(40) % 2, tuple(map(str, range(40)))
    >>> table = Predictions(files, labels, 0.25 + labels / 2, files)
    >>> print(bootstrap_metrics(table, threshold=0.5)["accuracy"])
    1.000 (0.912 to 1.000)
    """
    discrimination = assess_discrimination(predictions, {"": threshold}, (), draws, seed)
    areas = {"auc": discrimination.auc, "average_precision": discrimination.average_precision}
    (point,) = discrimination.points
    return Metrics(len(predictions.files), point.confusion, {**point.estimates, **areas})


def _count_patients(predictions: Predictions, rows: NDArray[np.bool_]) -> int:
    return len({predictions.patients[row] for row in np.flatnonzero(rows)})


def drop_zero_width(estimate: Estimate) -> Estimate:
    """Take away an interval that no resample could widen: it would look like certainty."""
    interval = estimate.interval
    if interval is not None and interval[1] - interval[0] < _ROUNDING:
        return Estimate(estimate.value)
    return estimate


def _widen_point(point: PointEvaluation, predictions: Predictions) -> PointEvaluation:
    """Give proportions of 0 or 1 Wilson's interval of the patients behind them."""
    ill, called = predictions.labels == 1, predictions.probabilities >= point.threshold
    cells = np.stack([~ill & ~called, ~ill & called, ill & ~called, ill & called]).astype(float)
    estimates = {}
    for name, metric in POINT_METRICS.items():
        if metric.is_proportion:
            behind = metric.fraction(*cells)[1] > 0
            patients = _count_patients(predictions, behind)
            estimates[name] = widen_certain(point.estimates[name], patients)
        else:
            estimates[name] = drop_zero_width(point.estimates[name])
    at_prevalence = {
        prevalence: _widen_predictive_values(values, estimates, prevalence)
        for prevalence, values in point.at_prevalence.items()
    }
    return replace(point, estimates=estimates, at_prevalence=at_prevalence)


def _widen_predictive_values(
    values: Mapping[str, Estimate], estimates: Mapping[str, Estimate], prevalence: float
) -> dict[str, Estimate]:
    """Let a predictive value of 1 fall as far as the ends of sensitivity and specificity imply.

    Another one that no resample changes, as where nobody is called ill, has no interval.
    """
    sensitivity, specificity = estimates["sensitivity"], estimates["specificity"]
    if sensitivity.low is None or specificity.low is None:
        return {name: drop_zero_width(value) for name, value in values.items()}
    best = np.array([sensitivity.value or 0.0]), np.array([specificity.value or 0.0])
    worst = np.array([sensitivity.low]), np.array([specificity.low])
    lows = {
        "ppv": _predictive_values(best[0], worst[1], prevalence)["ppv"].value,
        "npv": _predictive_values(worst[0], best[1], prevalence)["npv"].value,
    }
    return {
        name: Estimate(1.0, lows[name], 1.0)
        if value.value == 1.0 and lows[name]
        else drop_zero_width(value)
        for name, value in values.items()
    }


def _point(
    name: str, threshold: float, cells: Floats, prevalences: Sequence[float]
) -> PointEvaluation:
    values = point_metrics(cells)
    tn, fp, fn, tp = (int(cell[0]) for cell in cells)
    return PointEvaluation(
        name,
        threshold,
        ((tn, fp), (fn, tp)),
        {name: estimate_from_resamples(resampled) for name, resampled in values.items()},
        wilson_proportions(cells[:, 0]),
        {
            prevalence: _predictive_values(values["sensitivity"], values["specificity"], prevalence)
            for prevalence in prevalences
        },
    )


def _predictive_values(
    sensitivity: Floats, specificity: Floats, prevalence: float
) -> dict[str, Estimate]:
    tp, fp = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    tn, fn = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    with np.errstate(invalid="ignore"):
        return {
            "ppv": estimate_from_resamples(tp / (tp + fp)),
            "npv": estimate_from_resamples(tn / (tn + fn)),
        }
