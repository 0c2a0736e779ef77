"""Stress tests as a page shows them: figures with their data, and galleries of failures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pneumoscope.evaluation.model_evaluation import ModelEvaluation
from pneumoscope.evaluation.report.cells import Cell, cell
from pneumoscope.evaluation.report.views import ErrorsView, FigureView, TableView
from pneumoscope.report.estimate import Estimate, format_number
from pneumoscope.report.interval import IntervalMethod, name_interval
from pneumoscope.validation.report.figures import robustness_figure, shortcut_figure
from pneumoscope.validation.stress.failures import Failures
from pneumoscope.validation.stress.robustness import RobustnessCurve, RobustnessPoint
from pneumoscope.validation.stress.shortcut_verdict import shortcut_verdict
from pneumoscope.validation.stress.shortcuts import Condition, ShortcutRow, ShortcutTable
from pneumoscope.validation.stress.stress_tests import StressTests, TrainingDuplicate

_INTERVALS = (
    f"AUC: {name_interval(IntervalMethod.DELONG, 'image')}; proportions: "
    f"{name_interval(IntervalMethod.WILSON, 'image')}. Of all images, unchanged: those "
    "under Discrimination and Diagnostic accuracy."
)

_MAX_DUPLICATES = 50
"""Largest number of duplicates that the page lists; the JSON has all."""


@dataclass(frozen=True, slots=True)
class StressTestsView:
    """Stress tests in words and images.

    ``duplicates_known`` is False if the training images are unknown; the page then does not mention
    duplicates.
    """

    robustness: FigureView | None
    shortcuts: FigureView | None
    shortcut_verdict: str
    errors: tuple[ErrorsView, ...]
    duplicates: TableView | None
    duplicates_known: bool


def view_stress_tests(tests: StressTests, evaluation: ModelEvaluation) -> StressTestsView:
    """Return the results of the stress tests of the evaluated model in words and images.

    Where all of its images were changed, the unchanged ones have the intervals of the evaluation:
    one quantity has one interval on a page.
    """
    failures, name = tests.failures, evaluation.subject.name
    table, curves = tests.shortcuts, tests.robustness
    return StressTestsView(
        _robustness_figure([_curve(curve, evaluation) for curve in curves]) if curves else None,
        None if table is None else _shortcut_figure(_shortcuts(table, evaluation)),
        "" if table is None else shortcut_verdict(table),
        _errors(failures, name, tests.duplicates is not None),
        _duplicates(tests.duplicates) if tests.duplicates else None,
        tests.duplicates is not None,
    )


def _curve(curve: RobustnessCurve, evaluation: ModelEvaluation) -> RobustnessCurve:
    points = list(curve.points)
    for place, point in enumerate(points):
        if point.strength == 0:
            auc, sensitivity, specificity = _evaluated(point, curve.n, evaluation)
            points[place] = replace(
                point, auc=auc, sensitivity=sensitivity, specificity=specificity
            )
    return replace(curve, points=tuple(points))


def _shortcuts(table: ShortcutTable, evaluation: ModelEvaluation) -> ShortcutTable:
    rows = list(table.rows)
    for place, row in enumerate(rows):
        if row.condition is Condition.UNCHANGED:
            auc, sensitivity, specificity = _evaluated(row, table.n, evaluation)
            rows[place] = replace(row, auc=auc, sensitivity=sensitivity, specificity=specificity)
    return replace(table, rows=tuple(rows))


def _evaluated(
    row: RobustnessPoint | ShortcutRow, n: int, evaluation: ModelEvaluation
) -> tuple[Estimate, Estimate, Estimate]:
    """Return AUC, sensitivity and specificity, the evaluation's where they are the same."""
    areas, point = evaluation.discrimination, evaluation.discrimination.points[0]
    own = row.auc, row.sensitivity, row.specificity
    if n != len(evaluation.subject.predictions.files):
        return own
    known = areas.auc, point.estimates["sensitivity"], point.estimates["specificity"]
    auc, sensitivity, specificity = (
        theirs if theirs.value == ours.value else ours
        for ours, theirs in zip(own, known, strict=True)
    )
    return auc, sensitivity, specificity


