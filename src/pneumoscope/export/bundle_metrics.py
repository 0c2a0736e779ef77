"""Metrics and operating points of a bundle, with intervals, as ``bundle.yaml`` holds them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.selection.operating_points import (
    MIN_CONFIRM_PPV,
    MIN_SENSITIVITY,
    choose_operating_points,
)
from pneumoscope.evaluation.statistics.discrimination import bootstrap_metrics
from pneumoscope.reader.reading import Finding, count_findings
from pneumoscope.report.estimate import Estimate
from pneumoscope.report.operating_point import POINT_METRICS, OperatingPoint
from pneumoscope.support.terminal import messages

MAX_UNCERTAIN_SHARE = 0.2
"""Share of validation images above which an operating point leaves too many uncertain."""


def choose_measured_points(
    calibrated: Predictions, test: Predictions | None, simulated: Sequence[Predictions] = ()
) -> dict[str, OperatingPoint]:
    """Choose operating points on calibrated validation predictions; measure them there and on test.

    The points also have to keep their guarantees in each simulated acquisition of these images.

    Raises
    ------
    PredictionsError
        If the validation images are of one class only.
    """
    points = {
        name: replace(
            point,
            measured=_measure_point(calibrated, point.threshold),
            tested={} if test is None else _measure_point(test, point.threshold),
            findings=count_findings(calibrated.labels, calibrated.probabilities, point),
            tested_findings={}
            if test is None
            else count_findings(test.labels, test.probabilities, point),
        )
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
        share = _uncertain_share(point)
        if share > MAX_UNCERTAIN_SHARE:
            messages.print(
                f"At '{name}' {share:.0%} of the validation images are UNCERTAIN: the classes "
                f"overlap from {point.low:.3f} to {point.high:.3f}. Train a better model, or with "
                "more images of both classes",
                style="yellow",
            )
    return points


def _uncertain_share(point: OperatingPoint) -> float:
    """Return the share of validation images whose finding is uncertain, in [0, 1]."""
    findings = sum(map(Counter, point.findings.values()), Counter[str]())
    return findings[Finding.UNCERTAIN] / findings.total()


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


def _measure_point(predictions: Predictions, threshold: float) -> dict[str, Estimate]:
    metrics = bootstrap_metrics(predictions, threshold)
    return {name: metrics[name] for name in POINT_METRICS}
