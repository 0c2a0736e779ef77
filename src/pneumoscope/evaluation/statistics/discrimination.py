"""How well predictions tell PNEUMONIA from NORMAL, every figure with its interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.statistics.bootstrap import DRAWS, percentile_interval, resample
from pneumoscope.evaluation.statistics.delong import delong
from pneumoscope.evaluation.statistics.intervals import Estimate, Interval, never_certain, wilson
from pneumoscope.evaluation.statistics.metrics import Floats
from pneumoscope.evaluation.statistics.ranking import Ranking
from pneumoscope.support.errors import PredictionsError

POINT_NAMES = (
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "lr_positive",
    "lr_negative",
    "f1",
    "mcc",
    "accuracy",
)
"""The figures of an operating point, in the order in which they are reported."""

PREVALENCES = (0.05, 0.20, 0.60)
"""At which predictive values are given unless asked otherwise."""

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class PointFigures:
    """The figures of one operating point.

    Parameters
    ----------
    name
        Of the operating point.
    threshold
        A probability of at least this means PNEUMONIA.
    confusion
        ``((tn, fp), (fn, tp))``, numbers of images.
    figures
        `POINT_NAMES` with percentile bootstrap intervals by patient. A likelihood ratio whose
        denominator is 0 (no false positive, no true negative) is infinite and has no value; where
        only an end of its interval is infinite, it has no interval.
    exact
        Wilson's intervals of sensitivity, specificity, PPV and NPV, which take images as
        independent: exact where a patient has one image, too narrow where patients have several.
    at_prevalence
        ``ppv`` and ``npv`` at other prevalences, from sensitivity and specificity by Bayes' rule.
    """

    name: str
    threshold: float
    confusion: tuple[tuple[int, int], tuple[int, int]]
    figures: Mapping[str, Estimate]
    exact: Mapping[str, Interval | None]
    at_prevalence: Mapping[float, Mapping[str, Estimate]]


@dataclass(frozen=True, slots=True)
class Discrimination:
    """How well one table of predictions tells the classes apart.

    Parameters
    ----------
    auc
        Area under the ROC curve, with its bootstrap interval by patient.
    auc_delong
        The same with DeLong's interval, which takes images as independent.
    average_precision
        Over all thresholds, without interpolation.
    partial_auc
        Of the region of sensitivity >= 0.9, standardised: 0.5 is chance and 1 perfect.
    points
        The operating points, in the order in which they were given.
    draws
        Bootstrap draws behind the intervals.
    """

    auc: Estimate
    auc_delong: Estimate
    average_precision: Estimate
    partial_auc: Estimate
    points: tuple[PointFigures, ...]
    draws: int


def discriminate(
    predictions: Predictions,
    thresholds: Mapping[str, float],
    prevalences: Sequence[float] = PREVALENCES,
    draws: int = DRAWS,
    seed: int = 0,
) -> Discrimination:
    """Judge predictions over all thresholds and at operating points.

    All intervals but DeLong's and Wilson's come out of the same bootstrap draws of patients, those
    of `bootstrap_intervals`; a draw in which a figure is undefined is left out for that figure.
    Undefined figures, and the intervals of a single patient, are None. Where no draw can differ,
    because all images are judged alike, sensitivity and the like have Wilson's interval of the
    patients behind them, and other figures none; see `never_certain`.

    Parameters
    ----------
    predictions
        The table to judge.
    thresholds
        Of the operating points, by name; a probability of at least this means PNEUMONIA.
    prevalences
        Shares of PNEUMONIA, within [0, 1], at which to give predictive values.
    draws
        Number of resamplings.
    seed
        The same seed gives the same intervals, on any number of cores.

    Raises
    ------
    PredictionsError
        If a prevalence is outside [0, 1].

    References
    ----------
    For the partial AUC: McClish DK. Analyzing a portion of the ROC curve. Medical Decision Making
    9:190-195, 1989. For the MCC: Matthews BW. Comparison of the predicted and observed secondary
    structure of T4 phage lysozyme. Biochimica et Biophysica Acta 405:442-451, 1975.

    Examples
    --------
    >>> table = Predictions(
    ...     files=("a", "b", "c", "d"),
    ...     labels=np.array([0, 0, 1, 1]),
    ...     probabilities=np.array([0.1, 0.6, 0.8, 0.9]),
    ...     patients=("A", "B", "C", "D"),
    ... )
    >>> judged = discriminate(table, {"balanced": 0.5})
    >>> str(judged.auc), judged.points[0].confusion
    ('1.000 (0.342 to 1.000)', ((1, 1), (0, 2)))
    >>> str(judged.points[0].figures["specificity"])
    '0.500 (0.000 to 1.000)'
    """
    for prevalence in prevalences:
        if not 0 <= prevalence <= 1:
            raise PredictionsError(
                f"the prevalence {prevalence} is not a share between 0 and 1; write 5 % as 0.05"
            )
    patient = np.unique(np.array(predictions.patients), return_inverse=True)[1]
    ranking = Ranking.of(
        predictions.labels, predictions.probabilities, patient, tuple(thresholds.values())
    )
    drawn = resample(ranking.figures, patient, draws, seed)
    auc, average_precision, partial_auc = (_estimate(figure) for figure in drawn[:, :3].T)
    points = tuple(
        _point(name, threshold, drawn[:, start : start + 4].T, prevalences)
        for start, (name, threshold) in zip(
            range(3, drawn.shape[1], 4), thresholds.items(), strict=True
        )
    )
    by_delong = delong(predictions.labels, predictions.probabilities)
    fewest = min(_patients(predictions, predictions.labels == label) for label in (0, 1))
    return Discrimination(
        never_certain(auc, fewest),
        never_certain(by_delong, fewest),
        _without_width(average_precision),
        _without_width(partial_auc),
        tuple(_never_certain(point, predictions) for point in points),
        draws,
    )


def _patients(predictions: Predictions, rows: NDArray[np.bool_]) -> int:
    return len({predictions.patients[row] for row in np.flatnonzero(rows)})


def _without_width(estimate: Estimate) -> Estimate:
    """Take away an interval that no draw could widen: it would look like certainty."""
    interval = estimate.interval
    if interval is not None and interval.high - interval.low < _ROUNDING:
        return Estimate(estimate.value)
    return estimate


def _never_certain(point: PointFigures, predictions: Predictions) -> PointFigures:
    """Give the shares of a point that are 0 or 1 Wilson's interval of the patients behind them."""
    ill, called = predictions.labels == 1, predictions.probabilities >= point.threshold
    behind = {"sensitivity": ill, "specificity": ~ill, "ppv": called, "npv": ~called}
    behind["accuracy"] = np.ones_like(ill)
    figures = {
        name: never_certain(estimate, _patients(predictions, behind[name]))
        if name in behind
        else _without_width(estimate)
        for name, estimate in point.figures.items()
    }
    at_prevalence = {
        prevalence: _widened(values, figures, prevalence)
        for prevalence, values in point.at_prevalence.items()
    }
    return replace(point, figures=figures, at_prevalence=at_prevalence)


