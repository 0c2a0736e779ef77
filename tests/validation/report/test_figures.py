"""Figures of stress tests say what the tables say."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from pneumoscope.report.estimate import Estimate
from pneumoscope.validation.report.figures import robustness_figure, shortcut_figure
from pneumoscope.validation.stress.robustness import RobustnessCurve, RobustnessPoint
from pneumoscope.validation.stress.shortcuts import Condition, Example, ShortcutRow, ShortcutTable
from pneumoscope.validation.stress.thumbnails import png_bytes


def estimate_of(value: float | None) -> Estimate:
    return Estimate(None) if value is None else Estimate(value, value - 0.1, value + 0.1)


def curve(name: str, aucs: list[float | None]) -> RobustnessCurve:
    points = tuple(
        RobustnessPoint(
            place, *map(estimate_of, (auc, 0.8, 0.7)), 0.0, estimate_of(0.2), estimate_of(0.1)
        )
        for place, auc in enumerate(aucs)
    )
    return RobustnessCurve(name, "units", 20, 10, 0, points)


def written(figure: Figure) -> str:
    figure.canvas.draw()
    return " | ".join(
        text.get_text()
        for axes in figure.axes
        for text in (*axes.texts, axes.title, axes._left_title)
    )


@pytest.mark.parametrize("count", [1, 4, 5, 8])
def test_each_change_has_its_panel(count: int) -> None:
    figure = robustness_figure([curve(f"change {number}", [0.9, 0.6]) for number in range(count)])
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title("left") for axes in shown] == [
        f"change {number}" for number in range(count)
    ]
    assert all(axes.get_xlabel() == "units" for axes in shown)
    figure.canvas.draw()


def test_lines_and_band_are_the_curve_s() -> None:
    axes = robustness_figure([curve("blur", [0.9, None, 0.6])]).axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    np.testing.assert_array_equal(lines["AUC"].get_ydata(), [0.9, np.nan, 0.6])
    np.testing.assert_array_equal(lines["AUC"].get_xdata(), [0, 1, 2])
    np.testing.assert_array_equal(lines["sensitivity"].get_ydata(), [0.8] * 3)
    np.testing.assert_array_equal(lines["specificity"].get_ydata(), [0.7] * 3)
    np.testing.assert_array_equal(lines["rejected by the quality gate"].get_ydata(), [0.2] * 3)
    (band,) = axes.collections
    heights = np.concatenate([path.vertices[:, 1] for path in band.get_paths()])
    assert (heights.min(), heights.max()) == pytest.approx((0.5, 1.0))


def test_dollars_in_names_are_dollars() -> None:
    axes = robustness_figure([replace(curve("dose $x^", [0.9]), unit="$ and $_")]).axes[0]
    axes.figure.draw_without_rendering()
    for text, shown in ((axes._left_title, "dose $x^"), (axes.xaxis.label, "$ and $_")):
        assert text._preprocess_math(text.get_text()) == (shown, False)


def table(auc: Estimate, examples: int) -> ShortcutTable:
    pictures = tuple(
        Example(1 - place, 0.25 + place / 2, png_bytes(np.full((30, 20), 0.5, np.float32)))
        for place in range(examples)
    )
    rows = tuple(
        ShortcutRow(condition, auc, estimate_of(0.8), estimate_of(0.7), 0.6, 0.4, pictures)
        for condition in Condition
    )
    return ShortcutTable(rows, 20, 10, 0, estimate_of(1.0), estimate_of(1.0))


@pytest.mark.parametrize("examples", [1, 2])
def test_each_condition_has_its_pictures_and_its_auc(examples: int) -> None:
    figure = shortcut_figure(table(estimate_of(0.75), examples))
    text = written(figure)
    assert all(condition in text for condition in Condition)
    assert text.count("AUC 0.750 (0.650 to 0.850)") == len(Condition)
    assert text.count("pneumonia: 0.25") == len(Condition)
    assert text.count("no pneumonia: 0.75") == len(Condition) * (examples - 1)
    assert sum(len(axes.images) for axes in figure.axes) == examples * len(Condition)
    *_, forest = figure.axes
    points = [line.get_xdata()[0] for line in forest.lines if line.get_marker() == "o"]
    assert points == [0.75] * len(Condition)


def test_an_undefined_auc_is_said_and_not_drawn() -> None:
    figure = shortcut_figure(table(Estimate(None), 1))
    assert "AUC undefined" in written(figure)
    assert not [line for line in figure.axes[-1].lines if line.get_marker() == "o"]
