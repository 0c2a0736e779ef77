"""Figures of the stress tests."""

import io
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from pneumoscope.evaluation.report.figures.panels import BLUE, GREY, ORANGE, PALETTE, style
from pneumoscope.report.estimate import Estimate
from pneumoscope.validation.stress.robustness import RobustnessCurve, RobustnessPoint
from pneumoscope.validation.stress.shortcuts import ShortcutRow, ShortcutTable

_COLUMNS = 4
_GREEN = PALETTE[2]

_LINES: tuple[tuple[str, str, str, Callable[[RobustnessPoint], Estimate]], ...] = (
    ("AUC", BLUE, "o-", lambda point: point.auc),
    ("sensitivity", ORANGE, "s--", lambda point: point.sensitivity),
    ("specificity", _GREEN, "^:", lambda point: point.specificity),
    ("rejected by the quality gate", GREY, "x-", lambda point: point.rejected),
    ("outside", PALETTE[3], "+-", lambda point: point.outside),
)


def robustness_figure(curves: Sequence[RobustnessCurve]) -> Figure:
    """Draw performance against the strength of each perturbation, one panel per perturbation.

    The band is the AUC's 95 % interval; the vertical line marks the unchanged images.

    Parameters
    ----------
    curves
        Curves to draw, at least one.
    """
    rows = -(-len(curves) // _COLUMNS)
    columns = min(len(curves), _COLUMNS)
    figure = Figure(figsize=(3.0 * columns, 2.75 * rows + 0.5), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns, sharey=True, squeeze=False).ravel())
    for axes, curve in zip(panels, curves, strict=False):
        _draw_curve(axes, curve)
    for axes in panels[len(curves) :]:
        axes.set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
    return figure


def _draw_curve(axes: Axes, curve: RobustnessCurve) -> None:
    style(axes, curve.name)
    strengths = [point.strength for point in curve.points]
    axes.axvline(0, color=GREY, lw=0.8, zorder=0)
    for label, colour, line, estimate_of in _LINES:
        values = [_number(estimate_of(point).value) for point in curve.points]
        axes.plot(strengths, values, line, color=colour, label=label, markersize=4, clip_on=False)
    low = [_number(point.auc.low) for point in curve.points]
    high = [_number(point.auc.high) for point in curve.points]
    axes.fill_between(strengths, low, high, color=BLUE, alpha=0.18, lw=0)
    axes.set(ylim=(0, 1))
    axes.set_xlabel(curve.unit, size=9, parse_math=False)


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def shortcut_figure(table: ShortcutTable) -> Figure:
    """Draw the AUC of each condition beside two example radiographs in that condition."""
    count = len(table.rows)
    figure = Figure(figsize=(8.6, 1.75 * count + 0.5))
    pictures = len(table.rows[0].examples)
    grid = figure.add_gridspec(
        count,
        pictures + 1,
        width_ratios=[1] * pictures + [2.8],
        left=0.01,
        right=0.97,
        top=0.96,
        bottom=0.08,
        wspace=0.05,
        hspace=0.12,
    )
    for index, row in enumerate(table.rows):
        for column, example in enumerate(row.examples):
            axes = figure.add_subplot(grid[index, column])
            axes.imshow(
                np.asarray(Image.open(io.BytesIO(example.png))), cmap="gray", vmin=0, vmax=255
            )
            axes.axis("off")
            truth = "pneumonia" if example.label == 1 else "no pneumonia"
            axes.set_title(f"{truth}: {example.probability:.2f}", size=8.5, pad=2)
    _draw_rows(figure.add_subplot(grid[:, pictures]), table.rows)
    return figure


def _draw_rows(axes: Axes, rows: Sequence[ShortcutRow]) -> None:
    style(axes, "AUC with 95 % interval")
    axes.axvline(0.5, ls=":", color=GREY)
    for index, row in enumerate(rows):
        axes.text(0.0, index - 0.2, row.condition, size=10, weight="bold")
        axes.text(0.0, index - 0.02, f"AUC {row.auc}", size=8.5, color=GREY)
        if row.auc.value is None:
            continue
        if row.auc.interval is not None:
            axes.plot(row.auc.interval, [index + 0.16] * 2, color=BLUE, lw=2)
        axes.plot(row.auc.value, index + 0.16, "o", color=BLUE, clip_on=False)
    axes.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5))
    axes.set_xlabel("AUC; the dotted line is chance", size=9)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
