"""Monitoring page: one HTML file with plots that loads nothing from the network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pneumoscope.clinic.monitoring import plots
from pneumoscope.clinic.monitoring.overview import MonitoringOverview
from pneumoscope.clinic.monitoring.periods import DurationSummary, Period
from pneumoscope.clinic.monitoring.rules import (
    FALSE_ALARM_RATE_PER_YEAR,
    SIGNIFICANCE_LEVEL,
    WINDOW_DAYS,
)
from pneumoscope.clinic.monitoring.tables import Alert
from pneumoscope.evaluation.report.cells import Cell, cell, percent
from pneumoscope.evaluation.report.views import FigureView, Row, TableView
from pneumoscope.evaluation.statistics.drift import MIN_PATIENTS
from pneumoscope.report.estimate import format_number
from pneumoscope.report.html import render_page


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """Open alert as the page shows it: place, rule, bundle, message, and time of its beginning."""

    place: str
    rule: str
    bundle: str | None
    message: str
    began: datetime

    @classmethod
    def of(cls, alert: Alert) -> "OpenAlert":
        """Return an alert of the database."""
        place = alert.site.name if alert.site else "the server"
        return cls(place, alert.rule, alert.bundle, alert.message, alert.began)


def render_monitoring_page(
    overview: MonitoringOverview, site: str, open_alerts: Sequence[OpenAlert]
) -> str:
    """Return the monitoring page of a site, or of "all sites", as HTML."""
    latest = overview.periods[-1]
    return render_page(
        "monitoring.html",
        overview=overview,
        site=site,
        latest=latest,
        alerts=open_alerts,
        periods=_periods_table(overview.periods),
        flow_figures=_flow_figures(overview.periods),
        refusals=_codes_table("Not read in the latest period", "Reason", latest.refusals),
        reasons=_codes_table("Quality findings in the latest period", "Finding", latest.reasons),
        shifts=_shifts_table(overview) if latest.shifts else None,
        drift_figures=_drift_figures(overview) if latest.shifts else (),
        agreement=_agreement_figure(overview),
        accuracy=_accuracy_table(overview),
        level=f"{SIGNIFICANCE_LEVEL:.2g}",
        false_alarm_rate=percent(FALSE_ALARM_RATE_PER_YEAR),
        window_days=WINDOW_DAYS,
        min_patients=MIN_PATIENTS,
    )


def _periods_table(periods: Sequence[Period]) -> TableView:
    rows: tuple[Row, ...] = tuple(
        (
            str(period.days),
            f"{period.images:,}",
            f"{period.patients:,}",
            _duration_cell(period.reading),
            _duration_cell(period.waiting),
            cell(period.unread.estimate),
        )
        for period in periods
    )
    headings = ("Days", "Images", "Patients", "Reading, s", "Waiting, s", "Not read")
    return TableView("By period; durations: median and 95th percentile", headings, rows)


def _codes_table(caption: str, heading: str, counts: Mapping[str, int]) -> TableView:
    rows = tuple((code, f"{count:,}") for code, count in counts.items())
    return TableView(caption, (heading, "Images"), rows)


def _duration_cell(summary: DurationSummary | None) -> str | Cell:
    if summary is None:
        return "–"
    return Cell(format_number(summary.median), f"95 %: {format_number(summary.percentile_95)}")


def _flow_figures(periods: Sequence[Period]) -> tuple[FigureView, ...]:
    data = _periods_table(periods)
    return (
        FigureView.of(plots.plot_volume(periods), "Images and patients", "In each period.", data),
        FigureView.of(
            plots.plot_durations(periods), "Reading and waiting", "The scale is logarithmic.", data
        ),
        FigureView.of(
            plots.plot_unread(periods),
            "Not read",
            "Outside, rejected or failed; one image per patient, with 95 % intervals.",
            data,
        ),
    )


def _shifts_table(overview: MonitoringOverview) -> TableView:
    rows: tuple[Row, ...] = tuple(
        (
            name,
            f"{shift.patients:,}",
            Cell(format_number(shift.index), f"by chance {format_number(shift.by_chance)}"),
            str(shift.band),
            format_number(shift.distance),
            f"{overview.adjusted_p[name]:.2g}",
            "yes" if overview.adjusted_p[name] <= SIGNIFICANCE_LEVEL else "no",
        )
        for name, shift in overview.periods[-1].shifts.items()
    )
    tests = ("Stability index", "Shift", "Distance", "Adjusted p", "Drift")
    headings = ("Statistic", "Patients", *tests)
    return TableView("Latest period compared with the reference population", headings, rows)


def _drift_figures(overview: MonitoringOverview) -> tuple[FigureView, ...]:
    latest = overview.periods[-1].shifts
    by_period = TableView(
        "",
        ("Days", *latest),
        tuple(
            (
                str(period.days),
                *(
                    format_number(period.shifts[name].index if name in period.shifts else None)
                    for name in latest
                ),
            )
            for period in overview.periods
        ),
    )
    by_bin = TableView(
        "",
        ("Statistic", "Proportions, from the lowest bin", "Expected"),
        tuple(
            (
                name,
                *(", ".join(map(format_number, bins)) for bins in (shift.shares, shift.expected)),
            )
            for name, shift in latest.items()
        ),
    )
    return (
        FigureView.of(
            plots.plot_stability_index(overview.periods),
            "Stability index by period",
            "Periods with too few patients have no mark.",
            by_period,
        ),
        FigureView.of(
            plots.plot_distributions(latest),
            "Distributions in the latest period",
            "Bars: this clinic. Line: the reference population, a tenth of it in each bin.",
            by_bin,
        ),
    )


def _agreement_figure(overview: MonitoringOverview) -> FigureView:
    rows: tuple[Row, ...] = tuple(
        (
            str(week.days),
            f"{week.agree.whole:,}",
            cell(week.agree.estimate),
            f"{week.uncertain:,}",
            f"{week.blind_agree.whole:,}",
            cell(week.blind_agree.estimate),
            f"{week.blind_uncertain:,}",
            f"{week.changed.part:,} of {week.changed.whole:,}",
        )
        for week in overview.agreement
    )
    headings = (
        "Days",
        "Judged having seen the reading",
        "Agree, having seen it",
        "Uncertain, having seen it",
        "Judged blind",
        "Agree, blind",
        "Uncertain, blind",
        "Changed their mind",
    )
    return FigureView.of(
        plots.plot_agreement(overview.agreement),
        "Agreement by week",
        "Patients whose reading is agreed with, of those with agreement or disagreement, by "
        "clinicians who had seen it, and by those who had not; the first judgement of each patient "
        "counts. With 95 % intervals.",
        TableView("", headings, rows),
    )


def _accuracy_table(overview: MonitoringOverview) -> TableView:
    accuracy = overview.accuracy
    rows: tuple[Row, ...] = tuple(
        (patients, cell(rates.sensitivity), cell(rates.specificity))
        for patients, rates in (
            ("Among the judged patients", accuracy.among_judged),
            ("Corrected for verification bias", accuracy.corrected),
        )
    )
    caption = (
        f"{accuracy.judged:,} of {accuracy.patients:,} patients judged, {accuracy.blind:,} of them "
        f"without knowledge of the reading; operating point {overview.operating_point}"
    )
    if accuracy.uncertain:
        caption += (
            f"; {accuracy.uncertain:,} patients with an uncertain finding count as neither found "
            "nor cleared"
        )
    return TableView(caption, ("Patients", "Sensitivity", "Specificity"), rows)
