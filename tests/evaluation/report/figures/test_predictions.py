from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from pneumoscope.evaluation.report.figures.calibration import calibration_figure
from pneumoscope.evaluation.report.figures.decision_curve import decision_curve_figure
from pneumoscope.evaluation.report.figures.forest_plot import forest_figure
from pneumoscope.evaluation.report.figures.panels import GREEN
from pneumoscope.evaluation.report.figures.predictions import (
    comparison_figure,
    confusion_figure,
    history_figure,
    precision_recall_figure,
    roc_figure,
)
from pneumoscope.evaluation.report.figures.subgroups import subgroups_figure
from pneumoscope.evaluation.report.published_notebook import PUBLISHED_MODELS
from pneumoscope.evaluation.selection.rule import Candidate
from pneumoscope.evaluation.statistics.calibration import assess_calibration
from pneumoscope.evaluation.statistics.decision_curve import decision_curve
from pneumoscope.evaluation.statistics.discrimination import assess_discrimination
from pneumoscope.evaluation.statistics.metrics import measure
from pneumoscope.evaluation.subgroups.table import subgroup_table
from pneumoscope.report.estimate import Estimate

THEIRS = [Candidate(model.name, model.precision, model.recall) for model in PUBLISHED_MODELS]


def words(figure: Figure) -> str:
    """Return all that is written on a figure, after drawing it."""
    figure.canvas.draw()
    axes_texts = [text for axes in figure.axes for text in axes.texts]
    legends = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    labels = [axes.get_xlabel() for axes in figure.axes]
    texts = axes_texts + [text for legend in legends for text in legend.get_texts()]
    return " | ".join([text.get_text() for text in texts] + labels)


def test_history_draws_both_losses_over_their_epochs():
    axes = history_figure((1, 2, 3), (0.9, 0.5, 0.4), (0.8, 0.6, 0.7), "losses").axes[0]
    training, validation = axes.lines
    np.testing.assert_array_equal(training.get_xydata(), [(1, 0.9), (2, 0.5), (3, 0.4)])
    np.testing.assert_array_equal(validation.get_ydata(), [0.8, 0.6, 0.7])


def test_the_notebooks_losses_are_drawn_from_its_first_epoch_on():
    axes = history_figure((1, 2), (0.9, 0.5), (0.8, 0.6), "losses", (0.7, 0.5, 0.4)).axes[0]
    np.testing.assert_array_equal(axes.lines[2].get_xydata(), [(1, 0.7), (2, 0.5), (3, 0.4)])


def test_one_epoch_is_still_visible():
    axes = history_figure((1,), (0.9,), (0.8,), "losses").axes[0]
    assert all(line.get_marker() not in ("", "None") for line in axes.lines)


def test_confusion_states_counts_and_shares_of_the_true_class(table):
    made = table([0, 0, 0, 0, 1], [0.1, 0.2, 0.3, 0.9, 0.8])
    text = words(confusion_figure(measure(made), "confusion"))
    assert "3 | 75.0% | 1 | 25.0% | 0 | 0.0% | 1 | 100.0%" in text


def test_calibration_in_the_large_is_not_called_an_intercept(table):
    """That of a regression with a free slope is another number."""
    made = table([0, 1] * 60, [0.3, 0.6] * 50 + [0.7, 0.4] * 10)
    assessed = assess_calibration(made)
    figure = calibration_figure(assessed, None, "calibration")
    labels = [handle.get_label() for axes in figure.axes for handle in axes.containers]
    text = " | ".join(labels)
    assert f"in the large {assessed.in_the_large.value:.2f}" in text
    assert "intercept" not in text


@pytest.mark.parametrize(
    ("draw", "point", "figure"),
    [
        (roc_figure, (1 / 3, 1.0), "AUC 0.833"),
        (precision_recall_figure, (1.0, 2 / 3), "average precision 0.833"),
    ],
)
def test_curves_mark_the_operating_point(draw, point, figure, table):
    # Ranked 1, 0, 1, 0, 0: recall 1 and one false alarm of three at the threshold.
    drawn = draw(table([1, 0, 1, 0, 0], [0.9, 0.8, 0.6, 0.2, 0.1]), 0.5, "curve")
    marked = [line for line in drawn.axes[0].lines if line.get_label() == "threshold 0.5"]
    np.testing.assert_allclose(marked[0].get_xydata(), [point])
    assert figure in words(drawn)


@pytest.mark.parametrize(
    ("draw", "place", "across"),
    [
        (roc_figure, (1 - 0.75, 2 / 3), "specificity"),
        (precision_recall_figure, (2 / 3, 0.8), "sensitivity"),
    ],
)
def test_curves_mark_a_second_reader_with_both_intervals(draw, place, across, table):
    # Of six ill the reader finds four, of four healthy she calls one ill: PPV 4 of 5.
    calls = table([1] * 6 + [0] * 4, [1, 1, 1, 1, 0, 0, 1, 0, 0, 0])
    (point,) = assess_discrimination(calls, {"second reader": 0.5}, (), draws=50).points
    drawn = draw(table([1, 0, 1, 0, 0], [0.9, 0.8, 0.6, 0.2, 0.1]), 0.5, "curve", point)
    (marked,) = (line for line in drawn.axes[0].lines if line.get_label() == "second reader")
    np.testing.assert_allclose(marked.get_xydata(), [place])
    bars = [line.get_xydata() for line in drawn.axes[0].lines if line.get_color() == GREEN][:2]
    interval = point.estimates[across].interval
    ends = sorted(1 - end for end in interval) if across == "specificity" else interval
    np.testing.assert_allclose(bars[0], [(ends[0], place[1]), (ends[1], place[1])])
    np.testing.assert_allclose(bars[1][:, 0], [place[0]] * 2)
    assert "second reader" in words(drawn)


