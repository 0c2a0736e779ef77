"""Figures of one model's predictions, and of several models beside the notebook's."""

from collections.abc import Sequence
from statistics import fmean

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pneumoscope.evaluation.predictions import CLASS_NAMES, Predictions
from pneumoscope.evaluation.report.figures.labelling import place_labels
from pneumoscope.evaluation.report.figures.panels import (
    BLUE,
    GREY,
    ORANGE,
    PALETTE,
    mark_operating_point,
    mark_reader,
    panel,
    style,
    unit_panel,
    write_undefined,
)
from pneumoscope.evaluation.selection.rule import Candidate
from pneumoscope.evaluation.statistics.discrimination import PointEvaluation
from pneumoscope.evaluation.statistics.metrics import Metrics, measure
from pneumoscope.evaluation.statistics.roc import precision_recall_curve, roc_curve
from pneumoscope.report.estimate import Estimate


def history_figure(
    epochs: Sequence[int],
    loss: Sequence[float],
    val_loss: Sequence[float],
    title: str,
    published: Sequence[float] = (),
) -> Figure:
    """Draw the mean loss in training and on validation data after each epoch.

    ``published`` are the validation losses that the notebook printed, from its first epoch on.
    """
    figure, axes = panel(title)
    axes.plot(epochs, loss, "o-", color=BLUE, label="training", markersize=4)
    axes.plot(epochs, val_loss, "s--", color=ORANGE, label="validation", markersize=4)
    if published:
        label, numbers = "validation, notebook's", range(1, len(published) + 1)
        axes.plot(numbers, published, "^:", color=GREY, label=label, markersize=4)
    axes.set(xlabel="Epoch", ylabel="Loss", ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.legend(frameon=False)
    return figure


def confusion_figure(metrics: Metrics, title: str) -> Figure:
    """Draw the confusion matrix: counts, and their shares of the images with that label."""
    figure, axes = panel(title)
    counts = np.array(metrics.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.15)
    for (row, column), count in np.ndenumerate(counts):
        share = shares[row, column]
        colour = "white" if share > 0.68 else "black"
        axes.text(column, row - 0.06, f"{count:,}", ha="center", size=17, color=colour)
        axes.text(column, row + 0.2, f"{share:.1%}", ha="center", size=9.5, color=colour)
    axes.set(xlabel="Called", ylabel="Label")
    axes.set_xticks((0, 1), CLASS_NAMES)
    axes.set_yticks((0, 1), CLASS_NAMES, rotation=90, va="center")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def roc_figure(
    predictions: Predictions,
    threshold: float,
    title: str,
    reader: PointEvaluation | None = None,
) -> Figure:
    """Draw the ROC curve with the operating point marked; with one class it is undefined.

    ``reader`` is the operating point of a person who read the same images.
    """
    figure, axes = unit_panel(title)
    axes.set(xlabel="False positive rate (1 − specificity)", ylabel="Sensitivity (recall)")
    metrics = measure(predictions, threshold)
    auc, specificity = metrics.value("auc"), metrics.value("specificity")
    sensitivity = metrics.value("sensitivity")
    if auc is None or specificity is None or sensitivity is None:
        write_undefined(axes)
        return figure
    curve = roc_curve(predictions.labels, predictions.probabilities)
    axes.plot((0, 1), (0, 1), ":", color=GREY, label="chance")
    axes.plot(curve.x, curve.y, color=BLUE, label=f"AUC {auc:.3f}", clip_on=False)
    mark_operating_point(axes, 1 - specificity, sensitivity, threshold)
    if reader is not None:
        x = _complement(reader.estimates["specificity"])
        mark_reader(axes, x, reader.estimates["sensitivity"], reader.name)
    axes.legend(frameon=False, loc="lower right")
    return figure


def _complement(share: Estimate) -> Estimate:
    """Return one minus a share."""
    if share.value is None or share.low is None or share.high is None:
        return Estimate(None if share.value is None else 1 - share.value)
    return Estimate(1 - share.value, 1 - share.high, 1 - share.low)


def precision_recall_figure(
    predictions: Predictions,
    threshold: float,
    title: str,
    reader: PointEvaluation | None = None,
) -> Figure:
    """Draw precision against recall with the operating point marked.

    With one class only the panel says that the curve is undefined. The area under the steps is the
    average precision. ``reader`` is the operating point of a person who read the same images.
    """
    figure, axes = unit_panel(title)
    axes.set(xlabel="Recall (sensitivity)", ylabel="Precision (PPV)")
    metrics = measure(predictions, threshold)
    recall, precision = metrics.value("sensitivity"), metrics.value("ppv")
    if metrics.value("auc") is None or recall is None:
        write_undefined(axes)
        return figure
    curve = precision_recall_curve(predictions.labels, predictions.probabilities)
    prevalence = float(np.mean(predictions.labels))
    label = f"average precision {metrics['average_precision']}"
    axes.axhline(prevalence, ls=":", color=GREY, label=f"share of PNEUMONIA {prevalence:.3f}")
    axes.step(curve.x, curve.y, where="pre", color=BLUE, label=label, clip_on=False)
    if precision is not None:
        mark_operating_point(axes, recall, precision, threshold)
    if reader is not None:
        mark_reader(axes, reader.estimates["sensitivity"], reader.estimates["ppv"], reader.name)
    axes.legend(frameon=False, loc="lower left")
    return figure


def comparison_figure(measured: Sequence[Candidate], published: Sequence[Candidate]) -> Figure:
    """Draw recall against precision, one point per model, beside the notebook's models.

    The dashed lines are each panel's means, as in the notebook; the axes are shared. Models of the
    same name have the same colour. A model without precision or recall is named below its panel
    instead.
    """
    names = list(dict.fromkeys(model.name for model in (*published, *measured)))
    colours = {name: PALETTE[index % len(PALETTE)] for index, name in enumerate(names)}
    figure = Figure(figsize=(9.6, 4.6))
    figure.subplots_adjust(left=0.075, right=0.985, top=0.92, bottom=0.15, wspace=0.06)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    panels = (
        (left, "The notebook's models", published),
        (right, "This experiment's models", measured),
    )
    for axes, title, models in panels:
        style(axes, title)
        _scatter(axes, models, colours)
        # Room at every edge, so that a name fits beside an outermost point.
        axes.margins(0.14)
    left.set_ylabel("Recall (sensitivity)")
    for axes, _, models in panels:
        place_labels(axes, _drawable(models))
    return figure


def _drawable(models: Sequence[Candidate]) -> list[tuple[str, float, float]]:
    return [
        (model.name, model.precision, model.recall)
        for model in models
        if model.precision is not None and model.recall is not None
    ]


def _scatter(axes: Axes, models: Sequence[Candidate], colours: dict[str, str]) -> None:
    drawn = _drawable(models)
    for name, precision, recall in drawn:
        axes.scatter(precision, recall, s=95, color=colours[name], edgecolor="white", zorder=3)
    if drawn:
        axes.axvline(fmean(x for _, x, _ in drawn), ls="--", lw=1, color=GREY, zorder=1)
        axes.axhline(fmean(y for _, _, y in drawn), ls="--", lw=1, color=GREY, zorder=1)
    left_out = [model.name for model in models if model.name not in {name for name, *_ in drawn}]
    note = f"\nundefined: {', '.join(left_out)}" if left_out else ""
    axes.set_xlabel(f"Precision{note}", parse_math=False)
