"""What pages show: tables in words, and figures as pictures with their data."""

from dataclasses import dataclass
from typing import TypeAlias

from matplotlib.figure import Figure

from pneumoscope.evaluation.cells import Cell
from pneumoscope.page import figure_png, inline_png

Row: TypeAlias = tuple[str | Cell, ...]

_DPI = 130


@dataclass(frozen=True, slots=True)
class TableView:
    """A table: its caption, headings and rows."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[Row, ...]


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
