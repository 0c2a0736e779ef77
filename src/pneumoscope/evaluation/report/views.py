"""Tables and figures as pages show them."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from matplotlib.figure import Figure

from pneumoscope.evaluation.report.cells import Cell
from pneumoscope.evaluation.statistics.roc import Curve
from pneumoscope.report.estimate import format_number
from pneumoscope.report.html import figure_png
from pneumoscope.report.jupyter import inline_png

Row: TypeAlias = tuple[str | Cell, ...]

_DPI = 130

_MAX_CURVE_POINTS = 60
"""Most points of a curve in the table of its data; all follow from the table of predictions."""


@dataclass(frozen=True, slots=True)
class TableView:
    """Table with its caption, headings and rows."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[Row, ...]

    @classmethod
    def of_curve(cls, curve: Curve, headings: tuple[str, str]) -> "TableView":
        """Return points evenly along a curve, its ends included; a dash if it is undefined."""
        if not (np.isfinite(curve.x).all() and np.isfinite(curve.y).all()):
            return cls("", headings, (("–", "–"),))
        step = max(1, len(curve.x) // _MAX_CURVE_POINTS)
        points = sorted({*range(0, len(curve.x), step), len(curve.x) - 1})
        rows = zip(curve.x[points].tolist(), curve.y[points].tolist(), strict=True)
        return cls("", headings, tuple((format_number(x), format_number(y)) for x, y in rows))


@dataclass(frozen=True, slots=True)
class FigureView:
    """Figure with its alternative text, its caption and its data."""

    src: str
    alt: str
    caption: str
    headings: tuple[str, ...]
    rows: tuple[Row, ...]

    @classmethod
    def of(cls, figure: Figure, alt: str, caption: str, data: TableView) -> "FigureView":
        """Return the view of a Matplotlib figure."""
        source = inline_png(figure_png(figure, dpi=_DPI))
        return cls(source, alt, caption, data.headings, data.rows)
