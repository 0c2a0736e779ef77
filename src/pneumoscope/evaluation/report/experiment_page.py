"""HTML page of an experiment: several models trained and compared, in one file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import CLASS_NAMES, Predictions
from pneumoscope.evaluation.report.cells import Cell, cell
from pneumoscope.evaluation.report.evaluation_tables import consequences_tables
from pneumoscope.evaluation.report.evaluation_view import view_curves
from pneumoscope.evaluation.report.experiment_results import (
    ExperimentResult,
    History,
    ModelResult,
    SplitResult,
)
from pneumoscope.evaluation.report.figures.predictions import (
    comparison_figure,
    confusion_figure,
    history_figure,
)
from pneumoscope.evaluation.report.published_notebook import (
    PUBLISHED_CHOICE,
    PUBLISHED_FALSE_NEGATIVES,
    PUBLISHED_MODELS,
    PUBLISHED_VAL_LOSSES,
    PublishedModel,
    is_published_data,
)
from pneumoscope.evaluation.report.repeats import repeats_tables
from pneumoscope.evaluation.report.views import FigureView, Row, TableView
from pneumoscope.evaluation.selection.rule import Candidate
from pneumoscope.evaluation.statistics.decision_curve import NO_RIVALS, consequences_table
from pneumoscope.evaluation.statistics.discrimination import PREVALENCES
from pneumoscope.evaluation.statistics.metrics import RESULT_METRICS, Metrics
from pneumoscope.report.estimate import Estimate, format_number
from pneumoscope.report.html import figure_png, render_page
from pneumoscope.report.jupyter import inline_png

_COMPARISON_DPI = 140

_HEADINGS = ("Accuracy", "Precision", "Recall", "Specificity", "F1", "AUC", "Average precision")
"""Headings of `RESULT_METRICS`."""

_CHOSEN_BY = {"Recall": "sensitivity", "Precision": "ppv", "Specificity": "specificity"}
"""Metrics that the two choices are compared by, by their headings."""

_DASHES = ("–",) * 3


@dataclass(frozen=True, slots=True)
class GalleryImage:
    """Radiograph that the chosen model misclassified, with its thumbnail as PNG."""

    file: str
    probability: float
    png: bytes

    @property
    def source(self) -> str:
        """Thumbnail as the ``src`` of an ``img`` element."""
        return inline_png(self.png)


def render_experiment(
    result: ExperimentResult,
    false_negatives: Sequence[GalleryImage],
    false_positives: Sequence[GalleryImage],
    rivals: Mapping[str, tuple[Estimate, Estimate]] = NO_RIVALS,
) -> str:
    """Return an experiment as one self-contained HTML page.

    The thumbnails are those of the chosen model's errors on the test images that are to be shown;
    the lists beside them name all. The consequences of ``rivals``, sensitivity and specificity by
    the name of a test, stand beside those of the chosen model.
    """
    same_data = not result.data.synthetic and is_published_data(result.data.counts)
    return render_page(
        "experiment.html",
        result=result,
        chosen=result.chosen,
        summary=_summary(result.chosen, result.threshold),
        own_choice=result.own_thresholds.choice,
        own_threshold=result.own_thresholds.thresholds[result.own_thresholds.choice.name],
        advantage=_advantage(result),
        two_choices=_two_choices(result),
        tables={split: _table(result, split) for split in ("test", "validation")},
        headings=_HEADINGS,
        consequences=_consequences(result.chosen, rivals),
        same_data=same_data,
        notebook_rows=_notebook_rows(result),
        notebook_choice=PUBLISHED_CHOICE,
        notebook_missed=PUBLISHED_FALSE_NEGATIVES,
        repeats=[(each.describe_choices(), repeats_tables(each)) for each in result.repeats],
        comparison=inline_png(figure_png(_comparison(result), dpi=_COMPARISON_DPI)),
        figures=[
            (
                model,
                _figures(
                    model,
                    result.threshold,
                    PUBLISHED_VAL_LOSSES.get(model.name, ()) if same_data else (),
                ),
            )
            for model in result.models
        ],
        errors=_errors(result, false_negatives, false_positives),
    )


@dataclass(frozen=True, slots=True)
class _Row:
    model: ModelResult
    chosen: bool
    seconds: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class _Table:
    split: str
    n: int
    patients: str
    rows: tuple[_Row, ...]


@dataclass(frozen=True, slots=True)
class _NotebookRow:
    """Metrics of a model in the notebook and in this experiment; dashes where there are none."""

    name: str
    published: tuple[str, ...]
    measured: tuple[str, ...]
    chosen_by_notebook: bool
    chosen_here: bool


@dataclass(frozen=True, slots=True)
class _Summary:
    """Results of the chosen model in the first paragraphs; on the test split if not named.

    Patients are not counted where any is unknown.
    """

    sensitivity: Estimate
    ppv: Estimate
    n: int
    patients: str
    ill: int
    missed: int
    missed_share: str
    ill_patients: int | None
    missed_patients: int | None
    healthy: int
    false_alarms: int
    false_alarms_share: str
    validation_sensitivity: Estimate
    validation_ppv: Estimate


@dataclass(frozen=True, slots=True)
class _Errors:
    """One kind of error: thumbnails to show, and all files with their probabilities."""

    title: str
    meaning: str
    none: str
    images: tuple[GalleryImage, ...]
    files: tuple[tuple[str, str], ...]


def _summary(model: ModelResult, threshold: float) -> _Summary:
    table, metrics = model.test.predictions, model.test.metrics
    validation = model.validation.metrics
    (tn, fp), (fn, tp) = metrics.confusion
    return _Summary(
        sensitivity=metrics["sensitivity"],
        ppv=metrics["ppv"],
        n=metrics.n,
        patients=table.describe_patients(),
        ill=fn + tp,
        missed=fn,
        missed_share=_percent(fn, fn + tp),
        ill_patients=_count_patients(table, np.flatnonzero(table.labels == 1)),
        missed_patients=_count_patients(table, table.false_negatives(threshold)),
        healthy=tn + fp,
        false_alarms=fp,
        false_alarms_share=_percent(fp, tn + fp),
        validation_sensitivity=validation["sensitivity"],
        validation_ppv=validation["ppv"],
    )


def _advantage(result: ExperimentResult) -> str:
    """Return what a threshold of its own gains in false positives, and what it costs in recall."""
    own, rival = result.own_thresholds, result.chosen
    (tn, fp), (fn, tp) = own.test[own.choice.name].confusion
    (_, rival_fp), (rival_fn, _) = rival.test.metrics.confusion
    return (
        f"On the {tn + fp + fn + tp:,} test radiographs {own.choice.name} calls {fp:,} of "
        f"{tn + fp:,} normal ones ill at its own threshold; the notebook's rule "
        f"({rival.name} at {result.threshold:g}) calls {rival_fp:,}. Difference of specificity: "
        f"{own.differences['specificity']}. It misses {fn:,} of {fn + tp:,} with pneumonia, and "
        f"the notebook's rule {rival_fn:,}. Difference of recall: {own.differences['sensitivity']}."
    )


def _two_choices(result: ExperimentResult) -> TableView:
    """Return both choices beside each other, on validation and on test."""
    own, at_one = result.own_thresholds, result.chosen
    name = own.choice.name
    validation = at_one.validation.metrics, own.validation[name]
    test = at_one.test.metrics, own.test[name]
    rows: list[Row] = [
        (
            "Model",
            Cell(at_one.name, f"from {result.threshold:.3f}"),
            Cell(name, f"from {own.thresholds[name]:.3f}"),
        )
    ]
    for split, both in (("validation", validation), ("test", test)):
        for heading, metric in _CHOSEN_BY.items():
            rows.append((f"{heading}, {split}", *(cell(metrics[metric]) for metrics in both)))
    confusions = (metrics.confusion for metrics in test)
    rows.append(
        (
            "Test radiographs",
            *(
                Cell(f"{fp:,} normal called ill", f"{fn:,} with pneumonia missed")
                for (_, fp), (fn, _) in confusions
            ),
        )
    )
    return TableView(
        "The two choices, made on validation data and reported on test; small: 95 % interval",
        (
            "Metric",
            f"Notebook's rule, all at {result.threshold:g}",
            "A threshold of its own for each",
        ),
        tuple(rows),
    )


def _count_patients(table: Predictions, rows: NDArray[np.intp]) -> int | None:
    if table.n_without_patient:
        return None
    return len({table.patients[row] for row in rows})


def _table(result: ExperimentResult, split: str) -> _Table:
    def of_split(model: ModelResult) -> SplitResult:
        return model.test if split == "test" else model.validation

    predictions = of_split(result.chosen).predictions
    rows = (
        _Row(
            model,
            model is result.chosen and result.choice.usable,
            _seconds(model),
            tuple(cell(of_split(model).metrics[name]) for name in RESULT_METRICS.values()),
        )
        for model in (*result.models, result.baseline)
    )
    return _Table(split, len(predictions.files), predictions.describe_patients(), tuple(rows))


def _seconds(model: ModelResult) -> str:
    if not model.epochs:
        return "–"
    return f"{model.seconds:,.0f}" if model.seconds >= 10 else f"{model.seconds:.1f}"


def _consequences(
    model: ModelResult, rivals: Mapping[str, tuple[Estimate, Estimate]]
) -> tuple[TableView, ...]:
    """Return the consequences for 1,000 patients; none where a rate is undefined."""
    rates = model.test.metrics["sensitivity"], model.test.metrics["specificity"]
    if rates[0].value is None or rates[1].value is None:
        return ()
    rows = {
        prevalence: consequences_table({model.name: rates}, prevalence, rivals)
        for prevalence in PREVALENCES
    }
    return tuple(consequences_tables(model.name, rows))


def _notebook_rows(result: ExperimentResult) -> list[_NotebookRow]:
    published = {model.name: model for model in PUBLISHED_MODELS}
    measured = {model.name: model for model in result.models}
    return [
        _NotebookRow(
            name,
            published=_published(published[name]) if name in published else _DASHES,
            measured=_measured(measured[name].test.metrics) if name in measured else _DASHES,
            chosen_by_notebook=name == PUBLISHED_CHOICE,
            chosen_here=result.choice.usable and name == result.choice.name,
        )
        for name in dict.fromkeys([*published, *measured])
    ]


def _published(model: PublishedModel) -> tuple[str, ...]:
    return tuple(map(format_number, (model.accuracy, model.precision, model.recall)))


def _measured(metrics: Metrics) -> tuple[str, ...]:
    return tuple(format_number(metrics.value(name)) for name in ("accuracy", "ppv", "sensitivity"))


def _comparison(result: ExperimentResult) -> Figure:
    measured = []
    for model in result.models:
        metrics = model.test.metrics
        measured.append(Candidate(model.name, metrics.value("ppv"), metrics.value("sensitivity")))
    published = [Candidate(model.name, model.precision, model.recall) for model in PUBLISHED_MODELS]
    return comparison_figure(measured, published)


def _figures(
    model: ModelResult, threshold: float, published: Sequence[float]
) -> tuple[FigureView, ...]:
    """Return the figures of a model; ``published`` are the notebook's validation losses."""
    history = model.history
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
            confusion_figure(model.test.metrics, "Confusion matrix, test"),
            f"Confusion matrix of {model.name}, test",
            "Labels of the test radiographs, and what the model called them.",
            _confusion(model.test.metrics),
        ),
        *view_curves(model.test.predictions, threshold, "test", f"{model.name}, test", "Recall"),
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


def _errors(
    result: ExperimentResult,
    false_negatives: Sequence[GalleryImage],
    false_positives: Sequence[GalleryImage],
) -> list[_Errors]:
    table = result.chosen.test.predictions
    return [
        _Errors(
            title="False negatives",
            meaning="Test radiographs with pneumonia that it called NORMAL.",
            none="None: it called every test radiograph with pneumonia PNEUMONIA.",
            images=tuple(false_negatives),
            files=_list_files(table, table.false_negatives(result.threshold)),
        ),
        _Errors(
            title="False positives",
            meaning="Normal test radiographs that it called PNEUMONIA.",
            none="None: it called every normal test radiograph NORMAL.",
            images=tuple(false_positives),
            files=_list_files(table, table.false_positives(result.threshold)),
        ),
    ]


def _list_files(table: Predictions, rows: NDArray[np.intp]) -> tuple[tuple[str, str], ...]:
    return tuple((table.files[row], format_number(float(table.probabilities[row]))) for row in rows)


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}".replace("%", " %") if whole else "none"
