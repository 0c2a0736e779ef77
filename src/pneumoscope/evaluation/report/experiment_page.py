"""HTML page of an experiment: several models trained and compared, in one file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pneumoscope.evaluation.model_evaluation import ModelEvaluation
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.report.cells import Cell, cell
from pneumoscope.evaluation.report.evaluation_tables import consequences_tables
from pneumoscope.evaluation.report.evaluation_view import EvaluationView, view_evaluation
from pneumoscope.evaluation.report.experiment_conclusion import compare_choices, conclude
from pneumoscope.evaluation.report.experiment_models import view_models
from pneumoscope.evaluation.report.experiment_results import (
    ExperimentResult,
    ModelResult,
    SplitResult,
)
from pneumoscope.evaluation.report.figures.predictions import comparison_figure
from pneumoscope.evaluation.report.published_notebook import (
    PUBLISHED_CHOICE,
    PUBLISHED_FALSE_NEGATIVES,
    PUBLISHED_MODELS,
    PublishedModel,
    is_published_data,
)
from pneumoscope.evaluation.report.repeats import repeats_tables
from pneumoscope.evaluation.report.views import ErrorsView
from pneumoscope.evaluation.selection.rule import Candidate
from pneumoscope.evaluation.statistics.decision_curve import NO_RIVALS, consequences_table
from pneumoscope.evaluation.statistics.metrics import RESULT_METRICS, Metrics
from pneumoscope.report.estimate import Estimate, format_number
from pneumoscope.report.html import figure_png, render_page
from pneumoscope.report.interval import IntervalMethod, name_interval
from pneumoscope.report.jupyter import inline_png

_COMPARISON_DPI = 140

_HEADINGS = ("Accuracy", "Precision", "Recall", "Specificity", "F1", "AUC", "Average precision")
"""Headings of `RESULT_METRICS`."""

_DASHES = ("–",) * 3


def render_experiment(
    result: ExperimentResult,
    evaluation: ModelEvaluation | None,
    errors: Sequence[ErrorsView],
    rivals: Mapping[str, tuple[Estimate, Estimate]] = NO_RIVALS,
) -> str:
    """Return an experiment as one self-contained HTML page.

    ``evaluation`` and ``errors`` are those of the leading model on the test images; there is no
    evaluation where they are of one class only. The consequences of ``rivals``, sensitivity and
    specificity by the name of a test, stand beside those of its operating points.
    """
    same_data = not result.data.synthetic and is_published_data(result.data.counts)
    unit = result.leading.test.predictions.resampling_unit
    interval = name_interval(IntervalMethod.BOOTSTRAP, unit, result.draws)
    return render_page(
        "experiment.html",
        result=result,
        chosen=result.chosen,
        leading=result.leading,
        conclusion=conclude(result, same_data),
        summary=_summary(result.chosen, result.threshold),
        own_choice=result.own_thresholds.choice,
        two_choices=compare_choices(result, interval),
        tables={split: _table(result, split) for split in ("test", "validation")},
        headings=_HEADINGS,
        view=None if evaluation is None else _view(evaluation, rivals),
        same_data=same_data,
        notebook_rows=_notebook_rows(result),
        notebook_choice=PUBLISHED_CHOICE,
        notebook_missed=PUBLISHED_FALSE_NEGATIVES,
        repeats=[
            (repeats.describe_choices(), repeats_tables(repeats)) for repeats in result.repeats
        ],
        comparison=inline_png(figure_png(_comparison(result), dpi=_COMPARISON_DPI)),
        models=view_models(result, same_data, interval),
        errors=errors,
        interval=interval,
        unit=unit,
        paired=name_interval(IntervalMethod.PAIRED_BOOTSTRAP, unit, result.draws),
    )


def _view(
    evaluation: ModelEvaluation, rivals: Mapping[str, tuple[Estimate, Estimate]]
) -> EvaluationView:
    """Return the view of an evaluation whose consequences stand beside those of rivals."""
    view = view_evaluation(evaluation)
    points = {
        point.name: (point.estimates["sensitivity"], point.estimates["specificity"])
        for point in evaluation.discrimination.points
    }
    rows = {
        prevalence: consequences_table(points, prevalence, rivals)
        for prevalence in evaluation.consequences
    }
    return replace(view, consequences=tuple(consequences_tables(view.name, rows, view.unit)))


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


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}".replace("%", " %") if whole else "none"
