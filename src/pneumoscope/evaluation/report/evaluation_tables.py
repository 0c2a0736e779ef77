"""Tables of a model's evaluation."""

from collections.abc import Iterator, Mapping, Sequence

from pneumoscope.evaluation.model_evaluation import ModelEvaluation
from pneumoscope.evaluation.predictions import CLASS_NAMES
from pneumoscope.evaluation.report.cells import Cell, cell, format_p, percent
from pneumoscope.evaluation.report.views import Row, TableView
from pneumoscope.evaluation.statistics.calibration import CalibrationAssessment
from pneumoscope.evaluation.statistics.decision_curve import Consequences
from pneumoscope.evaluation.statistics.discrimination import PointEvaluation
from pneumoscope.evaluation.statistics.label_errors import LabelErrorCandidate
from pneumoscope.evaluation.subgroups.table import (
    MIN_IMAGES_PER_CLASS,
    SUBGROUP_DRAWS,
    SUBGROUP_METRICS,
    Subgroup,
)
from pneumoscope.report.estimate import Estimate, format_number
from pneumoscope.report.interval import IntervalMethod, Unit, name_interval
from pneumoscope.report.operating_point import POINT_METRICS


def bootstrap_interval(evaluation: ModelEvaluation) -> str:
    """Return the name of the bootstrap intervals of an evaluation."""
    unit = evaluation.subject.predictions.resampling_unit
    return name_interval(IntervalMethod.BOOTSTRAP, unit, evaluation.discrimination.draws)


def discrimination_table(evaluations: Sequence[ModelEvaluation]) -> TableView:
    """Return the areas under the curves of each model, and its metrics of other packages.

    The share with PNEUMONIA stands beside the average precision: it is that of a model that ranks
    at random.
    """
    n = len(evaluations[0].subject.predictions.files)
    names = ", ".join(evaluation.subject.name for evaluation in evaluations)
    rows: list[Row] = []
    for evaluation in evaluations:
        areas = evaluation.discrimination
        prevalence = format_number(evaluation.subject.predictions.prevalence)
        auc, precision, partial = map(cell, (areas.auc, areas.average_precision, areas.partial_auc))
        further = map(cell, evaluation.metrics.values())
        rows.append((evaluation.subject.name, auc, precision, prevalence, partial, *further))
    return TableView(
        f"Discrimination of {names}: {n:,} images; {bootstrap_interval(evaluations[0])}",
        (
            "Model",
            "AUC",
            "Average precision",
            "Average precision by chance (share with pneumonia)",
            "Partial AUC, sensitivity ≥ 0.9",
            *evaluations[0].metrics,
        ),
        tuple(rows),
    )


def points_tables(
    name: str, points: Sequence[PointEvaluation], interval: str
) -> tuple[TableView, TableView]:
    """Return the headline metrics of each operating point with its counts, and the others.

    ``interval`` is the name of the intervals.
    """
    headline = [name for name, metric in POINT_METRICS.items() if metric.is_headline]
    others = [name for name, metric in POINT_METRICS.items() if not metric.is_headline]
    return (
        TableView(
            f"Operating points of {name}; {interval}",
            ("Operating point", "With pneumonia", "Without", *_labels(headline)),
            tuple((_point(point), *_counts(point), *_cells(point, headline)) for point in points),
        ),
        TableView(
            f"Further metrics at the operating points of {name}; {interval}",
            ("Operating point", *_labels(others)),
            tuple((_point(point), *_cells(point, others)) for point in points),
        ),
    )


def prevalence_table(name: str, points: Sequence[PointEvaluation], interval: str) -> TableView:
    """Return the predictive values of each operating point by prevalence.

    ``interval`` is the name of the intervals.
    """
    rows: list[Row] = []
    for point in points:
        places = {"among these images": point.estimates} | {
            f"where {percent(prevalence)} have pneumonia": values
            for prevalence, values in point.at_prevalence.items()
        }
        for place, values in places.items():
            rows.append((f"{point.name}: {place}", cell(values["ppv"]), cell(values["npv"])))
    return TableView(
        f"Predictive values of {name} by prevalence; {interval}",
        ("Prevalence", "PPV: pneumonia if called ill", "NPV: none if cleared"),
        tuple(rows),
    )


