"""Cells of the tables in reports."""

from dataclasses import dataclass

from pneumoscope.report.estimate import Estimate, format_number


@dataclass(frozen=True, slots=True)
class Cell:
    """Cell of a table: a text, and below it a smaller one such as an interval."""

    text: str
    detail: str = ""


def cell(estimate: Estimate, spec: str = "") -> Cell:
    """Return an estimate as a cell of a table, its numbers by a format specification.

    Examples
    --------
    >>> cell(Estimate(0.9, 0.85, 0.94))
    Cell(text='0.900', detail='0.850 to 0.940')
    """
    return Cell(format_number(estimate.value, spec), estimate.interval_text(spec))


def percent(share: float) -> str:
    """Return a share in percent.

    Examples
    --------
    >>> percent(0.05), percent(0.125)
    ('5 %', '12.5 %')
    """
    return f"{100 * share:g} %"


def format_p(p_value: float | None) -> str:
    """Return a p-value for a table; a dash where there is none.

    Examples
    --------
    >>> format_p(0.0004), format_p(0.25), format_p(None)
    ('< 0.001', '0.250', '–')
    """
    if p_value is None:
        return "–"
    return "< 0.001" if p_value < 0.001 else format_number(p_value)
