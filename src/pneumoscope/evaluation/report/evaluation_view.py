"""A judgement as a page shows it: tables in words, figures as pictures with their data."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pneumoscope.evaluation.model_evaluation import ModelEvaluation
from pneumoscope.evaluation.report.cells import cell
from pneumoscope.evaluation.report.evaluation_tables import (
    bin_rows,
    calibration_table,
    consequences_tables,
    label_errors_table,
    points_tables,
    prevalence_table,
    ranking_table,
    subgroups_table,
)
from pneumoscope.evaluation.report.figures.calibration import calibration_figure
from pneumoscope.evaluation.report.figures.decision_curve import decision_curve_figure
from pneumoscope.evaluation.report.figures.predictions import precision_recall_figure, roc_figure
from pneumoscope.evaluation.report.figures.subgroups import subgroups_figure
from pneumoscope.evaluation.report.views import FigureView, TableView
from pneumoscope.evaluation.statistics.decision_curve import DecisionCurve
from pneumoscope.evaluation.statistics.roc import precision_recall_curve, roc_curve
from pneumoscope.evaluation.subgroups.table import Subgroup
from pneumoscope.report.estimate import Estimate, format_number


@dataclass(frozen=True, slots=True)
class EvaluationView:
    """Everything that a page says of one reader."""

    name: str
    source: str
    ranking: TableView
    points: tuple[TableView, ...]
    prevalence: TableView
    consequences: tuple[TableView, ...]
    curves: tuple[FigureView, ...]
    calibration: TableView
    reliability: FigureView
    recalibrated_on: str
    decisions: FigureView
    subgroups: TableView | None
    subgroups_figure: FigureView | None
    left_out: tuple[str, ...]
    label_errors: TableView | None
    label_errors_total: int


def view_evaluation(judgement: ModelEvaluation) -> EvaluationView:
    """Return a judgement in words and pictures."""
    subject, found = judgement.subject, judgement.discrimination
    name = subject.name
    groups = judgement.subgroups.groups
    return EvaluationView(
        name,
        subject.source,
        ranking_table([judgement]),
        points_tables(name, found.points),
        prevalence_table(name, found.points),
        tuple(consequences_tables(name, judgement.consequences)),
        tuple(_curves(judgement)),
        calibration_table(judgement),
        _reliability(judgement),
        judgement.recalibrated_on,
        _decisions(judgement),
        subgroups_table(name, groups) if groups else None,
        _subgroup_figure(judgement) if _drawable(groups) else None,
        tuple(f"{name} ({why})" for name, why in judgement.subgroups.left_out.items()),
        label_errors_table(judgement) if judgement.label_errors.candidates else None,
        judgement.label_errors.total,
    )


def _curves(judgement: ModelEvaluation) -> Iterator[FigureView]:
    subject, predictions = judgement.subject, judgement.subject.predictions
    name, threshold = subject.name, subject.threshold
    yield FigureView.of(
        roc_figure(predictions, threshold, f"ROC curve, {name}"),
        f"ROC curve of {name}",
        "Sensitivity against the share of healthy patients called ill, at every threshold.",
        TableView.of_curve(
            roc_curve(predictions.labels, predictions.probabilities),
            ("False positive rate", "Sensitivity"),
        ),
    )
    yield FigureView.of(
        precision_recall_figure(predictions, threshold, f"Precision and recall, {name}"),
        f"Precision-recall curve of {name}",
        "How many of those called ill are ill, against how many of the ill are found.",
        TableView.of_curve(
            precision_recall_curve(predictions.labels, predictions.probabilities),
            ("Recall", "Precision"),
        ),
    )


def _reliability(judgement: ModelEvaluation) -> FigureView:
    name = judgement.subject.name
    return FigureView.of(
        calibration_figure(judgement.calibration, judgement.recalibrated, f"Calibration, {name}"),
        f"Reliability diagram of {name}",
        "Of the images given about this probability, the share that has pneumonia; on the diagonal "
        "probabilities mean what they say.",
        TableView(
            "",
            ("Probability", "Images", "Mean probability", "Share with pneumonia"),
            bin_rows(judgement.calibration),
        ),
    )


def _decisions(judgement: ModelEvaluation) -> FigureView:
    curve, name = judgement.decisions, judgement.subject.name
    rows = tuple(
        (
            f"{curve.thresholds[i]:.2f}",
            cell(_net_benefit(curve, i)),
            format_number(float(curve.treat_all[i])),
            "0",
        )
        for i in range(0, len(curve.thresholds), max(1, len(curve.thresholds) // 20))
    )
    return FigureView.of(
        decision_curve_figure(curve, f"Decision curve, {name}"),
        f"Decision curve of {name}",
        "Net benefit per patient, for those who would act at each probability: above both other "
        "lines, acting on the model does more good than following up everyone or no one.",
        TableView("", ("Probability", "Model", "Everyone", "No one"), rows),
    )


def _net_benefit(curve: DecisionCurve, place: int) -> Estimate:
    ends = () if curve.low is None or curve.high is None else (curve.low[place], curve.high[place])
    return Estimate(float(curve.model[place]), *map(float, ends))


def _drawable(groups: Sequence[Subgroup]) -> bool:
    return any(group.auc.interval is not None for group in groups)


def _subgroup_figure(judgement: ModelEvaluation) -> FigureView:
    name, table = judgement.subject.name, judgement.subgroups
    data = subgroups_table(name, table.groups)
    return FigureView.of(
        subgroups_figure(table, judgement.discrimination.auc),
        f"AUC of {name} by subgroup",
        "AUC of each subgroup with its 95 % interval; the line is all images.",
        data,
    )
