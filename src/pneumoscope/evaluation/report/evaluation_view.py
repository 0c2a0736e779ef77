"""View of a model's evaluation: tables, and figures with their data."""

from dataclasses import dataclass

from pneumoscope.evaluation.model_evaluation import ModelEvaluation
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.report.cells import cell
from pneumoscope.evaluation.report.evaluation_tables import (
    bins_table,
    bootstrap_interval,
    calibration_table,
    consequences_tables,
    discrimination_table,
    label_errors_table,
    points_tables,
    prevalence_table,
    subgroups_table,
)
from pneumoscope.evaluation.report.figures.calibration import calibration_figure
from pneumoscope.evaluation.report.figures.decision_curve import decision_curve_figure
from pneumoscope.evaluation.report.figures.predictions import precision_recall_figure, roc_figure
from pneumoscope.evaluation.report.figures.subgroups import subgroups_figure
from pneumoscope.evaluation.report.second_reader_view import (
    SecondReaderView,
    view_second_reader,
)
from pneumoscope.evaluation.report.views import FigureView, TableView
from pneumoscope.evaluation.second_reader_evaluation import ReaderAgreement
from pneumoscope.evaluation.statistics.decision_curve import DECISION_CURVE_DRAWS, DecisionCurve
from pneumoscope.evaluation.statistics.roc import precision_recall_curve, roc_curve
from pneumoscope.evaluation.subgroups.table import SUBGROUP_DRAWS
from pneumoscope.report.estimate import Estimate, format_number
from pneumoscope.report.interval import IntervalMethod, Unit, name_interval

_DECISION_CURVE_ROWS = 20


@dataclass(frozen=True, slots=True)
class EvaluationView:
    """Tables and figures of one model's evaluation.

    ``interval`` is the name of its bootstrap intervals, and ``unit`` what they are by.
    """

    name: str
    unit: Unit
    interval: str
    source: str
    discrimination: TableView
    points: tuple[TableView, ...]
    prevalence: TableView
    consequences: tuple[TableView, ...]
    curves: tuple[FigureView, ...]
    second_reader: SecondReaderView | None
    calibration: TableView
    calibration_curve: FigureView
    recalibrated_on: str
    decisions: FigureView
    subgroups: TableView | None
    subgroups_figure: FigureView | None
    left_out: tuple[str, ...]
    label_errors: TableView | None
    label_errors_total: int


def view_evaluation(evaluation: ModelEvaluation) -> EvaluationView:
    """Return the tables and figures of a model's evaluation."""
    subject, points = evaluation.subject, evaluation.discrimination.points
    areas, interval = evaluation.discrimination, bootstrap_interval(evaluation)
    unit = subject.predictions.resampling_unit
    name, groups = subject.name, evaluation.subgroups.groups
    errors, second = evaluation.label_errors, evaluation.second_reader
    return EvaluationView(
        name,
        unit,
        interval,
        subject.source,
        discrimination_table([evaluation]),
        points_tables(name, points, interval),
        prevalence_table(name, points, interval),
        tuple(consequences_tables(name, evaluation.consequences, unit)),
        view_curves(
            subject.predictions,
            subject.threshold,
            Areas(areas.auc, areas.average_precision, interval),
            name,
            "Sensitivity",
            None if second is None else second.usable,
        ),
        None if second is None else view_second_reader(name, second, interval),
        calibration_table(evaluation),
        _calibration_curve(evaluation),
        evaluation.recalibrated_on,
        _decision_curve(evaluation),
        subgroups_table(name, groups, unit) if groups else None,
        _subgroups(evaluation) if any(group.auc.interval for group in groups) else None,
        tuple(f"{column} ({why})" for column, why in evaluation.subgroups.left_out.items()),
        label_errors_table(name, errors.candidates) if errors.candidates else None,
        errors.total,
    )


@dataclass(frozen=True, slots=True)
class Areas:
    """Areas under the ROC and precision-recall curves, and the name of their intervals."""

    auc: Estimate
    average_precision: Estimate
    interval: str


