"""What a bundle's record holds of predictions: its operating points, and figures with intervals."""

from collections.abc import Mapping, Sequence

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.selection.operating_points import (
    ABSTAIN_LEVEL,
    CONFIRM_PRECISION,
    choose_operating_points,
)
from pneumoscope.evaluation.statistics.bootstrap import bootstrap_intervals
from pneumoscope.evaluation.statistics.metrics import measure
from pneumoscope.reader.bundle import Figure, OperatingPoint
from pneumoscope.support.terminal import messages

_FIGURES = ("auc", "average_precision")
_FIGURES_AT_A_POINT = ("recall", "specificity", "precision", "accuracy")


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
        point.name: OperatingPoint(
            rule=point.rule,
            threshold=point.threshold,
            low=point.low,
            high=point.high,
            level=ABSTAIN_LEVEL,
            measured=_figures(calibrated, point.threshold, _FIGURES_AT_A_POINT),
            tested={} if tested is None else _figures(tested, point.threshold, _FIGURES_AT_A_POINT),
        )
        for point in choose_operating_points(calibrated, *shifted)
    }
    if "confirm" not in points:
        messages.print(
            f"No operating point 'confirm': no threshold has a precision of {CONFIRM_PRECISION} "
            "on the validation images. Train a better model, or with more images",
            style="yellow",
        )
    return points


def record_metrics(parts: Mapping[str, Predictions | None]) -> dict[str, dict[str, Figure]]:
    """Return the figures over all thresholds, of each part that there is, by its name."""
    return {
        str(name): _figures(part, 0.5, _FIGURES) for name, part in parts.items() if part is not None
    }


def _figures(predictions: Predictions, threshold: float, names: Sequence[str]) -> dict[str, Figure]:
    values = measure(predictions, threshold).values()
    intervals = bootstrap_intervals(predictions, threshold)
    return {
        name: Figure(
            value=values[name],
            low=None if (interval := intervals[name]) is None else interval.low,
            high=None if interval is None else interval.high,
        )
        for name in names
    }
