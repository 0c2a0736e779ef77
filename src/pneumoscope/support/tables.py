"""Tables with one row per file: CSV as spreadsheets and programs write it, and Parquet."""

import csv
import gzip
import io
import posixpath
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pneumoscope.support.errors import TableError
from pneumoscope.support.files import atomic_write, write_text

_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_PARQUET_MARK = b"PAR1"
_GZIP_MARK = b"\x1f\x8b"
_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of a table.

    Parameters
    ----------
    place
        Place of the row in the file, for error messages: the line on which it ends, or its number.
    cells
        Cells by column, without the blanks around them; empty where nothing is stated.
    """

    place: str
    cells: Mapping[str, str]


def read_table(path: Path, columns: Sequence[str]) -> list[TableRow]:
    r"""Read a CSV or Parquet table that has some columns, and one row per file.

    The content decides whether it is Parquet, and whether it is compressed by gzip. The cells of a
    CSV are separated by commas, semicolons (Excel's in many countries, where a number may have a
    decimal comma) or tabs; blanks around them are left out. Its encoding is UTF-8, UTF-16 with a
    byte order mark, or, if it is neither, Windows-1252. Names of a file that differ only in how its
    path is written are equal: ``a.png``, ``./a.png``, and ``x\..\a.png``.

    Parameters
    ----------
    path
        Table to read.
    columns
        Columns that must exist, the one that names the file first; all others are read as well.

    Raises
    ------
    TableError
        If the table cannot be read, lacks a column, has a row that is longer or shorter than the
        header, or names no file or one twice; the message names the file and the place.

    Examples
    --------
    >>> path = getfixture("tmp_path") / "labels.csv"
    >>> _ = path.write_text("file;label\na.png;NORMAL\n")
    >>> read_table(path, ("file", "label"))
    [TableRow(place='line 2', cells={'file': 'a.png', 'label': 'NORMAL'})]
    """
    rows = read_rows(path, columns)
    try:
        _require_unique_files(rows, columns[0])
    except ValueError as error:
        raise _unusable(path, columns, error) from error
    return rows


def read_rows(path: Path, columns: Sequence[str]) -> list[TableRow]:
    """Read a table as `read_table` does, in which several rows may be of one file.

    Raises
    ------
    TableError
        If the table cannot be read, lacks a column, or has a row that is longer or shorter than the
        header; the message names the file and the place.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TableError(
            f"{path}: cannot be read ({error.strerror}); check the path and its permissions"
        ) from error
    try:
        if content.startswith(_GZIP_MARK):
            content = gzip.decompress(content)
        if content.startswith(_PARQUET_MARK):
            return list(_parquet_rows(content, columns))
        return list(_csv_rows(_decode(content), columns))
    except (ValueError, csv.Error, OSError, EOFError, zlib.error) as error:
        raise _unusable(path, columns, error) from error


def write_table(path: Path, columns: Mapping[str, Sequence[str | float | None]]) -> None:
    """Write columns of equal length as CSV, or as Parquet where the name ends so, atomically.

    Numbers are written such that they are read again exactly; None is an empty cell.

    Raises
    ------
    StorageError
        If the file cannot be written; an existing file stays as it is.

    Examples
    --------
    >>> path = getfixture("tmp_path") / "table.parquet"
    >>> write_table(path, {"file": ["a.png", "b.png"], "probability": [0.25, None]})
    >>> [dict(row.cells) for row in read_table(path, ("file",))]
    [{'file': 'a.png', 'probability': '0.25'}, {'file': 'b.png', 'probability': ''}]
    """
    if path.suffix.lower() == ".parquet":
        with atomic_write(path) as file:
            pq.write_table(pa.table({name: list(cells) for name, cells in columns.items()}), file)
        return
    text = io.StringIO()
    # RFC 4180's line ends: with other ones a carriage return in a file name goes unquoted.
    rows = csv.writer(text, lineterminator="\r\n")
    rows.writerow(columns)
    rows.writerows(zip(*columns.values(), strict=True))
    write_text(path, text.getvalue())


def _unusable(path: Path, columns: Sequence[str], error: Exception) -> TableError:
    return TableError(
        f"{path}: cannot be used as a table: {error}. Pass a CSV or Parquet file with the "
        f"columns {', '.join(columns)} and one row per image; correct it or write it again"
    )


def parse_number(text: str) -> float:
    """Return a number written with a decimal point or comma, or raise `ValueError`.

    Examples
    --------
    >>> parse_number("0.25"), parse_number("0,25")
    (0.25, 0.25)
    """
    return float(text.replace(",", ".", 1) if "." not in text else text)


def _decode(content: bytes) -> str:
    is_utf_16 = content.startswith(_UTF_16_MARKS)
    try:
        return content.decode("utf-16" if is_utf_16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        if not is_utf_16:
            with suppress(UnicodeDecodeError):
                return content.decode("cp1252")
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"line {line} is not UTF-8, UTF-16 or Windows-1252; save it as 'CSV UTF-8'"
        ) from error


def _csv_rows(text: str, columns: Sequence[str]) -> Iterator[TableRow]:
    if not text.strip():
        raise ValueError("it is empty")
    if "\0" in text:
        raise ValueError("it holds null characters, so it is not text; save it as 'CSV UTF-8'")
    # The header decides, since names of columns contain none of the delimiters.
    delimiter = max(_DELIMITERS, key=text.splitlines()[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header = [name.strip() for name in next(reader)]
    _check_header(header, columns)
    for row in reader:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) != len(header):
            raise ValueError(
                f"line {reader.line_num}: the row is incomplete or too long ({len(cells)} cells "
                f"under {len(header)} columns)"
            )
        yield TableRow(f"line {reader.line_num}", dict(zip(header, cells, strict=True)))


def _parquet_rows(content: bytes, columns: Sequence[str]) -> Iterator[TableRow]:
    try:
        table = pq.read_table(pa.BufferReader(content))
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"it cannot be read as Parquet ({error})") from error
    _check_header(table.column_names, columns)
    for number, row in enumerate(table.to_pylist(), start=1):
        cells = {name: "" if cell is None else str(cell).strip() for name, cell in row.items()}
        yield TableRow(f"row {number}", cells)


def _check_header(header: Sequence[str], columns: Sequence[str]) -> None:
    for name in columns:
        if name not in header:
            raise ValueError(f"the column '{name}' is missing (found: {', '.join(header)})")
    if repeated := [name for name in header if name and header.count(name) > 1]:
        raise ValueError(f"the column '{repeated[0]}' appears twice")


def _require_unique_files(rows: Sequence[TableRow], column: str) -> None:
    first_rows: dict[str, TableRow] = {}
    for row in rows:
        file = row.cells[column]
        if not file:
            raise ValueError(f"{row.place}: the row is incomplete: the column '{column}' is empty")
        first = first_rows.setdefault(posixpath.normpath(file.replace("\\", "/")), row)
        if first is not row:
            name = first.cells[column]
            spelling = "" if name == file else f", written {name}"
            raise ValueError(f"{row.place}: {file} is on {first.place} already{spelling}")
