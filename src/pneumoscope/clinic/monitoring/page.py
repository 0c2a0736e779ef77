"""The page of a clinic's figures: one HTML file with plots, that asks the network nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pneumoscope.clinic.monitoring import figures
from pneumoscope.clinic.monitoring.overview import Overview
from pneumoscope.clinic.monitoring.periods import Period, Spread
from pneumoscope.clinic.monitoring.rules import LEVEL, WINDOW, YEARLY
from pneumoscope.evaluation.report.cells import Cell, cell, number, percent
from pneumoscope.evaluation.report.views import FigureView, Row, TableView
from pneumoscope.evaluation.statistics.drift import LEAST
from pneumoscope.report.html import render_page


@dataclass(frozen=True, slots=True)
class Standing:
    """An alert that stands: where, of which rule, what was found, since when."""

    where: str
    rule: str
    message: str
    began: datetime


def render(found: Overview, site: str, open_alerts: Sequence[Standing]) -> str:
    """Return the page.

    Parameters
    ----------
    found
        The figures.
    site
        Name of the site, or of all together.
    open_alerts
        Alerts.
    """
    last = found.periods[-1]
    return render_page(
        "monitoring.html",
        found=found,
        site=site,
        last=last,
        alerts=open_alerts,
        periods=_periods(found.periods),
        flow=_flow_figures(found.periods),
        reasons=_reasons(last),
        shifts=_shifts(found) if last.shifts else None,
        population=_population_figures(found) if last.shifts else (),
        agreement=_agreement_figure(found),
        accuracy=_accuracy(found),
        level=f"{LEVEL:.2g}",
        yearly=percent(YEARLY),
        window=WINDOW,
        least=LEAST,
    )


def _periods(periods: Sequence[Period]) -> TableView:
    rows: tuple[Row, ...] = tuple(
        (
            str(one.days),
            f"{one.images:,}",
            f"{one.patients:,}",
            _seconds(one.reading),
            _seconds(one.waiting),
            cell(one.unread.estimate),
        )
        for one in periods
    )
    headings = ("Days", "Images", "Patients", "Reading, s", "Waiting, s", "Rejected or failed")
    return TableView("By window; times: median, and what 95 % do not exceed", headings, rows)


def _seconds(spread: Spread | None) -> str | Cell:
    if spread is None:
        return "–"
    return Cell(number(spread.median), f"95 %: {number(spread.most)}")


def _reasons(last: Period) -> TableView:
    rows = tuple((code, f"{count:,}") for code, count in last.reasons.items())
    return TableView("What spoke against images of the last window", ("Finding", "Images"), rows)


def _flow_figures(periods: Sequence[Period]) -> tuple[FigureView, ...]:
    data = _periods(periods)
    return (
        FigureView.of(
            figures.volume_figure(periods), "Images and patients", "In each window.", data
        ),
        FigureView.of(
            figures.times_figure(periods), "Reading and waiting", "The scale is logarithmic.", data
        ),
        FigureView.of(
            figures.unread_figure(periods),
            "Rejected or failed",
            "One image a patient, with 95 % intervals.",
            data,
        ),
    )


def _shifts(found: Overview) -> TableView:
    rows: tuple[Row, ...] = tuple(
        (
            name,
            f"{shift.patients:,}",
            Cell(number(shift.index), f"by chance {number(shift.by_chance)}"),
            str(shift.band),
            number(shift.distance),
            f"{found.adjusted[name]:.2g}",
            "drift" if found.adjusted[name] <= LEVEL else "–",
        )
        for name, shift in found.periods[-1].shifts.items()
    )
    headings = ("", "Patients", "Stability index", "Shift", "Distance", "Adjusted p", "Verdict")
    return TableView("The last window beside the bundle's population", headings, rows)


def _population_figures(found: Overview) -> tuple[FigureView, ...]:
    last = found.periods[-1].shifts
    by_window = TableView(
        "",
        ("Days", *last),
        tuple(
            (
                str(one.days),
                *(number(one.shifts[name].index if name in one.shifts else None) for name in last),
            )
            for one in found.periods
        ),
    )
    by_bin = TableView(
        "",
        ("", "Shares, from the lowest bin", "Expected"),
        tuple(
            (name, *(", ".join(map(number, part)) for part in (one.shares, one.expected)))
            for name, one in last.items()
        ),
    )
    return (
        FigureView.of(
            figures.index_figure(found.periods),
            "Stability index by window",
            "Without a mark where there were too few patients.",
            by_window,
        ),
        FigureView.of(
            figures.shares_figure(last),
            "Distributions in the last window",
            "Bars: this clinic. Line: the bundle's population, of which each bin holds a tenth.",
            by_bin,
        ),
    )


def _agreement_figure(found: Overview) -> FigureView:
    rows: tuple[Row, ...] = tuple(
        (
            str(one.days),
            f"{one.agree.whole:,}",
            cell(one.agree.estimate),
            f"{one.uncertain:,}",
        )
        for one in found.agreement
    )
    headings = ("Days", "Patients judged", "Agree", "Uncertain")
    return FigureView.of(
        figures.agreement_figure(found.agreement),
        "Agreement by week",
        "Of those who agree or disagree, one opinion a patient; with 95 % intervals.",
        TableView("", headings, rows),
    )


def _accuracy(found: Overview) -> TableView:
    known = found.accuracy
    rows: tuple[Row, ...] = tuple(
        (name, cell(each.sensitivity), cell(each.specificity))
        for name, each in (
            ("Among the judged alone", known.among_judged),
            ("Corrected for who was judged", known.corrected),
        )
    )
    caption = f"{known.judged:,} of {known.patients:,} patients judged, {found.operating_point}"
    return TableView(caption, ("", "Sensitivity", "Specificity"), rows)
