"""Stress tests as a page shows them: figures with their data, and galleries of failures."""

from collections.abc import Sequence
from dataclasses import dataclass

from pneumoscope.evaluation.report.cells import Cell, cell
from pneumoscope.evaluation.report.views import ErrorsView, FigureView, TableView
from pneumoscope.report.estimate import format_number
from pneumoscope.report.interval import IntervalMethod, name_interval
from pneumoscope.validation.report.figures import robustness_figure, shortcut_figure
from pneumoscope.validation.stress.failures import Failures
from pneumoscope.validation.stress.robustness import RobustnessCurve
from pneumoscope.validation.stress.shortcut_verdict import shortcut_verdict
from pneumoscope.validation.stress.shortcuts import ShortcutTable
from pneumoscope.validation.stress.stress_tests import StressTests, TrainingDuplicate

_INTERVALS = (
    f"AUC: {name_interval(IntervalMethod.DELONG, 'image')}; proportions: "
    f"{name_interval(IntervalMethod.WILSON, 'image')}. They serve to compare the rows; the "
    "AUC of all unchanged images, by patient, is under Discrimination."
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


def view_stress_tests(tests: StressTests, name: str) -> StressTestsView:
    """Return the results of the stress tests of the model ``name`` in words and images."""
    failures = tests.failures
    table, curves = tests.shortcuts, tests.robustness
    return StressTestsView(
        _robustness_figure(curves) if curves else None,
        None if table is None else _shortcut_figure(table),
        "" if table is None else shortcut_verdict(table),
        _errors(failures, name, tests.duplicates is not None),
        _duplicates(tests.duplicates) if tests.duplicates else None,
        tests.duplicates is not None,
    )


def _errors(failures: Failures, name: str, has_neighbours: bool) -> tuple[ErrorsView, ErrorsView]:
    neighbours = " and with the training images most similar to it in the network's features"
    more = f"; the worst with a heat map{neighbours if has_neighbours else ''}"
    return (
        ErrorsView.of(
            "false_negatives",
            name,
            (*failures.false_negatives, *failures.further_false_negatives),
            failures.unshown_false_negatives,
            more,
        ),
        ErrorsView.of(
            "false_positives",
            name,
            (*failures.false_positives, *failures.further_false_positives),
            failures.unshown_false_positives,
            more,
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
