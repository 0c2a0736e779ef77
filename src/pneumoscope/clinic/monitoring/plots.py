"""Plots of the monitoring page."""

from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pneumoscope.clinic.monitoring.agreement import Agreement
from pneumoscope.clinic.monitoring.periods import DurationSummary, Period, Proportion
from pneumoscope.evaluation.report.figures.panels import BLUE, GREY, ORANGE, PALETTE, panel, style
from pneumoscope.evaluation.statistics.drift import LARGE_INDEX, MODERATE_INDEX, DistributionShift

_MARKERS = "osD^vPX*"
_COLUMNS = 4
_WIDE_INCHES = (8.4, 3.9)
_MAX_TICKS = 8


def plot_volume(periods: Sequence[Period]) -> Figure:
    """Plot the number of images and patients in each period."""
    figure, axes = panel("Images and patients")
    places = np.arange(len(periods))
    images = [period.images for period in periods]
    patients = [period.patients for period in periods]
    axes.bar(places - 0.2, images, 0.38, color=BLUE, label="images")
    axes.bar(places + 0.2, patients, 0.38, color=ORANGE, label="patients")
    axes.set(ylabel="Number in a period", ylim=(0, 1.25 * max(1, *images)))
    axes.legend(frameon=False, loc="upper left", ncols=2)
    _label_dates(axes, periods)
    return figure


def plot_durations(periods: Sequence[Period]) -> Figure:
    """Plot the duration of readings, and the time that images wait for them."""
    figure, axes = panel("Reading and waiting")
    _draw_durations(axes, [period.waiting for period in periods], "waiting", ORANGE, "s")
    _draw_durations(axes, [period.reading for period in periods], "reading", BLUE, "o")
    axes.set(ylabel="Seconds", yscale="log")
    axes.legend(frameon=False, fontsize=8.5)
    _label_dates(axes, periods)
    return figure


def plot_unread(periods: Sequence[Period]) -> Figure:
    """Plot the proportion of patients whose image was not read."""
    figure, axes = panel("Not read")
    _draw_proportions(axes, [period.unread for period in periods])
    axes.set(ylabel="Proportion of patients", ylim=(0, None))
    _label_dates(axes, periods)
    return figure


def plot_stability_index(periods: Sequence[Period]) -> Figure:
    """Plot the stability index of each statistic by period, with its usual bands."""
    figure, axes = panel("Stability index against the reference population", _WIDE_INCHES)
    names = dict.fromkeys(name for period in periods for name in period.shifts)
    for place, name in enumerate(names):
        values = [
            period.shifts[name].index if name in period.shifts else np.nan for period in periods
        ]
        marker, colour = _MARKERS[place % len(_MARKERS)], PALETTE[place % len(PALETTE)]
        axes.plot(values, marker=marker, color=colour, label=name, markersize=5, lw=1.3)
    for edge, band in ((MODERATE_INDEX, "moderate"), (LARGE_INDEX, "large")):
        axes.axhline(edge, ls="--", lw=1, color=GREY)
        axes.text(len(periods) - 0.45, edge, f" {band}", color=GREY, size=8.5, va="bottom")
    axes.set(ylabel="Stability index", ylim=(0, None), xlim=(-0.4, len(periods) + 0.1))
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9)
    _label_dates(axes, periods)
    return figure


def plot_distributions(shifts: Mapping[str, DistributionShift]) -> Figure:
    """Plot the distribution of each statistic over bins of equal size in the reference."""
    rows = ceil(len(shifts) / _COLUMNS)
    figure = Figure(figsize=(9.6, 2.3 * rows), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False, sharey=True).ravel()
    for axes, (name, shift) in zip(panels, shifts.items(), strict=False):
        style(axes, name)
        places = np.arange(1, len(shift.shares) + 1)
        axes.bar(places, shift.shares, color=BLUE, width=0.8)
        axes.step(
            np.r_[places - 0.5, places[-1] + 0.5],
            np.r_[shift.expected, shift.expected[-1]],
            where="post",
            color=ORANGE,
            lw=1.8,
        )
        axes.set_xticks((1, len(places)), ("lowest", "highest"))
    for axes in panels[len(shifts) :]:
        axes.set_axis_off()
    figure.supylabel("Proportion of patients", size=10)
    return figure


def plot_agreement(weeks: Sequence[Agreement]) -> Figure:
    """Plot the proportion of patients whose reading is agreed with, week by week."""
    figure, axes = panel("Agreement with readings, by week", _WIDE_INCHES)
    _draw_proportions(axes, [week.agree for week in weeks], "having seen the reading")
    if any(week.blind_agree.whole for week in weeks):
        blind = [week.blind_agree for week in weeks]
        _draw_proportions(axes, blind, "blind", colour=ORANGE, marker="s")
        axes.legend(frameon=False, loc="lower left", fontsize=9)
    axes.set(ylabel="Proportion agreed with", ylim=(0, 1.02))
    _label_dates(axes, weeks)
    return figure


def _draw_durations(
    axes: Axes, durations: Sequence[DurationSummary | None], name: str, colour: str, marker: str
) -> None:
    medians = [np.nan if summary is None else summary.median for summary in durations]
    upper = [np.nan if summary is None else summary.percentile_95 for summary in durations]
    axes.plot(medians, marker=marker, color=colour, label=f"{name}, median", markersize=5)
    label = f"{name}, 95th percentile"
    axes.plot(upper, ls=":", marker=marker, color=colour, label=label, markersize=3)


def _draw_proportions(
    axes: Axes,
    proportions: Sequence[Proportion],
    name: str = "",
    *,
    colour: str = BLUE,
    marker: str = "o",
) -> None:
    defined = [
        (place, proportion.estimate.value, proportion.estimate.interval)
        for place, proportion in enumerate(proportions)
        if proportion.estimate.value is not None and proportion.estimate.interval is not None
    ]
    for place, _, interval in defined:
        axes.plot((place, place), interval, color=GREY, lw=1.2)
    places, values = [place for place, *_ in defined], [value for _, value, _ in defined]
    axes.plot(places, values, marker=marker, color=colour, label=name)
    axes.set_xlim(-0.5, len(proportions) - 0.5)


def _label_dates(axes: Axes, periods: Sequence[Period] | Sequence[Agreement]) -> None:
    """Label the axis with the last day of the periods, of at most `_MAX_TICKS` of them."""
    step = ceil(len(periods) / _MAX_TICKS)
    places = range((len(periods) - 1) % step, len(periods), step)
    axes.set_xticks(list(places), [f"{periods[place].days.last:%d %b}" for place in places])
    axes.set_xlabel("Until")
