"""Tables and figures as pages show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from matplotlib.figure import Figure

from pneumoscope.evaluation.report.cells import Cell
from pneumoscope.evaluation.statistics.roc import Curve
from pneumoscope.report.estimate import format_number
from pneumoscope.report.gallery import MAX_GALLERY_BYTES
from pneumoscope.report.html import figure_png
from pneumoscope.report.jupyter import inline_png
from pneumoscope.report.sections import SECTIONS, Section

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


@dataclass(frozen=True, slots=True)
class ErrorsView:
    """Misclassified radiographs of one kind, the worst first.

    ``images`` have a thumbnail, ``others`` are beyond the size limit of the gallery; ``shown`` says
    how many of all, ``count``, are which. ``none`` is what the page says where there are none.
    """

    section: Section
    meaning: str
    none: str
    count: int
    images: tuple[object, ...]
    others: TableView | None
    shown: str

    @classmethod
    def of(
        cls,
        kind: Literal["false_negatives", "false_positives"],
        name: str,
        images: Sequence[object],
        others: Sequence[tuple[str, float]],
        more: str = "",
    ) -> "ErrorsView":
        """Return the view of a model's errors; ``others`` are files and their probabilities.

        ``more`` says what is shown of the images besides their probabilities.
        """
        count, section = len(images) + len(others), SECTIONS[kind]
        meaning, none = _ERRORS[kind]
        shown = f"All {count:,} are shown" if not others else f"{len(images):,} of them are shown"
        limit = (
            f"; thumbnails of one kind have at most {MAX_GALLERY_BYTES / 1e6:g} MB together, and "
            "the other files are in the table below"
        )
        rows = tuple((file, format_number(probability)) for file, probability in others)
        return cls(
            section,
            meaning.format(name=name),
            none.format(name=name),
            count,
            tuple(images),
            TableView(f"{section.term} without a thumbnail", ("File", "Probability"), rows)
            if rows
            else None,
            f"{shown}, the worst first, each with its predicted probability of pneumonia{more}"
            f"{limit if others else ''}.",
        )


_ERRORS = {
    "false_negatives": (
        "Radiographs with pneumonia that {name} called NORMAL.",
        "None: {name} called every radiograph with pneumonia PNEUMONIA.",
    ),
    "false_positives": (
        "Radiographs without pneumonia that {name} called PNEUMONIA.",
        "None: {name} called every radiograph without pneumonia NORMAL.",
    ),
}
"""Captions of the error galleries: where there are errors of the kind, and where there are none."""
