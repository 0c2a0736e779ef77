"""Figures as reports write them: three decimals, the interval below, a dash for none."""

from dataclasses import dataclass

from pneumoscope.evaluation.statistics.intervals import Estimate, Interval


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure and its interval, in words."""

    value: str
    interval: str = ""


def number(value: float | None) -> str:
    """Return a figure.

    Examples
    --------
    >>> number(0.98765), number(-12.3456), number(None)
    ('0.988', '−12.3', '–')
    """
    if value is None:
        return "–"
    text = f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"
    return text.replace("-", "−")  # a hyphen beside a dash or another number is misread


def span(interval: Interval | None) -> str:
    """Return an interval; nothing of None."""
    return "" if interval is None else f"{number(interval.low)} to {number(interval.high)}"


def cell(estimate: Estimate) -> Cell:
    """Return an estimate as a cell of a table.

    Examples
    --------
    >>> cell(Estimate(0.9, Interval(0.85, 0.94)))
    Cell(value='0.900', interval='0.850 to 0.940')
    """
    return Cell(number(estimate.value), span(estimate.interval))


def percent(share: float) -> str:
    """Return a share in percent.

    Examples
    --------
    >>> percent(0.05), percent(0.125)
    ('5 %', '12.5 %')
    """
    return f"{100 * share:g} %"