def test_a_reader_without_a_defined_point_is_not_drawn(table):
    calls = table([1, 1, 0], [0, 0, 0])  # nobody is called ill: no precision
    (point,) = assess_discrimination(calls, {"second reader": 0.5}, (), draws=50).points
    drawn = precision_recall_figure(table([1, 0], [0.9, 0.8]), 0.5, "curve", point)
    assert "second reader" not in words(drawn)


@pytest.mark.parametrize("draw", [roc_figure, precision_recall_figure])
def test_curves_of_one_class_say_so(draw, table):
    assert "images of one class only" in words(draw(table([1, 1], [0.4, 0.8]), 0.5, "curve"))


def test_comparison_has_each_models_mean_lines_and_shared_axes():
    figure = comparison_figure([Candidate("model_1", 0.8, 0.9), Candidate("x", 0.6, 1.0)], THEIRS)
    left, right = figure.axes
    assert left.get_xlim() == right.get_xlim()
    vertical, horizontal = right.lines
    assert (vertical.get_xdata()[0], horizontal.get_ydata()[0]) == pytest.approx((0.7, 0.95))
    # The means of the notebook's seven precisions and recalls.
    assert left.lines[0].get_xdata()[0] == pytest.approx(5.046 / 7)
    assert left.lines[1].get_ydata()[0] == pytest.approx(6.951 / 7)


def test_a_model_has_one_colour_in_both_panels():
    left, right = comparison_figure(THEIRS[::-1], THEIRS).axes
    theirs = [tuple(dots.get_facecolor()[0]) for dots in left.collections]
    ours = [tuple(dots.get_facecolor()[0]) for dots in right.collections]
    assert ours[::-1] == theirs
    assert len(set(theirs)) == 7


CROWD = [
    Candidate(f"model_{place}", precision, recall)
    for place, (precision, recall) in enumerate(
        [(0.793, 1), (0.8, 1), (0.625, 1), (0.655, 1), (0.688, 1), (0.67, 1), (0.86, 0.995)]
    )
]


@pytest.mark.parametrize("models", [THEIRS, CROWD])
def test_every_point_is_named_and_no_name_covers_another_or_a_point(models):
    figure = comparison_figure(models, THEIRS)
    assert words(figure).count("model_") == 14
    for axes, drawn in zip(figure.axes, (THEIRS, models), strict=True):
        for label in axes.texts:
            label.arrow_patch = None  # the extent is to be that of the letters alone
        boxes = [label.get_window_extent() for label in axes.texts]
        centres = axes.transData.transform([(model.precision, model.recall) for model in drawn])
        for row, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[:row])
            assert not any(box.contains(*centre) for centre in centres)
            assert axes.bbox.contains(*box.min)
            assert axes.bbox.contains(*box.max)


def test_a_model_without_precision_is_named_below_and_not_drawn():
    figure = comparison_figure([Candidate("a", 0.8, 0.9), Candidate("b", None, 0.0)], THEIRS)
    assert "undefined: b" in words(figure)
    assert len(figure.axes[1].collections) == 1


def test_no_model_with_figures_leaves_an_empty_panel():
    figure = comparison_figure([Candidate("b", None, 0.0)], THEIRS)
    assert "undefined: b" in words(figure)


@pytest.mark.parametrize("name", ["A$_{$", "a$_{b$", "from $5 to $6", r"\frac", "$$"])
@pytest.mark.parametrize(
    "draw",
    [
        lambda made, name: history_figure((1,), (0.9,), (0.8,), name),
        lambda made, name: confusion_figure(measure(made), name),
        lambda made, name: roc_figure(made, 0.5, name),
        lambda made, name: precision_recall_figure(made, 0.5, name),
        lambda made, name: comparison_figure([Candidate(name, 0.8, 0.9)], THEIRS),
        lambda made, name: comparison_figure([Candidate(name, None, 0.9)], THEIRS),
        lambda made, name: forest_figure([(name, Estimate(0.9))], name, name),
        lambda made, name: calibration_figure(assess_calibration(made), None, name),
        lambda made, name: decision_curve_figure(decision_curve(made, draws=5), name),
        lambda made, name: subgroups_figure(
            subgroup_table(replace(made, groups={name: (name, "x") * 30}), 0.5, draws=5),
            Estimate(0.8, 0.7, 0.9),
        ),
    ],
    ids=[
        "history",
        "confusion",
        "roc",
        "precision and recall",
        "comparison",
        "comparison, undefined",
        "forest",
        "reliability",
        "decision curve",
        "subgroups",
    ],
)
def test_a_name_is_written_as_it_is_and_not_as_a_formula(draw, name, table):
    figure = draw(table([1, 0, 1, 0, 0, 1] * 10, [0.9, 0.8, 0.6, 0.2, 0.1, 0.4] * 10), name)
    figure.canvas.draw()
    written = [text for text in figure.findobj(Text) if name in text.get_text()]
    assert written
    assert not any(text.get_parse_math() for text in written)