def _widened(
    values: Mapping[str, Estimate], figures: Mapping[str, Estimate], prevalence: float
) -> dict[str, Estimate]:
    """Let a predictive value of 1 fall as far as what it follows from may."""
    sensitivity, specificity = figures["sensitivity"], figures["specificity"]
    if sensitivity.interval is None or specificity.interval is None:
        return dict(values)
    found, cleared = (np.array([one.value or 0.0]) for one in (sensitivity, specificity))
    fewer_found = np.array([sensitivity.interval.low])
    fewer_cleared = np.array([specificity.interval.low])
    worst = {
        "ppv": _predictive(found, fewer_cleared, prevalence)["ppv"].value,
        "npv": _predictive(fewer_found, cleared, prevalence)["npv"].value,
    }
    widened = dict(values)
    for name, low in worst.items():
        if values[name].value == 1.0 and low is not None:
            widened[name] = Estimate(1.0, Interval(low, 1.0))
    return widened


def _point(
    name: str, threshold: float, cells: Floats, prevalences: Sequence[float]
) -> PointFigures:
    tn, fp, fn, tp = (int(cell[0]) for cell in cells)
    values = point_figures(*cells)
    return PointFigures(
        name,
        threshold,
        ((tn, fp), (fn, tp)),
        {figure: _estimate(drawn) for figure, drawn in values.items()},
        {
            "sensitivity": wilson(tp, tp + fn),
            "specificity": wilson(tn, tn + fp),
            "ppv": wilson(tp, tp + fp),
            "npv": wilson(tn, tn + fn),
        },
        {
            prevalence: _predictive(values["sensitivity"], values["specificity"], prevalence)
            for prevalence in prevalences
        },
    )


def point_figures(tn: Floats, fp: Floats, fn: Floats, tp: Floats) -> dict[str, Floats]:
    """Return `POINT_NAMES` for many confusion matrices at once.

    Parameters
    ----------
    tn, fp, fn, tp
        Numbers of images, shape (matrices,).

    Returns
    -------
    dict of str to array
        Shape (matrices,), NaN where 0 is divided by 0; only likelihood ratios may be infinite.

    Examples
    --------
    >>> cells = np.array([[90.0], [10.0], [5.0], [45.0]])
    >>> [f"{name} {value[0]:.2f}" for name, value in point_figures(*cells).items()][4:6]
    ['lr_positive 9.00', 'lr_negative 0.11']
    """
    ill, healthy, called, cleared = tp + fn, tn + fp, tp + fp, tn + fn
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "sensitivity": tp / ill,
            "specificity": tn / healthy,
            "ppv": tp / called,
            "npv": tn / cleared,
            "lr_positive": (tp / ill) / (fp / healthy),
            "lr_negative": (fn / ill) / (tn / healthy),
            "f1": 2 * tp / (called + ill),
            "mcc": (tp * tn - fp * fn) / (np.sqrt(ill * healthy) * np.sqrt(called * cleared)),
            "accuracy": (tp + tn) / (ill + healthy),
        }


def _predictive(sensitivity: Floats, specificity: Floats, prevalence: float) -> dict[str, Estimate]:
    called = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    cleared = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    with np.errstate(invalid="ignore"):
        return {
            "ppv": _estimate(called[0] / sum(called)),
            "npv": _estimate(cleared[0] / sum(cleared)),
        }


def _estimate(drawn: Floats) -> Estimate:
    """Return the first value, which is the table's own, with the interval of the others."""
    value, others = float(drawn[0]), drawn[1:][~np.isnan(drawn[1:])]
    if not np.isfinite(value):
        return Estimate(None)
    if not len(others):
        return Estimate(value)
    # Between a number and an infinity nothing can be interpolated: the end becomes either or NaN.
    with np.errstate(invalid="ignore"):
        interval = percentile_interval(others)
    return Estimate(value, interval if np.isfinite(interval.high) else None)