def _errors(failures: Failures, name: str, has_neighbours: bool) -> tuple[ErrorsView, ErrorsView]:
    neighbours = "the training images most similar to it in the network's features"
    missed = f"; the worst with {neighbours}" if has_neighbours else ""
    false_alarms = (
        f"; the worst with a heat map{f' and with {neighbours}' if has_neighbours else ''}"
    )
    no_map = ". They have no heat map: below the threshold of a finding, nothing is drawn"
    return (
        ErrorsView.of(
            "false_negatives",
            name,
            (*failures.false_negatives, *failures.further_false_negatives),
            failures.unshown_false_negatives,
            missed + no_map,
        ),
        ErrorsView.of(
            "false_positives",
            name,
            (*failures.false_positives, *failures.further_false_positives),
            failures.unshown_false_positives,
            false_alarms,
        ),
    )


def _robustness_figure(curves: Sequence[RobustnessCurve]) -> FigureView:
    first = curves[0]
    return FigureView.of(
        robustness_figure(curves),
        "Robustness to changes of the image",
        f"AUC, sensitivity and specificity as {first.n:,} images are changed more and more. The "
        f"quality gate would reject some of them before they are read. {_INTERVALS}"
        f"{_unreadable(first.unreadable)}",
        _robustness_table(curves),
    )


def _unreadable(count: int) -> str:
    return f" {count:,} more could not be read and are left out." if count else ""


def _shortcut_figure(table: ShortcutTable) -> FigureView:
    return FigureView.of(
        shortcut_figure(table),
        "Performance with parts of the image masked out",
        f"{table.n:,} images with a part masked out. The lungs are found by a segmentation "
        "network, and their mask is widened: both were found with confidence in a share of "
        f"{table.lungs_found_positive} of the images with pneumonia and "
        f"{table.lungs_found_negative} of those without. {_INTERVALS}"
        f"{_unreadable(table.unreadable)}",
        _shortcut_table(table),
    )


def _robustness_table(curves: Sequence[RobustnessCurve]) -> TableView:
    rows = tuple(
        (
            f"{curve.name} {point.strength:g} {curve.unit}",
            cell(point.auc),
            cell(point.sensitivity),
            cell(point.specificity),
            format_number(point.change),
            cell(point.rejected),
            cell(point.outside),
        )
        for curve in curves
        for point in curve.points
    )
    headings = (
        "Change",
        "AUC",
        "Sensitivity",
        "Specificity",
        "Mean change of probability",
        "Rejected by the gate",
        "Outside",
    )
    return TableView("", headings, rows)


def _shortcut_table(table: ShortcutTable) -> TableView:
    rows = tuple(
        (
            str(row.condition),
            cell(row.auc),
            cell(row.sensitivity),
            cell(row.specificity),
            Cell(
                format_number(row.mean_positive),
                f"without pneumonia {format_number(row.mean_negative)}",
            ),
        )
        for row in table.rows
    )
    headings = ("Image", "AUC", "Sensitivity", "Specificity", "Mean probability with pneumonia")
    return TableView("", headings, rows)


def _duplicates(duplicates: Sequence[TrainingDuplicate]) -> TableView:
    rows = tuple(
        (
            duplicate.file,
            duplicate.training,
            "same pixels" if duplicate.exact else f"correlation {duplicate.correlation:.4f}",
        )
        for duplicate in duplicates[:_MAX_DUPLICATES]
    )
    return TableView(
        f"{len(duplicates):,} evaluated images that are duplicates or near duplicates of training "
        "images",
        ("Evaluated image", "Training image", "Similarity"),
        rows,
    )
