"""The report of an experiment: one HTML page that opens anywhere and prints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import CLASS_NAMES, Predictions
from pneumoscope.evaluation.report.cells import Cell, cell
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
    precision_recall_figure,
    roc_figure,
)
from pneumoscope.evaluation.report.published_notebook import (
    PUBLISHED_CHOICE,
    PUBLISHED_FALSE_NEGATIVES,
    PUBLISHED_MODELS,
    PublishedModel,
    is_published_data,
)
from pneumoscope.evaluation.report.views import FigureView, TableView
from pneumoscope.evaluation.selection.rule import Candidate
from pneumoscope.evaluation.statistics.metrics import RESULT_METRICS, Metrics
from pneumoscope.evaluation.statistics.roc import precision_recall_curve, roc_curve
from pneumoscope.report.estimate import Estimate, format_number
from pneumoscope.report.html import figure_png, inline_png, render_page

_COMPARISON_DPI = 140


@dataclass(frozen=True, slots=True)
class GalleryImage:
    """A radiograph to be shown, with what the chosen model said about it.

    Parameters
    ----------
    file
        Its name, as in the table of predictions.
    probability
        The model's probability of PNEUMONIA.
    png
        A small picture of it.
    """

    file: str
    probability: float
    png: bytes

    @property
    def source(self) -> str:
        """The picture as the ``src`` of an ``img`` element."""
        return inline_png(self.png)


def render_report(
    result: ExperimentResult,
    false_negatives: Sequence[GalleryImage],
    false_positives: Sequence[GalleryImage],
) -> str:
    """Return the report as one self-contained HTML page.

    Parameters
    ----------
    result
        The experiment.
    false_negatives, false_positives
        Pictures of the chosen model's mistakes on the test images, as many as are to be shown;
        the lists beside them name all.

    Returns
    -------
    str
        HTML with every figure inline.
    """
    return render_page(
        "experiment.html",
        result=result,
        chosen=result.chosen,
        summary=_summary(result.chosen, result.threshold),
        tables=_tables(result),
        headings=_HEADINGS,
        same_data=not result.data.synthetic and is_published_data(result.data.counts),
        notebook_rows=_notebook_rows(result),
        notebook_choice=PUBLISHED_CHOICE,
        notebook_missed=PUBLISHED_FALSE_NEGATIVES,
        comparison=inline_png(figure_png(_comparison(result), dpi=_COMPARISON_DPI)),
        figures=[(model, _figures(model, result.threshold)) for model in result.models],
        mistakes=_mistakes(result, false_negatives, false_positives),
    )


_HEADINGS = ("Accuracy", "Precision", "Recall", "Specificity", "F1", "AUC", "Average precision")


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
    patients: int
    rows: tuple[_Row, ...]


@dataclass(frozen=True, slots=True)
class _NotebookRow:
    """A model in the notebook and in ours; figures in words, a dash where there are none."""

    name: str
    theirs: tuple[str, ...]
    ours: tuple[str, ...]
    chosen_by_them: bool
    chosen_by_us: bool


@dataclass(frozen=True, slots=True)
class _Summary:
    """The chosen model's figures as the first paragraphs state them; of the test if not named."""

    sensitivity: Estimate
    ppv: Estimate
    n: int
    patients: int
    ill: int
    missed: int
    missed_share: str
    ill_patients: int
    missed_patients: int
    healthy: int
    alarms: int
    alarms_share: str
    validation_sensitivity: Estimate
    validation_ppv: Estimate


@dataclass(frozen=True, slots=True)
class _Mistakes:
    """One kind of mistake: the pictures to show, and all files with their probabilities."""

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
        patients=len(set(table.patients)),
        ill=fn + tp,
        missed=fn,
        missed_share=_share(fn, fn + tp),
        ill_patients=_patients(table, np.flatnonzero(table.labels == 1)),
        missed_patients=_patients(table, table.false_negatives(threshold)),
        healthy=tn + fp,
        alarms=fp,
        alarms_share=_share(fp, tn + fp),
        validation_sensitivity=validation["sensitivity"],
        validation_ppv=validation["ppv"],
    )


def _patients(table: Predictions, rows: NDArray[np.intp]) -> int:
    return len({table.patients[row] for row in rows})


def _tables(result: ExperimentResult) -> dict[str, _Table]:
    return {split: _table(result, split) for split in ("test", "validation")}


def _table(result: ExperimentResult, split: str) -> _Table:
    predictions = _of_split(result.chosen, split).predictions
    rows = tuple(
        _Row(
            model, model is result.chosen, _seconds(model.seconds), _cells(_of_split(model, split))
        )
        for model in result.models
    )
    return _Table(split, len(predictions.files), len(set(predictions.patients)), rows)


