"""An inspection as a page shows it: its figures with their data, and galleries of failures."""

from collections.abc import Sequence
from dataclasses import dataclass

from pneumoscope.evaluation.predictions import CLASS_NAMES
from pneumoscope.evaluation.report.cells import Cell, cell, number
from pneumoscope.evaluation.report.views import FigureView, TableView
from pneumoscope.report.html import inline_png
from pneumoscope.validation.report.figures import robustness_figure, shortcut_figure
from pneumoscope.validation.stress.failures import Failure
from pneumoscope.validation.stress.robustness import RobustnessCurve
from pneumoscope.validation.stress.shortcuts import ShortcutTable, shortcut_verdict
from pneumoscope.validation.stress.stress_tests import MetInTraining, StressTests, short_name

_INTERVALS = "Intervals are of 95 %, by image: DeLong's of AUCs, Wilson's of all other shares."

_LISTED = 50
"""Duplicates that the page lists; the JSON has all."""


@dataclass(frozen=True, slots=True)
class NeighbourView:
    """A training image like a failure."""

    src: str
    file: str
    label: str


@dataclass(frozen=True, slots=True)
class FailureView:
    """A radiograph that was judged wrongly."""

    file: str
    probability: str
    src: str
    heatmap: str
    neighbours: tuple[NeighbourView, ...]


@dataclass(frozen=True, slots=True)
class GalleryView:
    """Failures of one kind; ``count`` is of all, of which the worst are shown."""

    title: str
    meaning: str
    count: int
    failures: tuple[FailureView, ...]


@dataclass(frozen=True, slots=True)
class InspectionView:
    """Everything that a page says of an inspection.

    ``duplicates_known`` tells whether the training images are at hand; if not, none is spoken of.
    """

    robustness: FigureView | None
    shortcuts: FigureView | None
    shortcut_verdict: str
    galleries: tuple[GalleryView, ...]
    duplicates: TableView | None
    duplicates_known: bool


def view_inspection(inspection: StressTests) -> InspectionView:
    """Return an inspection in words and pictures."""
    failures = inspection.failures
    table, curves = inspection.shortcuts, inspection.robustness
    return InspectionView(
        _robustness_figure(curves) if curves else None,
        None if table is None else _shortcut_figure(table),
        "" if table is None else shortcut_verdict(table),
        (
            _gallery(
                "False negatives",
                "With pneumonia, and given the lowest probabilities.",
                failures.missed,
                failures.false_negatives,
            ),
            _gallery(
                "False positives",
                "Without pneumonia, and given the highest probabilities.",
                failures.false_alarms,
                failures.false_positives,
            ),
        ),
        _duplicates(inspection.duplicates) if inspection.duplicates else None,
        inspection.duplicates is not None,
    )


def _robustness_figure(curves: Sequence[RobustnessCurve]) -> FigureView:
    first = curves[0]
    return FigureView.of(
        robustness_figure(curves),
        "Robustness against changes of the image",
        "What becomes of AUC, sensitivity and specificity as images are changed more and more; "
        f"{first.n:,} images. The quality gate would stop some of them before they are read. "
        f"{_INTERVALS}{_unreadable(first.unreadable)}",
        _robustness_table(curves),
    )


def _unreadable(count: int) -> str:
    return f" {count:,} more could not be read and are left out." if count else ""


def _shortcut_figure(table: ShortcutTable) -> FigureView:
    return FigureView.of(
        shortcut_figure(table),
        "What is read besides the lungs",
        f"{table.n:,} images of which a part was taken away. Lung fields are found by an "
        "approximation, not by a segmentation network: both lungs were seen in a share of "
        f"{table.lungs_found_ill} of the images with pneumonia and {table.lungs_found_healthy} of "
        f"those without; in the others an ellipse stands for each lung that was not. {_INTERVALS}"
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
            number(point.change),
            cell(point.rejected),
        )
        for curve in curves
        for point in curve.points
    )
    headings = ("Change", "AUC", "Sensitivity", "Specificity", "Mean change", "Gate rejects")
    return TableView("", headings, rows)


def _shortcut_table(table: ShortcutTable) -> TableView:
    rows = tuple(
        (
            str(row.condition),
            cell(row.auc),
            cell(row.sensitivity),
            cell(row.specificity),
            Cell(number(row.mean_ill), f"healthy {number(row.mean_healthy)}"),
        )
        for row in table.rows
    )
    headings = ("Image", "AUC", "Sensitivity", "Specificity", "Mean probability of the ill")
    return TableView("", headings, rows)


def _gallery(title: str, meaning: str, count: int, failures: Sequence[Failure]) -> GalleryView:
    return GalleryView(title, meaning, count, tuple(_failure(one) for one in failures))


def _failure(failure: Failure) -> FailureView:
    return FailureView(
        failure.file,
        number(failure.probability),
        inline_png(failure.png),
        inline_png(failure.heatmap_png),
        tuple(
            NeighbourView(
                inline_png(one.png),
                short_name(one.neighbour.file),
                CLASS_NAMES[one.neighbour.label],
            )
            for one in failure.neighbours
        ),
    )


def _duplicates(duplicates: Sequence[MetInTraining]) -> TableView:
    rows = tuple(
        (
            one.file,
            one.training,
            "the same pixels" if one.exact else f"correlation {one.correlation:.4f}",
        )
        for one in duplicates[:_LISTED]
    )
    return TableView(
        f"{len(duplicates):,} judged images that are in the training images, or nearly so",
        ("Judged", "Learned from", "How alike"),
        rows,
    )
