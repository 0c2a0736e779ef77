"""Colours and panels of the figures in reports.

Each figure is a `matplotlib.figure.Figure` of its own, without global state. The colours are those
of Okabe and Ito, which remain distinct in the common forms of colour blindness.
"""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pneumoscope.report.estimate import Estimate

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Colours of the models in order, starting again after the seventh."""

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#6B7480"
_SIZE = (4.8, 3.9)


def panel(title: str, size: tuple[float, float] = _SIZE) -> tuple[Figure, Axes]:
    """Return a figure of one panel; ``size`` is width and height in inches."""
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    style(axes, title)
    return figure, axes


def unit_panel(title: str) -> tuple[Figure, Axes]:
    """Return a square panel whose axes go from 0 to 1."""
    figure, axes = panel(title)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    return figure, axes


def style(axes: Axes, title: str) -> None:
    """Set the title of a panel, without parsing formulas, and its plain frame."""
    axes.set_title(title, loc="left", size=11, weight="bold", pad=10, parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)


def mark_operating_point(axes: Axes, x: float, y: float, threshold: float) -> None:
    """Draw the point of a curve at a threshold."""
    label = f"threshold {threshold:.3g}"
    axes.plot(x, y, "o", color=ORANGE, markersize=8, label=label, clip_on=False, zorder=4)


def mark_reader(axes: Axes, x: Estimate, y: Estimate, label: str) -> None:
    """Draw a person's operating point with the intervals of both coordinates, where it is defined.

    Examples
    --------
    >>> figure, axes = unit_panel("ROC curve")
    >>> mark_reader(axes, Estimate(0.2, 0.1, 0.3), Estimate(0.9), "second reader")
    >>> axes.get_legend_handles_labels()[1]
    ['second reader']
    """
    if x.value is None or y.value is None:
        return
    if x.interval is not None:
        axes.plot(x.interval, (y.value, y.value), color=GREEN, lw=1.4, zorder=3)
    if y.interval is not None:
        axes.plot((x.value, x.value), y.interval, color=GREEN, lw=1.4, zorder=3)
    axes.plot(
        x.value, y.value, "D", color=GREEN, markersize=7, label=label, clip_on=False, zorder=5
    )


def write_undefined(axes: Axes) -> None:
    """Write in a panel that its curve is undefined with one class only."""
    axes.text(
        0.5, 0.5, "undefined:\nimages of one class only", ha="center", va="center", color=GREY
    )
