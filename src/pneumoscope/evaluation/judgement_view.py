"""A judgement as a page shows it: tables in words, figures as pictures with their data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pneumoscope.evaluation.cells import Cell, cell, number, percent, span
from pneumoscope.evaluation.discrimination import Discrimination, PointFigures
from pneumoscope.evaluation.figures import precision_recall_figure, roc_figure
from pneumoscope.evaluation.intervals import Estimate, Interval
from pneumoscope.evaluation.judgement import Judgement
from pneumoscope.evaluation.metrics import Curve, precision_recall_curve, roc_curve
from pneumoscope.evaluation.predictions import CLASS_NAMES
from pneumoscope.evaluation.reliability import Reliability
from pneumoscope.evaluation.reliability_figures import reliability_figure
from pneumoscope.evaluation.subgroup_figures import subgroup_figure
from pneumoscope.evaluation.subgroups import TOO_FEW, Subgroup
from pneumoscope.evaluation.usefulness import DecisionCurve
from pneumoscope.evaluation.usefulness_figures import decision_curve_figure
from pneumoscope.evaluation.views import FigureView, Row, TableView

_CURVE_POINTS = 60
"""Of a curve that a table under a figure lists; all follow from the table of predictions."""


@dataclass(frozen=True, slots=True)
class JudgementView:
    """Everything that a page says of one reader."""

    name: str
    source: str
    ranking: TableView
    points: tuple[TableView, ...]
    prevalence: TableView
    usefulness: tuple[TableView, ...]
    curves: tuple[FigureView, ...]
    calibration: TableView
    reliability: FigureView
    recalibrated_on: str
    decisions: FigureView
    subgroups: TableView | None
    subgroup_figure: FigureView | None
    left_out: tuple[str, ...]
    label_errors: TableView | None
    label_errors_total: int


def view(judgement: Judgement) -> JudgementView:
    """Return a judgement in words and pictures."""
    subject, found = judgement.subject, judgement.discrimination
    name = subject.name
    groups = judgement.subgroups.groups
    return JudgementView(
        name,
        subject.source,
        ranking_table([judgement]),
        (_points_table(name, found.points, _FIRST), _points_table(name, found.points, _SECOND)),
        _prevalence_table(name, found.points),
        tuple(_usefulness_tables(judgement)),
        tuple(_curves(judgement)),
        _calibration_table(judgement),
        _reliability(judgement),
        judgement.recalibrated_on,
        _decisions(judgement),
        _subgroup_table(name, groups) if groups else None,
        _subgroup_figure(judgement) if _drawable(groups) else None,
        tuple(f"{name} ({why})" for name, why in judgement.subgroups.left_out.items()),
        _label_errors(judgement) if judgement.label_errors.candidates else None,
        judgement.label_errors.total,
    )


def ranking_table(judgements: Sequence[Judgement]) -> TableView:
    """Return how well each reader ranks images, over all thresholds."""
    rows: tuple[Row, ...] = tuple(
        (one.subject.name, *_ranking(one.discrimination)) for one in judgements
    )
    n = len(judgements[0].subject.predictions.files)
    names = ", ".join(one.subject.name for one in judgements)
    return TableView(
        f"Discrimination of {names}: {n:,} images",
        ("Model", "AUC", "AUC, DeLong", "Average precision", "Partial AUC, sensitivity ≥ 0.9"),
        rows,
    )


def _ranking(found: Discrimination) -> tuple[Cell, ...]:
    figures = (found.auc, found.auc_delong, found.average_precision, found.partial_auc)
    return tuple(cell(one) for one in figures)


_FIRST = {"sensitivity": "Sensitivity", "specificity": "Specificity", "ppv": "PPV", "npv": "NPV"}
_SECOND = {
    "lr_positive": "LR+",
    "lr_negative": "LR−",
    "f1": "F1",
    "mcc": "Matthews' correlation",
    "accuracy": "Accuracy",
}


def _points_table(
    name: str, points: Sequence[PointFigures], figures: Mapping[str, str]
) -> TableView:
    rows: list[Row] = []
    for point in points:
        (tn, fp), (fn, tp) = point.confusion
        counts: Row = (
            Cell(f"{tp:,} found", f"{fn:,} missed"),
            Cell(f"{tn:,} cleared", f"{fp:,} false alarms"),
        )
        rows.append(
            (
                Cell(point.name, f"from {point.threshold:.3f}"),
                *(counts if figures is _FIRST else ()),
                *(cell(point.figures[one]) for one in figures),
            )
        )
    counted = ("With pneumonia", "Without") if figures is _FIRST else ()
    what = "Operating points" if figures is _FIRST else "Further figures at the operating points"
    return TableView(
        f"{what} of {name}", ("Operating point", *counted, *figures.values()), tuple(rows)
    )


def _prevalence_table(name: str, points: Sequence[PointFigures]) -> TableView:
    rows: list[Row] = []
    for point in points:
        exact = (point.exact["ppv"], point.exact["npv"])
        observed = [
            Cell(number(point.figures[one].value), span(exact[i]))
            for i, one in enumerate(("ppv", "npv"))
        ]
        rows.append((f"{point.name}: among these images", *observed))
        for prevalence, figures in point.at_prevalence.items():
            title = f"{point.name}: where {percent(prevalence)} have pneumonia"
            rows.append((title, cell(figures["ppv"]), cell(figures["npv"])))
    return TableView(
        f"Predictive values of {name} by prevalence",
        ("Where", "PPV: pneumonia if called ill", "NPV: none if cleared"),
        tuple(rows),
    )


def _usefulness_tables(judgement: Judgement) -> Iterator[TableView]:
    for prevalence, rows in judgement.usefulness.items():
        yield TableView(
            f"{judgement.subject.name}: of 1,000 patients, {percent(prevalence)} with pneumonia",
            ("Strategy", "Found", "Missed", "Followed up", "Follow-ups avoided", "Needlessly"),
            tuple(
                (
                    row.name,
                    *(
                        _count(value)
                        for value in (
                            row.found,
                            row.missed,
                            row.followups,
                            row.followups_avoided,
                            row.needless,
                        )
                    ),
                )
                for row in rows
            ),
        )


def _count(estimate: Estimate) -> Cell:
    """Return a number of patients, whole."""
    if estimate.value is None:
        return Cell("–")
    ends = estimate.interval
    return Cell(
        f"{estimate.value:.0f}", "" if ends is None else f"{ends.low:.0f} to {ends.high:.0f}"
    )


def _curves(judgement: Judgement) -> Iterator[FigureView]:
    subject, predictions = judgement.subject, judgement.subject.predictions
    name, threshold = subject.name, subject.threshold
    yield FigureView.of(
        roc_figure(predictions, threshold, f"ROC curve, {name}"),
        f"ROC curve of {name}",
        "Sensitivity against the share of healthy patients called ill, at every threshold.",
        _curve_table(
            roc_curve(predictions.labels, predictions.probabilities),
            ("False positive rate", "Sensitivity"),
        ),
    )
    yield FigureView.of(
        precision_recall_figure(predictions, threshold, f"Precision and recall, {name}"),
        f"Precision-recall curve of {name}",
        "How many of those called ill are ill, against how many of the ill are found.",
        _curve_table(
            precision_recall_curve(predictions.labels, predictions.probabilities),
            ("Recall", "Precision"),
        ),
    )


def _curve_table(curve: Curve, headings: tuple[str, str]) -> TableView:
    step = max(1, len(curve.x) // _CURVE_POINTS)
    places = sorted({*range(0, len(curve.x), step), len(curve.x) - 1})
    rows = tuple((number(float(curve.x[i])), number(float(curve.y[i]))) for i in places)
    return TableView("", headings, rows)


def _calibration_table(judgement: Judgement) -> TableView:
    columns = [_calibration_cells(judgement.calibration)]
    headings = ["", "As it is"]
    if judgement.recalibrated is not None:
        columns.append(_calibration_cells(judgement.recalibrated))
        headings.append("Recalibrated")
    rows = tuple(zip(_CALIBRATION_ROWS, *columns, strict=True))
    return TableView(f"Calibration of {judgement.subject.name}", tuple(headings), rows)


_CALIBRATION_ROWS = (
    "Slope (1 is ideal)",
    "Calibration in the large (0 is ideal)",
    "Brier score (0 is ideal)",
    "Expected calibration error",
    "Brier: what calibration could save",
    "Brier: what telling apart saves",
    "Brier: of the share of pneumonia alone",
)


def _calibration_cells(found: Reliability) -> tuple[Cell, ...]:
    plain = (found.ece, found.reliability, found.resolution, found.uncertainty)
    estimates = (found.slope, found.intercept, found.brier, *map(Estimate, plain))
    return tuple(cell(one) for one in estimates)


def _reliability(judgement: Judgement) -> FigureView:
    name = judgement.subject.name
    return FigureView.of(
        reliability_figure(judgement.calibration, judgement.recalibrated, f"Calibration, {name}"),
        f"Reliability diagram of {name}",
        "Of the images given about this probability, the share that has pneumonia; on the diagonal "
        "probabilities mean what they say.",
        TableView(
            "",
            ("Probability", "Images", "Mean probability", "Share with pneumonia"),
            _bins(judgement.calibration),
        ),
    )


def _bins(found: Reliability) -> tuple[Row, ...]:
    return tuple(
        (
            f"{one.low:.3f} to {one.high:.3f}",
            f"{one.n:,}",
            number(one.predicted),
            Cell(number(one.observed), span(one.interval)),
        )
        for one in found.bins
    )


def _decisions(judgement: Judgement) -> FigureView:
    curve, name = judgement.decisions, judgement.subject.name
    rows = tuple(
        (
            f"{curve.thresholds[i]:.2f}",
            Cell(number(float(curve.model[i])), _band(curve, i)),
            number(float(curve.treat_all[i])),
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


def _band(curve: DecisionCurve, place: int) -> str:
    if curve.low is None or curve.high is None:
        return ""
    return span(Interval(float(curve.low[place]), float(curve.high[place])))


_OF_A_GROUP = {"auc": "AUC", "sensitivity": "Sensitivity", "specificity": "Specificity"}


def _subgroup_table(name: str, groups: Sequence[Subgroup]) -> TableView:
    return TableView(
        f"Subgroups of {name}; “too few” is fewer than {TOO_FEW} images; gap is to the rest",
        ("Subgroup", "Images", *(f"{one} (gap)" for one in _OF_A_GROUP.values())),
        tuple(_subgroup_row(group) for group in groups),
    )


def _subgroup_row(group: Subgroup) -> Row:
    against = f"against {group.against}" if group.against else ""
    counts = Cell(f"{group.n:,}", f"{group.positives:,} with pneumonia")
    cells = [_with_gap(group, name) for name in _OF_A_GROUP]
    return (Cell(f"{group.column}: {group.value}", against), counts, *cells)


def _with_gap(group: Subgroup, name: str) -> Cell:
    if name in group.too_few:
        return Cell("too few")
    found, gap = cell(getattr(group, name)), cell(getattr(group, f"{name}_gap"))
    if f"{name}_gap" in group.too_few or gap.value == "–":
        return found
    return Cell(found.value, f"{found.interval}; gap {gap.value}, {gap.interval}")


def _drawable(groups: Sequence[Subgroup]) -> bool:
    return any(group.auc.interval is not None for group in groups)


def _subgroup_figure(judgement: Judgement) -> FigureView:
    name, table = judgement.subject.name, judgement.subgroups
    data = _subgroup_table(name, table.groups)
    return FigureView.of(
        subgroup_figure(table, judgement.discrimination.auc),
        f"AUC of {name} by subgroup",
        "AUC of each subgroup with its 95 % interval; the line is all images.",
        data,
    )


def _label_errors(judgement: Judgement) -> TableView:
    rows = tuple(
        (one.file, CLASS_NAMES[one.label], number(one.probability), number(one.score))
        for one in judgement.label_errors.candidates
    )
    return TableView(
        f"Labels that may be wrong, by {judgement.subject.name}",
        ("File", "Label", "Probability of pneumonia", "Score"),
        rows,
    )
