"""What pages show: tables in words, and figures as pictures with their data."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from matplotlib.figure import Figure

from pneumoscope.evaluation.report.cells import Cell
from pneumoscope.evaluation.statistics.roc import Curve
from pneumoscope.report.estimate import format_number
from pneumoscope.report.html import figure_png, inline_png

Row: TypeAlias = tuple[str | Cell, ...]

_DPI = 130

_CURVE_POINTS = 60
"""Of a curve that a table under a figure lists; all follow from the table of predictions."""


@dataclass(frozen=True, slots=True)
class TableView:
    """A table: its caption, headings and rows."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[Row, ...]

    @classmethod
    def of_curve(cls, curve: Curve, headings: tuple[str, str]) -> "TableView":
        """List points of a curve, evenly along it, its ends among them; a dash if there is none."""
        if not (np.isfinite(curve.x).all() and np.isfinite(curve.y).all()):
            return cls("", headings, (("–", "–"),))
        step = max(1, len(curve.x) // _CURVE_POINTS)
        places = sorted({*range(0, len(curve.x), step), len(curve.x) - 1})
        rows = tuple(
            (format_number(float(curve.x[i])), format_number(float(curve.y[i]))) for i in places
        )
        return cls("", headings, rows)


@dataclass(frozen=True, slots=True)
class FigureView:
    """A picture, what it is in a few words, what it says, and its data."""

    src: str
    alt: str
    caption: str
    headings: tuple[str, ...]
    rows: tuple[Row, ...]

    @classmethod
    def of(cls, figure: Figure, alt: str, caption: str, data: TableView) -> "FigureView":
        """Draw a figure."""
        source = inline_png(figure_png(figure, dpi=_DPI))
        return cls(source, alt, caption, data.headings, data.rows)
