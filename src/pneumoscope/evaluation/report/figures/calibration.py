"""Calibration curve (reliability diagram)."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pneumoscope.evaluation.report.figures.panels import BLUE, GREY, ORANGE, style
from pneumoscope.evaluation.statistics.calibration import CalibrationAssessment
from pneumoscope.report.estimate import Estimate, format_number

_SIZE = (4.8, 6.2)


def calibration_figure(
    before: CalibrationAssessment, after: CalibrationAssessment | None, title: str
) -> Figure:
    """Draw the share with PNEUMONIA against the predicted probability, and its histogram.

    Each bin has a point with Wilson's 95 % interval. Without a calibration ``after`` recalibration
    only that of the probabilities as they are is drawn.
    """
    figure = Figure(figsize=_SIZE, layout="constrained")
    diagram, counts = figure.subplots(2, 1, height_ratios=(3.4, 1), sharex=True)
    style(diagram, title)
    style(counts, "")
    diagram.plot((0, 1), (0, 1), ":", color=GREY, label="ideal")
    name = "as it is" if after is None else "before"
    _draw(diagram, counts, before, name, BLUE, "o-")
    if after is not None:
        _draw(diagram, counts, after, "after", ORANGE, "s--")
    diagram.set(xlim=(0, 1), ylim=(0, 1), ylabel="Share with PNEUMONIA")
    counts.set(xlabel="Probability of PNEUMONIA", ylabel="Images")
    # Below the panels, because inside it would cover some of the bars.
    figure.legend(*diagram.get_legend_handles_labels(), frameon=False, loc="outside lower center")
    return figure


def _draw(
    diagram: Axes,
    counts: Axes,
    calibration: CalibrationAssessment,
    name: str,
    colour: str,
    line: str,
) -> None:
    x = [part.predicted for part in calibration.bins]
    y = np.array([part.observed.value for part in calibration.bins])
    ends = np.array([part.observed.interval for part in calibration.bins])
    # Wilson's interval holds the share but for rounding.
    reach = np.maximum(0, np.stack([y - ends[:, 0], ends[:, 1] - y]))
    large = _short(calibration.in_the_large)
    label = f"{name}: slope {_short(calibration.slope)}, in the large {large}"
    diagram.errorbar(
        x, y, reach, fmt=line, color=colour, label=label, markersize=5, lw=1, clip_on=False
    )
    edges = np.linspace(0, 1, len(calibration.histogram) + 1)
    counts.stairs(calibration.histogram, edges, color=colour, lw=1.4)


def _short(estimate: Estimate) -> str:
    return "undefined" if estimate.value is None else format_number(estimate.value, "z.2f")
