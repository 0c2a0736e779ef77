"""The tables of a judgement, in words."""

from collections.abc import Iterator, Mapping, Sequence

from pneumoscope.evaluation.model_evaluation import ModelEvaluation
from pneumoscope.evaluation.predictions import CLASS_NAMES
from pneumoscope.evaluation.report.cells import Cell, cell, number, percent, span
from pneumoscope.evaluation.report.views import Row, TableView
from pneumoscope.evaluation.statistics.calibration import CalibrationAssessment
from pneumoscope.evaluation.statistics.discrimination import Discrimination, PointFigures
from pneumoscope.evaluation.statistics.intervals import Estimate
from pneumoscope.evaluation.subgroups.table import TOO_FEW, Subgroup


def ranking_table(judgements: Sequence[ModelEvaluation]) -> TableView:
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


def points_tables(name: str, points: Sequence[PointFigures]) -> tuple[TableView, TableView]:
    """Return the figures that clinicians ask for first, and the further ones."""
    return _points_table(name, points, _FIRST), _points_table(name, points, _SECOND)


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


def prevalence_table(name: str, points: Sequence[PointFigures]) -> TableView:
    """Return what a call means at each prevalence."""
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


def usefulness_tables(judgement: ModelEvaluation) -> Iterator[TableView]:
    """Yield what happens to 1,000 patients, for each prevalence."""
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


def calibration_table(judgement: ModelEvaluation) -> TableView:
    """Return calibration as it is, and recalibrated if that could be fitted."""
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


def _calibration_cells(found: CalibrationAssessment) -> tuple[Cell, ...]:
    plain = (found.ece, found.reliability, found.resolution, found.uncertainty)
    estimates = (found.slope, found.intercept, found.brier, *map(Estimate, plain))
    return tuple(cell(one) for one in estimates)


def bin_rows(found: CalibrationAssessment) -> tuple[Row, ...]:
    """Return the bins of a reliability diagram."""
    return tuple(
        (
            f"{one.low:.3f} to {one.high:.3f}",
            f"{one.n:,}",
            number(one.predicted),
            Cell(number(one.observed), span(one.interval)),
        )
        for one in found.bins
    )


_OF_A_GROUP = {"auc": "AUC", "sensitivity": "Sensitivity", "specificity": "Specificity"}


def subgroups_table(name: str, groups: Sequence[Subgroup]) -> TableView:
    """Return the subgroups with their gaps."""
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


def label_errors_table(judgement: ModelEvaluation) -> TableView:
    """Return the labels that may be wrong."""
    rows = tuple(
        (one.file, CLASS_NAMES[one.label], number(one.probability), number(one.score))
        for one in judgement.label_errors.candidates
    )
    return TableView(
        f"Labels that may be wrong, by {judgement.subject.name}",
        ("File", "Label", "Probability of pneumonia", "Score"),
        rows,
    )