def view_curves(
    predictions: Predictions,
    threshold: float,
    areas: Areas,
    name: str,
    sensitivity: str,
    second_reader: ReaderAgreement | None = None,
) -> tuple[FigureView, FigureView]:
    """Return the ROC and precision-recall curves; ``sensitivity`` heads it in the data.

    The operating point of a second reader is drawn beside the curves.
    """
    labels, probabilities = predictions.labels, predictions.probabilities
    reader, reader_caption = None, ""
    if second_reader is not None:
        reader = second_reader.point
        reader_caption = (
            f" The green diamond is the second reader against the same labels, on "
            f"{second_reader.n:,} usable images, with 95 % intervals."
        )
    return (
        FigureView.of(
            roc_figure(predictions, threshold, f"ROC curve, {name}", reader),
            f"ROC curve of {name}",
            "Sensitivity against the share of healthy patients called ill, at every threshold. "
            f"AUC {areas.auc}; 0.5 is chance ({areas.interval}).{reader_caption}",
            TableView.of_curve(
                roc_curve(labels, probabilities), ("False positive rate", sensitivity)
            ),
        ),
        FigureView.of(
            precision_recall_figure(
                predictions, threshold, f"Precision and recall, {name}", reader
            ),
            f"Precision-recall curve of {name}",
            "Share of the patients called ill that are ill, against the share of the ill that are "
            f"found. Average precision {areas.average_precision}; by chance it would be "
            f"{format_number(predictions.prevalence)}, the share with pneumonia "
            f"({areas.interval}).{reader_caption}",
            TableView.of_curve(
                precision_recall_curve(labels, probabilities), ("Recall", "Precision")
            ),
        ),
    )


def _calibration_curve(evaluation: ModelEvaluation) -> FigureView:
    name = evaluation.subject.name
    return FigureView.of(
        calibration_figure(evaluation.calibration, evaluation.recalibrated, f"Calibration, {name}"),
        f"Calibration curve of {name}",
        "Share with pneumonia among the images with about the same probability; on the diagonal, "
        "the two are equal. Shares: "
        # Bins are no clusters: the images of a patient are in several of them.
        f"{name_interval(IntervalMethod.WILSON, 'image')}.",
        bins_table(evaluation.calibration),
    )


def _decision_curve(evaluation: ModelEvaluation) -> FigureView:
    curve, name = evaluation.decisions, evaluation.subject.name
    unit, prevalence = (
        evaluation.subject.predictions.resampling_unit,
        evaluation.subject.predictions.prevalence,
    )
    interval = name_interval(IntervalMethod.BOOTSTRAP, unit, DECISION_CURVE_DRAWS)
    step = max(1, curve.n_meaningful // _DECISION_CURVE_ROWS)
    rows = tuple(
        (
            f"{curve.thresholds[index]:.2f}",
            cell(_net_benefit(curve, index)),
            format_number(float(curve.treat_all[index])),
            "0",
        )
        for index in range(0, curve.n_meaningful, step)
    )
    return FigureView.of(
        decision_curve_figure(curve, f"Decision curve, {name}"),
        f"Decision curve of {name}",
        "Net benefit per patient for a clinician who acts from each probability on: above both "
        "other lines, acting on the model is better than following up everyone or no one. "
        f"{_describe_range(curve, prevalence)} It holds for the share of pneumonia among these "
        f"images ({interval}).",
        TableView("", ("Probability", "Model", "Everyone", "No one"), rows),
    )


def _describe_range(curve: DecisionCurve, prevalence: float) -> str:
    """Return why the axis ends where it does; see `DecisionCurve.n_meaningful`."""
    end = curve.thresholds[curve.n_meaningful - 1]
    if prevalence <= 0.5:
        return (
            f"The axis ends at {end:.2f}: from there on a needless follow-up would count more than "
            "a missed pneumonia."
        )
    return (
        f"The axis ends at {end:.2f}, just beyond the share with pneumonia: up to there following "
        "up everyone has a net benefit, and from 0.5 on a needless follow-up counts more than a "
        "missed pneumonia."
    )


def _net_benefit(curve: DecisionCurve, index: int) -> Estimate:
    ends = () if curve.low is None or curve.high is None else (curve.low[index], curve.high[index])
    return Estimate(float(curve.model[index]), *map(float, ends))


def _subgroups(evaluation: ModelEvaluation) -> FigureView:
    name, table = evaluation.subject.name, evaluation.subgroups
    unit = evaluation.subject.predictions.resampling_unit
    interval = name_interval(IntervalMethod.BOOTSTRAP, unit, SUBGROUP_DRAWS)
    return FigureView.of(
        subgroups_figure(table, evaluation.discrimination.auc),
        f"AUC of {name} by subgroup",
        f"AUC of each subgroup; the dashed line is that of all images ({interval}).",
        subgroups_table(name, table.groups, unit),
    )
