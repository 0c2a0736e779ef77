"""The tables of a judgement, in words."""

from collections.abc import Iterator, Mapping, Sequence

from pneumoscope.evaluation.model_evaluation import ModelEvaluation
from pneumoscope.evaluation.predictions import CLASS_NAMES
from pneumoscope.evaluation.report.cells import Cell, cell, percent
from pneumoscope.evaluation.report.views import Row, TableView
from pneumoscope.evaluation.statistics.calibration import CalibrationAssessment
from pneumoscope.evaluation.statistics.decision_curve import Consequences
from pneumoscope.evaluation.statistics.discrimination import Discrimination, PointEvaluation
from pneumoscope.evaluation.subgroups.table import MIN_IMAGES_PER_CLASS, Subgroup
from pneumoscope.report.estimate import Estimate, format_number
from pneumoscope.report.operating_point import POINT_METRICS


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


def points_tables(name: str, points: Sequence[PointEvaluation]) -> tuple[TableView, TableView]:
    """Return the headline metrics of each operating point with its counts, and the others."""
    headline = [name for name, metric in POINT_METRICS.items() if metric.is_headline]
    others = [name for name, metric in POINT_METRICS.items() if not metric.is_headline]
    return (
        TableView(
            f"Operating points of {name}",
            ("Operating point", "With pneumonia", "Without", *_labels(headline)),
            tuple((_point(point), *_counts(point), *_cells(point, headline)) for point in points),
        ),
        TableView(
            f"Further metrics at the operating points of {name}",
            ("Operating point", *_labels(others)),
            tuple((_point(point), *_cells(point, others)) for point in points),
        ),
    )


def _labels(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(POINT_METRICS[name].label for name in names)


def _point(point: PointEvaluation) -> Cell:
    return Cell(point.name, f"from {point.threshold:.3f}")


def _counts(point: PointEvaluation) -> tuple[Cell, Cell]:
    (tn, fp), (fn, tp) = point.confusion
    return (
        Cell(f"{tp:,} found", f"{fn:,} missed"),
        Cell(f"{tn:,} cleared", f"{fp:,} false alarms"),
    )


def _cells(point: PointEvaluation, names: Sequence[str]) -> tuple[Cell, ...]:
    return tuple(cell(point.estimates[name]) for name in names)


def prevalence_table(name: str, points: Sequence[PointEvaluation]) -> TableView:
    """Return what a call means at each prevalence."""
    rows: list[Row] = []
    for point in points:
        places = {"among these images": point.by_image} | {
            f"where {percent(prevalence)} have pneumonia": values
            for prevalence, values in point.at_prevalence.items()
        }
        for place, values in places.items():
            rows.append((f"{point.name}: {place}", cell(values["ppv"]), cell(values["npv"])))
    return TableView(
        f"Predictive values of {name} by prevalence",
        ("Where", "PPV: pneumonia if called ill", "NPV: none if cleared"),
        tuple(rows),
    )


def consequences_tables(
    name: str, consequences: Mapping[float, Sequence[Consequences]]
) -> Iterator[TableView]:
    """Yield what happens to 1,000 patients, for each prevalence."""
    for prevalence, rows in consequences.items():
        yield TableView(
            f"{name}: of 1,000 patients, {percent(prevalence)} with pneumonia",
            ("Strategy", "Found", "Missed", "Followed up", "Follow-ups avoided", "Needlessly"),
            tuple(
                (
                    row.name,
                    cell(row.found, ".0f"),
                    cell(row.missed, ".0f"),
                    cell(row.followups, ".0f"),
                    cell(row.followups_avoided, ".0f"),
                    cell(row.needless, ".0f"),
                )
                for row in rows
            ),
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
            format_number(one.predicted),
            cell(one.observed),
        )
        for one in found.bins
    )


_OF_A_GROUP = {"auc": "AUC", "sensitivity": "Sensitivity", "specificity": "Specificity"}


def subgroups_table(name: str, groups: Sequence[Subgroup]) -> TableView:
    """Return the subgroups with their gaps."""
    return TableView(
        f"Subgroups of {name}; “too few” is fewer than {MIN_IMAGES_PER_CLASS} images; gap is to the rest",
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
    if f"{name}_gap" in group.too_few or gap.text == "–":
        return found
    return Cell(found.text, f"{found.detail}; gap {gap.text}, {gap.detail}")


def label_errors_table(judgement: ModelEvaluation) -> TableView:
    """Return the labels that may be wrong."""
    rows = tuple(
        (one.file, CLASS_NAMES[one.label], format_number(one.probability), format_number(one.score))
        for one in judgement.label_errors.candidates
    )
    return TableView(
        f"Labels that may be wrong, by {judgement.subject.name}",
        ("File", "Label", "Probability of pneumonia", "Score"),
        rows,
    )
