"""Views of an experiment's models: its layers, its figures with their data, and remarks on them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pneumoscope.evaluation.predictions import CLASS_NAMES
from pneumoscope.evaluation.report.evaluation_view import Areas, view_curves
from pneumoscope.evaluation.report.experiment_results import (
    ExperimentResult,
    History,
    Layer,
    ModelResult,
)
from pneumoscope.evaluation.report.figures.predictions import confusion_figure, history_figure
from pneumoscope.evaluation.report.published_notebook import (
    PUBLISHED_REMARKS,
    PUBLISHED_VAL_LOSSES,
)
from pneumoscope.evaluation.report.views import FigureView, TableView
from pneumoscope.evaluation.selection.rule import ineligibility
from pneumoscope.evaluation.statistics.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Remark:
    """Sentence on a model; an alarming one says that it is of no use."""

    text: str
    alarming: bool = False


@dataclass(frozen=True, slots=True)
class ModelView:
    """Remarks on one model, the table of its layers if it is a network, and its figures."""

    name: str
    description: str
    remarks: tuple[Remark, ...]
    layers: TableView | None
    figures: tuple[FigureView, ...]


def view_models(result: ExperimentResult, same_data: bool, interval: str) -> tuple[ModelView, ...]:
    """Return the view of each model of an experiment.

    Parameters
    ----------
    result
        Results of the experiment.
    same_data
        Whether the images are the notebook's; its printed losses are then drawn beside these.
    interval
        Name of the intervals.
    """
    return tuple(
        ModelView(
            model.name,
            model.description,
            tuple(remark_on(model, result)),
            _layers(model.name, model.layers) if model.layers else None,
            _figures(
                model,
                result.threshold,
                PUBLISHED_VAL_LOSSES.get(model.name, ()) if same_data else (),
                interval,
            ),
        )
        for model in result.models
    )


def remark_on(model: ModelResult, result: ExperimentResult) -> Iterator[Remark]:
    """Yield remarks on a model that follow from its results, and the notebook's own on its model.

    They say what the losses did, not why: a model that learned its training images by heart would
    show it in their loss, but a rising validation loss alone has other causes too.
    """
    for split, metrics in (
        ("validation", model.validation.metrics),
        ("test", model.test.metrics),
    ):
        if reason := ineligibility(metrics):
            yield Remark(f"Not usable: on {split} it {reason}.", alarming=True)
    yield Remark(_remark_on_recall(model, result.min_recall, result.threshold))
    if text := _remark_on_losses(model.history):
        yield Remark(text)
    if quoted := PUBLISHED_REMARKS.get(model.name):
        yield Remark(f"The notebook on its own {model.name}: {quoted}")


def _remark_on_recall(model: ModelResult, required: float, threshold: float) -> str:
    parts = []
    for split, metrics in (
        ("validation", model.validation.metrics),
        ("test", model.test.metrics),
    ):
        recall = metrics["sensitivity"]
        reached = recall.value is not None and recall.value >= required
        parts.append(f"{'reaches' if reached else 'misses'} it on {split} with {recall}")
    return (
        f"The required recall is {required:g} at the threshold {threshold:g}; it "
        f"{' and '.join(parts)}."
    )


def _remark_on_losses(history: History) -> str:
    """Return what the losses did after the epoch of lowest validation loss."""
    if len(history.epoch) < 2:
        return ""
    best, last = int(np.argmin(history.val_loss)), len(history.epoch) - 1
    if best == last:
        return (
            f"The validation loss is lowest after the last epoch, {history.epoch[last]}: the "
            "losses show no overfitting, and more epochs might lower it further."
        )
    rose = (
        f"From epoch {history.epoch[best + 1]} on the validation loss is above its lowest value: "
        f"{history.val_loss[best]:.3f} after epoch {history.epoch[best]}, "
        f"{history.val_loss[last]:.3f} after the last"
    )
    losses = f"from {history.loss[best]:.3f} to {history.loss[last]:.3f}"
    if history.loss[last] < history.loss[best]:
        return f"{rose}, while the training loss fell {losses}: a sign of overfitting."
    return f"{rose}; the training loss did not fall either ({losses})."


def _layers(name: str, layers: Sequence[Layer]) -> TableView:
    rows = tuple(
        (
            f"{number}. {layer.name}",
            layer.kind,
            " × ".join(f"{size:,}" for size in layer.output_shape),
            f"{layer.parameters:,}",
        )
        for number, layer in enumerate(layers, 1)
    )
    return TableView(
        f"Layers of {name}, without activations; shapes are channels × height × width of one image",
        ("Layer", "Kind", "Output shape", "Parameters"),
        rows,
    )


def _figures(
    model: ModelResult, threshold: float, published: Sequence[float], interval: str
) -> tuple[FigureView, ...]:
    """Return the figures of a model; ``published`` are the notebook's validation losses."""
    history, metrics = model.history, model.test.metrics
    areas = Areas(metrics["auc"], metrics["average_precision"], interval)
    return (
        FigureView.of(
            history_figure(
                history.epoch,
                history.loss,
                history.val_loss,
                "Training and validation loss",
                published,
            ),
            f"Loss of {model.name} by epoch",
            _describe_losses(history, published),
            _losses(history, published),
        ),
        FigureView.of(
            confusion_figure(metrics, "Confusion matrix, test"),
            f"Confusion matrix of {model.name}, test",
            "Labels of the test radiographs, and what the model called them.",
            _confusion(metrics),
        ),
        *view_curves(
            model.test.predictions,
            threshold,
            areas,
            f"{model.name} at {threshold:g}, test",
            "Recall",
        ),
    )


def _describe_losses(history: History, published: Sequence[float]) -> str:
    """Return what the curves show; why, such as overfitting or normalisation, they do not say."""
    best = int(np.argmin(history.val_loss))
    described = (
        f"The validation loss is lowest after epoch {history.epoch[best]} of {history.epoch[-1]} "
        f"({history.val_loss[best]:.3f}). After the last epoch it is {history.val_loss[-1]:.3f}, "
        f"and the training loss {history.loss[-1]:.3f}."
    )
    if not published:
        return described
    return (
        f"{described} The notebook printed {published[0]:.3f} after its first and "
        f"{published[-1]:.3f} after its last epoch, {len(published)}."
    )


def _losses(history: History, published: Sequence[float]) -> TableView:
    columns = [history.loss, history.val_loss, *([published] if published else [])]
    n_epochs = max(map(len, columns))
    rows = (
        (
            str(epoch),
            *(f"{column[epoch - 1]:.4f}" if epoch <= len(column) else "–" for column in columns),
        )
        for epoch in range(1, n_epochs + 1)
    )
    headings = ("Epoch", "Training", "Validation", "Validation, notebook's")
    return TableView("", headings[: 1 + len(columns)], tuple(rows))


def _confusion(metrics: Metrics) -> TableView:
    rows = zip(CLASS_NAMES, metrics.confusion, strict=True)
    return TableView(
        "",
        ("Label", *(f"Called {name}" for name in CLASS_NAMES)),
        tuple((name, *(f"{count:,}" for count in counts)) for name, counts in rows),
    )
