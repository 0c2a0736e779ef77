"""Views of objects in Jupyter notebooks: self-contained, escaped HTML without a template engine."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import Protocol


class DetailedCell(Protocol):
    """Cell of a table with a smaller text below it, as `evaluation.report.cells.Cell`."""

    @property
    def text(self) -> str:
        """Text of the cell."""

    @property
    def detail(self) -> str:
        """Text below it."""


def view(title: str, *parts: str) -> str:
    """Return the parts, which are HTML already, below a title.

    Examples
    --------
    >>> view("a < b", paragraph("c"))
    '<div><p><strong>a &lt; b</strong></p><p>c</p></div>'
    """
    return f"<div><p><strong>{escape(title)}</strong></p>{''.join(parts)}</div>"


def paragraph(text: str) -> str:
    """Return a text as a paragraph."""
    return f"<p>{escape(text)}</p>"


def warning(text: str) -> str:
    """Return a warning, which colour alone does not tell from other text."""
    return (
        '<p style="border-left: 4px solid #b36b00; padding-left: .6em"><strong>Warning.</strong> '
        f"{escape(text)}</p>"
    )


def data_table(
    caption: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[str | DetailedCell]],
    chosen: str | None = None,
) -> str:
    """Return a table; the first cell of a row is its heading, and that of ``chosen`` says so.

    Examples
    --------
    >>> "a&amp;b</th>" in data_table("Images", ["Split", "NORMAL"], [["a&b", "3"]])
    True
    """
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    body = "".join(_row(first, cells, first == chosen) for first, *cells in rows)
    return (
        f'<table><caption style="caption-side: top; text-align: left">{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _row(first: str | DetailedCell, cells: Sequence[str | DetailedCell], is_chosen: bool) -> str:
    mark = " (chosen)" if is_chosen else ""
    values = "".join(f'<td style="text-align: right">{_cell(value)}</td>' for value in cells)
    return f'<tr><th scope="row" style="text-align: left">{_cell(first)}{mark}</th>{values}</tr>'


def _cell(value: str | DetailedCell) -> str:
    if isinstance(value, str):
        return escape(value)
    return f"{escape(value.text)}<br><small>{escape(value.detail)}</small>"


def picture(png: bytes, description: str) -> str:
    """Return a PNG with its description below it."""
    return (
        '<figure style="display: inline-block; margin: 0 1em 0 0; vertical-align: top">'
        f'<img src="{inline_png(png)}" alt="{escape(description)}">'
        f"<figcaption><small>{escape(description)}</small></figcaption></figure>"
    )


def inline_png(png: bytes) -> str:
    """Return PNG bytes as the ``src`` of an ``img`` element.

    Examples
    --------
    >>> inline_png(b"picture")
    'data:image/png;base64,cGljdHVyZQ=='
    """
    return "data:image/png;base64," + base64.b64encode(png).decode()
