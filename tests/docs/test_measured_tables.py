"""Tables of measured values in the documentation agree with the benchmarks' results files.

A comment before a table names the file to which it is held, ``<!-- results: PATH -->``, or, where
no results file was kept, where the values come from: ``<!-- source: ... -->``.
"""

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
NUMBER = re.compile(r"(?<![\w.-])-?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?")


@dataclass(frozen=True)
class Table:
    """A table of a page, with the comment before it."""

    page: str
    line: int
    kind: str | None
    source: str
    rows: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class ResultsTable:
    """A table of a results file: of each row its texts, and the numbers of each cell."""

    texts: tuple[frozenset[str], ...]
    numbers: tuple[tuple[tuple[float, ...], ...], ...]


def read_tables(page: Path) -> Iterator[Table]:
    lines = [*page.read_text().splitlines(), ""]
    start = None
    for number, line in enumerate(lines):
        if line.startswith("|"):
            start = number if start is None else start
        elif start is not None:
            before = next((text for text in reversed(lines[:start]) if text.strip()), "")
            marker = re.fullmatch(r"<!-- (results|source): (.+) -->", before)
            kind, source = marker.groups() if marker else (None, "")
            header, _, *rows = [cells_of(text) for text in lines[start:number]]
            columns = [i for i, name in enumerate(header) if name.casefold() != "goal"]
            shown = tuple(tuple(row[i] for i in columns) for row in rows)
            yield Table(str(page.relative_to(CHECKOUT)), start + 1, kind, source, shown)
            start = None


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def plain(text: str) -> str:
    return text.replace("**", "").replace("−", "-").replace("–", " to ").replace(",", "")


@cache
def numbers_in(text: str) -> tuple[str, ...]:
    return tuple(NUMBER.findall(plain(text)))


def read_results(path: Path) -> list[ResultsTable]:
    """Return the tables of a results file: JSON of `benchmarks.report`, CSV or Markdown."""
    if path.suffix == ".json":
        tables = [table["rows"] for table in json.loads(path.read_text())["tables"]]
        return [results_table([list(row.values()) for row in rows]) for rows in tables]
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return [results_table(list(csv.reader(file))[1:])]
    return [results_table(table.rows) for table in read_tables(path)]


def results_table(rows: Sequence[Sequence[Any]]) -> ResultsTable:
    texts = tuple(frozenset(cell for cell in row if isinstance(cell, str)) for row in rows)
    return ResultsTable(texts, tuple(tuple(map(measured_numbers, row)) for row in rows))


def measured_numbers(cell: Any) -> tuple[float, ...]:
    if isinstance(cell, dict):  # a spread over seeds
        return tuple(cell.values())
    if isinstance(cell, str):
        return tuple(float(number) for number in numbers_in(cell))
    return () if cell is None else (cell,)


@cache
def agrees(written: str, measured: float) -> bool:
    """Tell whether a number is a measured one, rounded to the digits that are written."""
    mantissa, _, exponent = written.partition("e")
    decimals = len(mantissa.partition(".")[2])
    return abs(float(written) - measured) <= 0.5001 * 10.0 ** (int(exponent or 0) - decimals)


def cell_agrees(cell: str, measured: Sequence[float]) -> bool:
    """Tell whether a cell's numbers are those with which the measured cell begins."""
    numbers = numbers_in(cell)
    return len(numbers) <= len(measured) and all(map(agrees, numbers, measured))


def table_agrees(rows: Sequence[Sequence[str]], results: ResultsTable) -> bool:
    """Tell whether each row shows numbers of one row of the results, in the same columns and order.

    A row whose first cell names a row of the results, in `backticks`, shows a row of that name.
    """
    names = frozenset().union(*results.texts)
    candidates = []
    for row in rows:
        name = (re.match(r"`([^`]+)`", row[0].strip("*")) or ("", ""))[1]
        of_name = [i for i, texts in enumerate(results.texts) if name in texts]
        candidates.append(of_name if name in names else list(range(len(results.texts))))
    columns = [j for j in range(len(rows[0])) if any(numbers_in(row[j]) for row in rows)]
    return match_columns(rows, columns, results, candidates, 0)


def match_columns(
    rows: Sequence[Sequence[str]],
    columns: Sequence[int],
    results: ResultsTable,
    candidates: Sequence[Sequence[int]],
    first: int,
) -> bool:
    """Match the columns with results columns from ``first`` on, such that all rows are found."""
    following = -1
    for possible in candidates:  # rows stand in the same order on both sides
        following = next((row for row in possible if row > following), len(results.texts))
    if following == len(results.texts):
        return False
    if not columns:
        return True
    return any(
        match_columns(
            rows,
            columns[1:],
            results,
            [
                [i for i in possible if cell_agrees(row[columns[0]], results.numbers[i][k])]
                for row, possible in zip(rows, candidates, strict=True)
            ],
            k + 1,
        )
        for k in range(first, len(results.numbers[0]))
    )


TABLES = [table for page in PAGES for table in read_tables(page)]
HELD = [table for table in TABLES if table.kind == "results"]


@pytest.mark.parametrize("table", HELD, ids=str)
def test_table_agrees_with_its_results_file(table: Table) -> None:
    tables = read_results(CHECKOUT / table.source)
    assert any(table_agrees(table.rows, results) for results in tables)


@pytest.mark.parametrize("table", HELD, ids=str)
def test_a_changed_number_is_noticed(table: Table) -> None:
    tables = read_results(CHECKOUT / table.source)
    for i, row in enumerate(table.rows):
        for j, cell in enumerate(map(plain, row)):
            for match in NUMBER.finditer(cell):
                digit = match.end() - 1
                changed = f"{cell[:digit]}{(int(cell[digit]) + 5) % 10}{cell[digit + 1 :]}"
                rows = list(table.rows)
                rows[i] = (*row[:j], changed, *row[j + 1 :])
                assert not any(table_agrees(rows, results) for results in tables), changed


def test_there_are_tables_held_to_results() -> None:
    assert len(HELD) >= 20


@pytest.mark.parametrize("table", [table for table in TABLES if table.kind is None], ids=str)
def test_measured_values_name_their_source(table: Table) -> None:
    cells = [cell for row in table.rows for cell in row[1:] if cell]
    measured = [cell for cell in cells if re.search(r"\d\.\d|\d of \d", cell)]
    assert len(measured) < max(3, len(cells) / 3)