def consequences_tables(
    name: str, consequences: Mapping[float, Sequence[Consequences]], unit: Unit
) -> Iterator[TableView]:
    """Yield the consequences for 1,000 patients, one table per prevalence.

    ``unit`` is that of the intervals of sensitivity and specificity.
    """
    interval = name_interval(IntervalMethod.MOVER, unit)
    for prevalence, rows in consequences.items():
        yield TableView(
            f"{name}: of 1,000 patients, {percent(prevalence)} with pneumonia; {interval}",
            ("Strategy", "Found", "Missed", "Followed up", "Follow-ups avoided", "Needless"),
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


def calibration_table(evaluation: ModelEvaluation) -> TableView:
    """Return the calibration before recalibration, and after it if that could be fitted."""
    columns = {"As it is": evaluation.calibration, "Recalibrated": evaluation.recalibrated}
    known = {heading: column for heading, column in columns.items() if column is not None}
    rows = zip(_CALIBRATION_ROWS, *map(_calibration_cells, known.values()), strict=True)
    unit = evaluation.subject.predictions.resampling_unit
    interval = name_interval(IntervalMethod.ROBUST, unit)
    return TableView(
        f"Calibration of {evaluation.subject.name}; {interval}", ("", *known), tuple(rows)
    )


def bins_table(calibration: CalibrationAssessment) -> TableView:
    """Return the bins of a calibration curve."""
    return TableView(
        "",
        ("Probability", "Images", "Mean probability", "Share with pneumonia"),
        tuple(
            (
                f"{part.low:.3f} to {part.high:.3f}",
                f"{part.n:,}",
                format_number(part.predicted),
                cell(part.observed),
            )
            for part in calibration.bins
        ),
    )


def subgroups_table(name: str, groups: Sequence[Subgroup], unit: Unit) -> TableView:
    """Return the subgroups with their gaps to the other images; ``unit`` is their intervals'."""
    interval = name_interval(IntervalMethod.BOOTSTRAP, unit, SUBGROUP_DRAWS)
    return TableView(
        f"Subgroups of {name}; “too few” means fewer than {MIN_IMAGES_PER_CLASS} images of a "
        f"class; the gap is the difference from all other images; {interval}, or Wilson's where "
        "each patient has one image",
        ("Subgroup", "Images", *(f"{label} (gap)" for label in SUBGROUP_METRICS.values())),
        tuple(_subgroup_row(group) for group in groups),
    )


def label_errors_table(name: str, candidates: Sequence[LabelErrorCandidate]) -> TableView:
    """Return the labels that may be wrong."""
    rows = tuple(
        (
            candidate.file,
            CLASS_NAMES[candidate.label],
            format_number(candidate.probability),
            format_number(candidate.score),
        )
        for candidate in candidates
    )
    return TableView(
        f"Labels that may be wrong, by {name}",
        ("File", "Label", "Probability of pneumonia", "Probability of the label"),
        rows,
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


_CALIBRATION_ROWS = (
    "Slope (1 is ideal)",
    "Calibration in the large (0 is ideal): the intercept with the slope held at 1",
    "Brier score (0 is ideal)",
    "Expected calibration error (0 is ideal)",
    "Brier score: reliability, lost by miscalibration",
    "Brier score: resolution, gained by discrimination",
    "Brier score: uncertainty, of the prevalence alone",
)


def _calibration_cells(calibration: CalibrationAssessment) -> tuple[Cell, ...]:
    values = (
        calibration.ece,
        calibration.reliability,
        calibration.resolution,
        calibration.uncertainty,
    )
    estimates = (calibration.slope, calibration.in_the_large, calibration.brier)
    return tuple(map(cell, (*estimates, *map(Estimate, values))))


def _subgroup_row(group: Subgroup) -> Row:
    against = f"against {group.against}" if group.against else ""
    counts = Cell(f"{group.n:,}", f"{group.positives:,} with pneumonia")
    cells = [_with_gap(group, name) for name in SUBGROUP_METRICS]
    return (Cell(f"{group.column}: {group.value}", against), counts, *cells)


def _with_gap(group: Subgroup, name: str) -> Cell:
    if name in group.too_few:
        return Cell("too few")
    metric, gap = cell(getattr(group, name)), getattr(group, f"{name}_gap")
    if gap.value is None:
        return metric
    p = group.gap_p_holm.get(name)
    corrected = "" if p is None else f"\np {format_p(p)} corrected"
    return Cell(metric.text, f"{metric.detail}\ngap {gap}{corrected}")
