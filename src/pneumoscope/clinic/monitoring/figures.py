"""The plots of the page of a clinic's figures."""

from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pneumoscope.clinic.monitoring.opinions import Agreement
from pneumoscope.clinic.monitoring.periods import Period, Share, Spread
from pneumoscope.evaluation.report.figures.panels import BLUE, GREY, ORANGE, PALETTE, panel, style
from pneumoscope.evaluation.statistics.drift import LARGE, MODERATE, Shift

_MARKERS = "osD^vPX*"
_COLUMNS = 4
_WIDE = (8.4, 3.9)


def volume_figure(periods: Sequence[Period]) -> Figure:
    """Draw how many images and patients there were in each window."""
    figure, axes = panel("Images and patients")
    places = np.arange(len(periods))
    axes.bar(places - 0.2, [one.images for one in periods], 0.38, color=BLUE, label="images")
    axes.bar(places + 0.2, [one.patients for one in periods], 0.38, color=ORANGE, label="patients")
    axes.set(ylabel="In a window", ylim=(0, 1.25 * max(1, *(one.images for one in periods))))
    axes.legend(frameon=False, loc="upper left", ncols=2)
    _date(axes, periods)
    return figure


def times_figure(periods: Sequence[Period]) -> Figure:
    """Draw how long reading takes, and how long images wait for it."""
    figure, axes = panel("Reading and waiting")
    _draw_spreads(axes, [one.waiting for one in periods], "waiting", ORANGE, "s")
    _draw_spreads(axes, [one.reading for one in periods], "reading", BLUE, "o")
    axes.set(ylabel="Seconds", yscale="log")
    axes.legend(frameon=False, fontsize=8.5)
    _date(axes, periods)
    return figure


def unread_figure(periods: Sequence[Period]) -> Figure:
    """Draw the share of patients whose image was rejected or failed."""
    figure, axes = panel("Rejected or failed")
    _draw_shares(axes, [one.unread for one in periods])
    axes.set(ylabel="Share of patients", ylim=(0, None))
    _date(axes, periods)
    return figure


def index_figure(periods: Sequence[Period]) -> Figure:
    """Draw each statistic's stability index, window by window, with the bands."""
    figure, axes = panel("Stability index against the bundle's population", _WIDE)
    names = dict.fromkeys(name for one in periods for name in one.shifts)
    for place, name in enumerate(names):
        values = [one.shifts[name].index if name in one.shifts else np.nan for one in periods]
        marker, colour = _MARKERS[place % len(_MARKERS)], PALETTE[place % len(PALETTE)]
        axes.plot(values, marker=marker, color=colour, label=name, markersize=5, lw=1.3)
    for edge, band in ((MODERATE, "moderate"), (LARGE, "large")):
        axes.axhline(edge, ls="--", lw=1, color=GREY)
        axes.text(len(periods) - 0.45, edge, f" {band}", color=GREY, size=8.5, va="bottom")
    axes.set(ylabel="Stability index", ylim=(0, None), xlim=(-0.4, len(periods) + 0.1))
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9)
    _date(axes, periods)
    return figure


def shares_figure(shifts: Mapping[str, Shift]) -> Figure:
    """Draw how the last window's patients spread over bins that hold the reference evenly."""
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
    figure.supylabel("Share of patients", size=10)
    return figure


def agreement_figure(weeks: Sequence[Agreement]) -> Figure:
    """Draw the share of patients with whose reading people agree, week by week."""
    figure, axes = panel("Agreement with readings, by week", _WIDE)
    _draw_shares(axes, [one.agree for one in weeks])
    axes.set(ylabel="Share who agree", ylim=(0, 1.02))
    _date(axes, weeks)
    return figure


def _draw_spreads(
    axes: Axes, spreads: Sequence[Spread | None], name: str, colour: str, marker: str
) -> None:
    middle = [np.nan if one is None else one.median for one in spreads]
    most = [np.nan if one is None else one.most for one in spreads]
    axes.plot(middle, marker=marker, color=colour, label=f"{name}, median", markersize=5)
    axes.plot(most, ls=":", marker=marker, color=colour, label=f"{name}, 95 %", markersize=3)


def _draw_shares(axes: Axes, shares: Sequence[Share]) -> None:
    known = [
        (place, one.estimate.value, one.estimate.interval)
        for place, one in enumerate(shares)
        if one.estimate.value is not None and one.estimate.interval is not None
    ]
    for place, _, interval in known:
        axes.plot((place, place), (interval.low, interval.high), color=GREY, lw=1.2)
    axes.plot([place for place, *_ in known], [value for _, value, _ in known], "o-", color=BLUE)
    axes.set_xlim(-0.5, len(shares) - 0.5)


def _date(axes: Axes, each: Sequence[Period] | Sequence[Agreement]) -> None:
    """Name the places along the axis by the last day, and not more of them than there is room."""
    step = ceil(len(each) / 8)
    places = range((len(each) - 1) % step, len(each), step)
    axes.set_xticks(list(places), [f"{each[place].days.last:%d %b}" for place in places])
    axes.set_xlabel("Until")
