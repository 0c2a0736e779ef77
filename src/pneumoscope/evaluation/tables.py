"""Tables of people: CSV as programs and spreadsheets write it, read strictly but not narrowly."""

import csv
import io
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pneumoscope.support.errors import PredictionsError

_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: the line of the file on which it ends, and its cells by column, without blanks."""

    line: int
    cells: Mapping[str, str]


def read_table(path: Path, columns: Sequence[str]) -> list[TableRow]:
    r"""Read a CSV with at least ``columns``, and one row for each file.

    Cells are separated by commas, semicolons (Excel's in many countries, where a number may have a
    decimal comma) or tabs; blanks around them are left out. The text is UTF-8, or UTF-16 with its
    mark. Names that differ only in how the way to the file is written are of one file: ``a.png``,
    ``./a.png``, and ``x\..\a.png``.

    Parameters
    ----------
    path
        The table.
    columns
        That must be there, the one that names the file first; others are kept as well.

    Raises
    ------
    PredictionsError
        If it cannot be read, lacks a column, has a row that is longer or shorter than the header,
        names no file or one twice; the message names the file and the line.

    Examples
    --------
    >>> path = getfixture("tmp_path") / "labels.csv"
    >>> _ = path.write_text("file;label\na.png;NORMAL\n")
    >>> read_table(path, ("file", "label"))
    [TableRow(line=2, cells={'file': 'a.png', 'label': 'NORMAL'})]
    """
    try:
        rows = list(_rows(_text(path), columns))
        _refuse_repeated(rows, columns[0])
    except (OSError, UnicodeError, csv.Error, PredictionsError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise PredictionsError(
            f"{path}: not a table that can be evaluated: {said}. It should be a CSV in UTF-8 with "
            f"the columns {', '.join(columns)}, and one row for each image; correct it or have it "
            "written again"
        ) from error
    return rows


def number(text: str) -> float:
    """Return a number written with a decimal point or comma.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> number("0.25"), number("0,25")
    (0.25, 0.25)
    """
    return float(text.replace(",", ".", 1) if "." not in text else text)


def _text(path: Path) -> str:
    content = path.read_bytes()
    encoding = _BYTE_ORDER_MARKS.get(content[:2], "utf-8-sig")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PredictionsError(
            f"line {line} is not {encoding.removesuffix('-sig').upper()}, so its letters are not "
            "known; save it as 'CSV UTF-8'"
        ) from error


def _rows(text: str, columns: Sequence[str]) -> Iterator[TableRow]:
    if not text.strip():
        raise PredictionsError("it is empty")
    # The header's separator: a name of a column has none of the others.
    delimiter = max(_DELIMITERS, key=text.splitlines()[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header = [name.strip() for name in next(reader)]
    for name in columns:
        if name not in header:
            raise PredictionsError(f"the column {name!r} is missing")
    if twice := [name for name in header if header.count(name) > 1]:
        raise PredictionsError(f"the column {twice[0]!r} is there twice")
    for row in reader:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) != len(header):
            raise PredictionsError(
                f"line {reader.line_num}: the row is incomplete or too long ({len(cells)} cells "
                f"under {len(header)} columns)"
            )
        yield TableRow(reader.line_num, dict(zip(header, cells, strict=True)))


def _refuse_repeated(rows: Sequence[TableRow], column: str) -> None:
    seen: dict[str, TableRow] = {}
    for row in rows:
        file = row.cells[column]
        if not file:
            raise PredictionsError(f"line {row.line}: the row is incomplete: no {column} is named")
        first = seen.setdefault(posixpath.normpath(file.replace("\\", "/")), row)
        if first is not row:
            name = first.cells[column]
            written = "" if name == file else f", written {name}"
            raise PredictionsError(
                f"line {row.line}: {file} is on line {first.line} already{written}"
            )
