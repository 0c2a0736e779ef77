"""What a bundle's record holds of predictions: its operating points, and figures with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.selection.operating_points import (
    MIN_CONFIRM_PPV,
    choose_operating_points,
)
from pneumoscope.evaluation.statistics.discrimination import bootstrap_metrics
from pneumoscope.report.estimate import Estimate
from pneumoscope.report.operating_point import POINT_METRICS, OperatingPoint
from pneumoscope.support.terminal import messages


def record_operating_points(
    calibrated: Predictions, tested: Predictions | None, shifted: Sequence[Predictions] = ()
) -> dict[str, OperatingPoint]:
    """Choose operating points, and measure them where they were chosen and on a test.

    Parameters
    ----------
    calibrated
        Of validation images of both classes: the points are chosen and measured on these.
    tested
        Of images that had no part in it, or None.
    shifted
        Of the same validation images as other machines might have made them: the points are to
        hold there too.

    Raises
    ------
    PredictionsError
        If validation has images of one class alone.
    """
    points = {
        name: replace(
            point,
            measured=_measure_point(calibrated, point.threshold),
            tested={} if tested is None else _measure_point(tested, point.threshold),
        )
        for name, point in choose_operating_points(calibrated, *shifted).items()
    }
    if "confirm" not in points:
        messages.print(
            f"No operating point 'confirm': no threshold has a precision of {MIN_CONFIRM_PPV} "
            "on the validation images. Train a better model, or with more images",
            style="yellow",
        )
    return points


def record_metrics(
    predictions: Mapping[str, Predictions | None],
) -> dict[str, dict[str, Estimate]]:
    """Return AUC and average precision of the predictions for each split that has any."""
    return {
        str(split): {name: metrics[name] for name in ("auc", "average_precision")}
        for split, table in predictions.items()
        if table is not None
        for metrics in [bootstrap_metrics(table, 0.5)]
    }


def _measure_point(predictions: Predictions, threshold: float) -> dict[str, Estimate]:
    metrics = bootstrap_metrics(predictions, threshold)
    return {name: metrics[name] for name in POINT_METRICS}
