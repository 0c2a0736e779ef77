"""HTML page of a local validation: self-contained, for screen and print."""

from pneumoscope.evaluation.acceptance import CRITERION_LABELS, Acceptance, Criterion
from pneumoscope.evaluation.report.cells import Cell, cell
from pneumoscope.evaluation.report.comparison_page import summary_sentences
from pneumoscope.evaluation.report.evaluation_tables import bootstrap_interval
from pneumoscope.evaluation.report.evaluation_view import view_evaluation
from pneumoscope.evaluation.report.views import Row, TableView
from pneumoscope.reader.bundle import BundleRecord
from pneumoscope.reader.reading import CONFIDENCES
from pneumoscope.report.estimate import format_number
from pneumoscope.report.html import render_page
from pneumoscope.report.interval import IntervalMethod, name_interval
from pneumoscope.validation.local_readings import LocalReadings
from pneumoscope.validation.local_validation import LocalValidation
from pneumoscope.validation.population_comparison import PopulationComparison
from pneumoscope.validation.report.stress_view import view_stress_tests

_WILSON = name_interval(IntervalMethod.WILSON, "image")


def render_validation(validation: LocalValidation) -> str:
    """Return a local validation as one self-contained HTML page."""
    local, stress_tests = validation.local, validation.stress_tests
    evaluation = validation.evaluation
    return render_page(
        "validate.html",
        validation=validation,
        acceptance=validation.acceptance,
        summary=summary_sentences(evaluation),
        context=_context(validation),
        criteria=_criteria_table(validation.acceptance, bootstrap_interval(evaluation)),
        findings=_findings_table(validation),
        population=_population_table(validation.population, validation.record),
        unread=_unread_tables(local),
        unlabelled=(
            f"{len(local.unlabelled):,} files of the folder have no label and were ignored; the "
            f"first: {', '.join(local.unlabelled[:3])}."
        ),
        view=view_evaluation(evaluation),
        stress_tests=None if stress_tests is None else view_stress_tests(stress_tests, evaluation),
    )


def _context(validation: LocalValidation) -> tuple[str, ...]:
    """Return sentences on the population that the bundle is for, and on what was left out."""
    population, local = validation.population, validation.local
    total = len(local.paths) + len(local.unread)
    return (
        f"The bundle was trained on: {validation.record.training_data.population}. The share of "
        f"unfamiliar radiographs, unlike its training images, is {population.unfamiliar} here and "
        f"{format_number(population.expected)} among its own validation images.",
        f"{len(local.unread):,} of {total:,} radiographs were not read, and are left out of all "
        f"performance metrics: {len(local.outside):,} because the bundle may not answer for them, "
        f"{len(local.rejected):,} because the quality gate rejected them or they could not be "
        "decoded.",
        *_copies(local.copies),
        "If the bundle was trained on any of these radiographs, its performance is overestimated "
        "here. Its record cannot tell: make sure that it was not.",
    )


def _copies(count: int) -> tuple[str, ...]:
    if not count:
        return ()
    subject = "radiograph is a copy" if count == 1 else "radiographs are copies"
    return (
        f"{count:,} {subject} of another one under another name; copies count as one patient's.",
    )


def _criteria_table(acceptance: Acceptance, interval: str) -> TableView:
    """Return the criteria; ``interval`` is the name of the bootstrap intervals."""
    rows = tuple(
        (
            CRITERION_LABELS.get(criterion.name, criterion.name)
            + ", threshold fitted to local patients" * criterion.recalibrated,
            cell(criterion.estimate),
            _limits(criterion),
            str(criterion.state),
        )
        for criterion in acceptance.criteria
    )
    return TableView(
        f"Requirements and results; {interval}; share not read: {_WILSON}; calibration: as in its "
        "table",
        ("Criterion", "Result", "Requirement", "State"),
        rows,
    )


def _findings_table(validation: LocalValidation) -> TableView:
    """Return what is shown of the radiographs of each class."""
    labels = validation.findings
    rows = (
        *((words, *(f"{labels[label][words]:,}" for label in labels)) for words in CONFIDENCES),
        ("All that were read", *(f"{sum(counts.values()):,}" for counts in labels.values())),
    )
    return TableView(
        f"Findings that are shown at '{validation.operating_point}', by label; those of low "
        "confidence are UNCERTAIN where a site abstains",
        ("Shown as", *labels),
        rows,
    )


def _limits(criterion: Criterion) -> str:
    if criterion.high is None:
        return f"≥ {criterion.low:g}"
    if criterion.low is None:
        return f"≤ {criterion.high:g}"
    return f"{format_number(criterion.low, 'g')} to {format_number(criterion.high, 'g')}"


def _population_table(population: PopulationComparison, record: BundleRecord) -> TableView:
    low, median, high = map(format_number, population.distances)
    rows: list[Row] = [
        ("Not read", cell(population.unread), "–"),
        ("Outside: the bundle may not answer", cell(population.outside), _refused(record)),
        ("Rejected by the quality gate, or not decodable", cell(population.rejected), "–"),
        (
            "Unfamiliar (distance from the training images above the limit)",
            cell(population.unfamiliar),
            format_number(population.expected),
        ),
        (
            "Median distance from the training images, relative to the limit",
            Cell(median, f"quartiles {low} to {high}"),
            "below 1",
        ),
        *(
            (f"Quality gate: {code}", f"{count:,} radiographs", "–")
            for code, count in sorted(population.quality.items())
        ),
    ]
    return TableView(
        f"Local radiographs beside the bundle's own validation images; {_WILSON}",
        ("", "Local", "Bundle's validation images"),
        tuple(rows),
    )


def _refused(record: BundleRecord) -> str:
    """Return the share of the bundle's own validation images that it does not answer for."""
    return "–" if record.refusal is None else str(record.refusal.false_refusals)


def _unread_tables(local: LocalReadings) -> tuple[TableView, ...]:
    """Return the radiographs that were not read, those that are outside apart from the others."""
    groups = {
        "Radiographs that the bundle may not answer for": local.outside,
        "Radiographs that were rejected or could not be decoded": local.rejected,
    }
    return tuple(
        TableView(
            f"{title}: {len(radiographs):,}",
            ("File", "Status", "Reasons"),
            tuple(
                (radiograph.file, radiograph.status, "; ".join(radiograph.reasons))
                for radiograph in radiographs
            ),
        )
        for title, radiographs in groups.items()
        if radiographs
    )