def _of_split(model: ModelResult, split: str) -> SplitResult:
    return model.test if split == "test" else model.validation


def _cells(result: SplitResult) -> tuple[Cell, ...]:
    return tuple(cell(result.metrics[name]) for name in RESULT_METRICS.values())


def _notebook_rows(result: ExperimentResult) -> list[_NotebookRow]:
    theirs: Mapping[str, PublishedModel] = {model.name: model for model in PUBLISHED_MODELS}
    ours = {model.name: model for model in result.models}
    return [
        _NotebookRow(
            name,
            theirs=_published(theirs[name]) if name in theirs else _DASHES,
            ours=_measured(ours[name].test.metrics) if name in ours else _DASHES,
            chosen_by_them=name == PUBLISHED_CHOICE,
            chosen_by_us=name == result.choice.name,
        )
        for name in dict.fromkeys([*theirs, *ours])
    ]


def _published(model: PublishedModel) -> tuple[str, ...]:
    return tuple(map(format_number, (model.accuracy, model.precision, model.recall)))


def _measured(metrics: Metrics) -> tuple[str, ...]:
    return tuple(format_number(metrics.value(name)) for name in ("accuracy", "ppv", "sensitivity"))


_DASHES = ("–",) * 3


def _comparison(result: ExperimentResult) -> Figure:
    ours = [
        Candidate(
            model.name, model.test.metrics.value("ppv"), model.test.metrics.value("sensitivity")
        )
        for model in result.models
    ]
    theirs = [Candidate(m.name, m.precision, m.recall) for m in PUBLISHED_MODELS]
    return comparison_figure(ours, theirs)


def _figures(model: ModelResult, threshold: float) -> tuple[FigureView, ...]:
    history, table = model.history, model.test.predictions
    return (
        FigureView.of(
            history_figure(
                history.epoch, history.loss, history.val_loss, "Training and validation loss"
            ),
            f"Loss of {model.name} by epoch",
            "Where the two part, it learns its training images by heart.",
            _losses(history),
        ),
        FigureView.of(
            confusion_figure(model.test.metrics, "Confusion matrix, test"),
            f"Confusion matrix of {model.name}, test",
            "What the test radiographs are, and what they were called.",
            _confusion(model.test.metrics),
        ),
        FigureView.of(
            roc_figure(table, threshold, "ROC curve, test"),
            f"ROC curve of {model.name}, test",
            "Sensitivity against the share of healthy patients called ill, at every threshold.",
            TableView.of_curve(
                roc_curve(table.labels, table.probabilities), ("False positive rate", "Recall")
            ),
        ),
        FigureView.of(
            precision_recall_figure(table, threshold, "Precision and recall, test"),
            f"Precision-recall curve of {model.name}, test",
            "How many of those called ill are ill, against how many of the ill are found.",
            TableView.of_curve(
                precision_recall_curve(table.labels, table.probabilities), ("Recall", "Precision")
            ),
        ),
    )


def _losses(history: History) -> TableView:
    rows = zip(history.epoch, history.loss, history.val_loss, strict=True)
    return TableView(
        "",
        ("Epoch", "Training", "Validation"),
        tuple((str(epoch), f"{loss:.4f}", f"{val_loss:.4f}") for epoch, loss, val_loss in rows),
    )


def _confusion(metrics: Metrics) -> TableView:
    rows = zip(CLASS_NAMES, metrics.confusion, strict=True)
    return TableView(
        "",
        ("In truth", *(f"Called {name}" for name in CLASS_NAMES)),
        tuple((name, *(f"{count:,}" for count in counts)) for name, counts in rows),
    )


def _mistakes(
    result: ExperimentResult,
    false_negatives: Sequence[GalleryImage],
    false_positives: Sequence[GalleryImage],
) -> list[_Mistakes]:
    table = result.chosen.test.predictions
    return [
        _Mistakes(
            title="False negatives",
            meaning="Test radiographs with pneumonia that it called NORMAL.",
            none="None: it called every test radiograph with pneumonia PNEUMONIA.",
            images=tuple(false_negatives),
            files=_listed(table, table.false_negatives(result.threshold)),
        ),
        _Mistakes(
            title="False positives",
            meaning="Normal test radiographs that it called PNEUMONIA.",
            none="None: it called every normal test radiograph NORMAL.",
            images=tuple(false_positives),
            files=_listed(table, table.false_positives(result.threshold)),
        ),
    ]


def _listed(table: Predictions, rows: NDArray[np.intp]) -> tuple[tuple[str, str], ...]:
    return tuple((table.files[row], format_number(float(table.probabilities[row]))) for row in rows)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}".replace("%", " %") if whole else "none"


def _seconds(seconds: float) -> str:
    return f"{seconds:,.0f}" if seconds >= 10 else f"{seconds:.1f}"
