"""Metrics and operating points of a bundle, with intervals, as ``bundle.yaml`` holds them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.selection.operating_points import (
    MIN_CONFIRM_PPV,
    MIN_SENSITIVITY,
    choose_operating_points,
)
from pneumoscope.evaluation.statistics.discrimination import bootstrap_metrics
from pneumoscope.evaluation.statistics.intervals import proportion, ratio
from pneumoscope.reader.reading import (
    CONFIDENCES,
    Finding,
    count_findings,
    describe_probability,
    finding_at,
    is_low_confidence,
)
from pneumoscope.report.estimate import Estimate
from pneumoscope.report.operating_point import POINT_METRICS, OperatingPoint
from pneumoscope.support.terminal import messages

MAX_LOW_CONFIDENCE_SHARE = 0.2
"""Share of validation images above which too many have low confidence at an operating point."""


def choose_measured_points(
    calibrated: Predictions, test: Predictions | None, simulated: Sequence[Predictions] = ()
) -> dict[str, OperatingPoint]:
    """Choose operating points on calibrated validation predictions; measure them there and on test.

    The points also have to keep their guarantees in each simulated acquisition of these images.
    Metrics are those of the findings that a reader shows: both are made by `finding_at`.

    Raises
    ------
    PredictionsError
        If the validation images are of one class only.
    """
    points = {
        name: _measure(point, calibrated, test)
        for name, point in choose_operating_points(calibrated, *simulated).items()
    }
    if "confirm" not in points:
        messages.print(
            f"No operating point 'confirm': no threshold has a PPV of {MIN_CONFIRM_PPV} and finds "
            f"{MIN_SENSITIVITY:.0%} of the validation images with pneumonia. Train a better model, "
            "or with more images",
            style="yellow",
        )
    for name, point in points.items():
        share = _low_confidence_share(calibrated, point)
        if share > MAX_LOW_CONFIDENCE_SHARE:
            messages.print(
                f"At '{name}' {share:.0%} of the validation images have low confidence: the "
                f"classes overlap from {point.low:.3f} to {point.high:.3f}. Train a better model, "
                "or with more images of both classes",
                style="yellow",
            )
    return points


def _measure(
    point: OperatingPoint, calibrated: Predictions, test: Predictions | None
) -> OperatingPoint:
    """Return an operating point with what it shows of validation images, and of test images."""
    measured = replace(
        point,
        measured=measure_findings(calibrated, point),
        measured_abstaining=measure_abstention(calibrated, point),
        findings=count_findings(calibrated.labels, calibrated.probabilities, point),
    )
    return measured if test is None else with_test_metrics(measured, test)


def with_test_metrics(point: OperatingPoint, test: Predictions) -> OperatingPoint:
    """Return an operating point with the metrics of what it shows of test images.

    Parameters
    ----------
    point
        Operating point.
    test
        Table with calibrated probabilities of images that nothing was chosen on.
    """
    return replace(
        point,
        tested=measure_findings(test, point),
        tested_abstaining=measure_abstention(test, point),
        tested_findings=count_findings(test.labels, test.probabilities, point),
        likelihood_ratios=_measure_likelihood_ratios(test, point),
    )


def _measure_likelihood_ratios(
    predictions: Predictions, point: OperatingPoint
) -> dict[str, Estimate]:
    """Return the stratum-specific likelihood ratio of each finding and confidence in words.

    Their intervals are those of two shares of patients, as if all images of a patient were alike: a
    bootstrap of the few ill patients with no sign of pneumonia would be too narrow. A finding that
    no image without pneumonia has is left out.

    References
    ----------
    Peirce JC, Cornell RG. Integrating stratum-specific likelihood ratios with the analysis of ROC
    curves. Medical Decision Making 13:141-151, 1993.
    """
    words = np.array([describe_probability(p, point) for p in predictions.probabilities.tolist()])
    patients = np.array(predictions.patients)
    ratios = {}
    for text in CONFIDENCES:
        shares = []
        for label in (1, 0):
            of_class = predictions.labels == label
            count = len(set(patients[of_class].tolist()))
            shares.append(proportion(float((words[of_class] == text).mean()) * count, count))
        ratios[text] = ratio(*shares)
    return {text: value for text, value in ratios.items() if value.interval is not None}


def _low_confidence_share(predictions: Predictions, point: OperatingPoint) -> float:
    """Return the share of images whose finding has low confidence, in [0, 1]."""
    probabilities = predictions.probabilities.tolist()
    return sum(is_low_confidence(p, point) for p in probabilities) / len(probabilities)


def measure_splits(
    predictions: Mapping[str, Predictions | None],
) -> dict[str, dict[str, Estimate]]:
    """Return AUC and average precision of each split that has predictions."""
    return {
        str(split): {name: metrics[name] for name in ("auc", "average_precision")}
        for split, table in predictions.items()
        if table is not None
        for metrics in [bootstrap_metrics(table, 0.5)]
    }


def measure_findings(predictions: Predictions, point: OperatingPoint) -> dict[str, Estimate]:
    """Return the metrics of the findings that a reader shows at an operating point.

    Parameters
    ----------
    predictions
        Table with calibrated probabilities.
    point
        Operating point.
    """
    return _measure_calls(predictions, _calls(predictions, point, {Finding.SUSPECTED}))


def measure_abstention(predictions: Predictions, point: OperatingPoint) -> dict[str, Estimate]:
    """Return the metrics of the findings of a reader that abstains at an operating point.

    Of suspected pneumonia: sensitivity, PPV and LR+; of no sign of it: specificity, NPV and LR-. An
    uncertain image counts as neither found nor cleared. Parameters are those of `measure_findings`.
    """
    suspected = _calls(predictions, point, {Finding.SUSPECTED}, abstain=True)
    uncleared = _calls(predictions, point, {Finding.SUSPECTED, Finding.UNCERTAIN}, abstain=True)
    found, cleared = (_measure_calls(predictions, calls) for calls in (suspected, uncleared))
    # These findings are those without low confidence, so that their ratios are the same, too.
    ratios = _measure_likelihood_ratios(predictions, point)
    return {
        **{name: found[name] for name in ("sensitivity", "ppv")},
        "lr_positive": ratios.get(Finding.SUSPECTED, Estimate(None)),
        **{name: cleared[name] for name in ("specificity", "npv")},
        "lr_negative": ratios.get(Finding.NO_SIGN, Estimate(None)),
    }


def _calls(
    predictions: Predictions,
    point: OperatingPoint,
    positive: Collection[Finding],
    *,
    abstain: bool = False,
) -> NDArray[np.float64]:
    """Return 1 for images whose finding is positive and 0 for the others, shape (n,)."""
    findings = (
        finding_at(probability, point, abstain=abstain)
        for probability in predictions.probabilities.tolist()
    )
    return np.array([float(finding in positive) for finding in findings])


def _measure_calls(predictions: Predictions, calls: NDArray[np.float64]) -> dict[str, Estimate]:
    metrics = bootstrap_metrics(replace(predictions, probabilities=calls), 0.5)
    return {name: metrics[name] for name in POINT_METRICS}
