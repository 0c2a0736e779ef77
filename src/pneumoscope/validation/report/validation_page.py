"""The report of a local validation: one HTML page that opens anywhere and prints."""

from pneumoscope.evaluation.acceptance import TERMS, Acceptance, Criterion
from pneumoscope.evaluation.report.cells import Cell, cell, number
from pneumoscope.evaluation.report.comparison_page import plain_summary
from pneumoscope.evaluation.report.evaluation_view import view
from pneumoscope.evaluation.report.views import Row, TableView
from pneumoscope.report.html import render_page
from pneumoscope.validation.local_readings import LocalReadings
from pneumoscope.validation.local_validation import PopulationComparison, Validation
from pneumoscope.validation.report.stress_view import view_inspection


def render_validation(validation: Validation) -> str:
    """Return a validation as one self-contained HTML page."""
    local = validation.local
    return render_page(
        "validate.html",
        validation=validation,
        verdict=validation.verdict,
        summary=plain_summary(validation.judgement),
        context=_context(validation),
        criteria=_criteria(validation.verdict),
        population=_population(validation.population),
        rejected=_rejected(local) if local.rejected else None,
        unlabelled=(
            f"{len(local.unlabelled):,} files of the folder have no label and were not looked at; "
            f"the first: {', '.join(local.unlabelled[:3])}."
        ),
        view=view(validation.judgement),
        inspection=(
            None if validation.inspection is None else view_inspection(validation.inspection)
        ),
    )


def _context(validation: Validation) -> tuple[str, ...]:
    """Say whom the bundle is for, and how many of these radiographs it is not for."""
    found, local = validation.population, validation.local
    total = len(local.paths) + len(local.rejected)
    return (
        f"It learned from: {validation.record.training_data.population}. Of these radiographs "
        f"{found.unfamiliar} are unlike those, where {number(found.expected)} are among its own.",
        f"{len(local.rejected):,} of {total:,} radiographs were not read, and are in none of these "
        "figures.",
        *_copies(local.copies),
        "If it learned from any of these radiographs, the figures are too good. Its record cannot "
        "tell: make sure that it has not seen them.",
    )


def _copies(count: int) -> tuple[str, ...]:
    if not count:
        return ()
    them = "radiograph has" if count == 1 else "radiographs have"
    return (
        f"{count:,} {them} the same content as another one under another name; such count as of "
        "one patient.",
    )


def _criteria(verdict: Acceptance) -> TableView:
    rows = tuple(
        (_name(one), cell(one.estimate), _limits(one), str(one.state)) for one in verdict.criteria
    )
    return TableView(
        "What was asked, and what was found", ("Criterion", "Found", "Asked", "State"), rows
    )


def _name(criterion: Criterion) -> str:
    name = TERMS.get(criterion.name, criterion.name)
    return f"{name}, threshold fitted here" if criterion.recalibrated else name


def _limits(criterion: Criterion) -> str:
    if criterion.high is None:
        return f"≥ {criterion.low:g}"
    if criterion.low is None:
        return f"≤ {criterion.high:g}"
    return f"{criterion.low:g} to {criterion.high:g}"


def _population(found: PopulationComparison) -> TableView:
    low, middle, high = found.distances
    rows: list[Row] = [
        ("Radiographs that were not read", cell(found.rejected), "–"),
        ("Unfamiliar: beyond the limit", cell(found.unfamiliar), number(found.expected)),
        (
            "Distance by the limit: median",
            Cell(number(middle), f"quartiles {number(low)} to {number(high)}"),
            "below 1",
        ),
        *(
            (f"Quality gate: {code}", f"{count:,} radiographs", "–")
            for code, count in sorted(found.quality.items())
        ),
    ]
    return TableView(
        "These radiographs beside those of its own validation",
        ("", "Here (Wilson's interval)", "Its own validation"),
        tuple(rows),
    )


def _rejected(local: LocalReadings) -> TableView:
    rows = tuple((one.file, one.status, "; ".join(one.reasons)) for one in local.rejected)
    return TableView("Not read", ("File", "Status", "Why"), rows)
