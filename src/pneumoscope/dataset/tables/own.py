"""One's own table of labels, whose columns and labels may have any names."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pneumoscope.dataset.manifest import RESERVED
from pneumoscope.dataset.tables.labelled_row import LabelledRow
from pneumoscope.support.tables import read_table


@dataclass(frozen=True, slots=True)
class TableColumns:
    """Names of a table's columns; where one is None, its usual name, if there is such a column.

    The usual names are ``file`` and ``label``, which are needed, ``patient`` and ``split``.
    """

    file: str | None = None
    label: str | None = None
    patient: str | None = None
    split: str | None = None


USUAL_COLUMNS: Final = TableColumns()
"""Columns with their usual names."""


def read_own_table(path: Path, columns: TableColumns = USUAL_COLUMNS) -> Iterator[LabelledRow]:
    r"""Yield the rows of one's own table.

    Columns without a meaning are kept for subgroups; one with a name that the manifest uses for
    something else, such as a second ``label``, is kept as ``label in table``.

    Raises
    ------
    TableError
        If it is no table, or lacks a column that is needed or named.

    Examples
    --------
    >>> table = getfixture("tmp_path") / "labels.csv"
    >>> _ = table.write_text("Bild;Befund;age\na.png;Normal;4\n")
    >>> [row] = read_own_table(table, TableColumns(file="Bild", label="Befund"))
    >>> row.file, row.label, row.extra
    ('a.png', 'Normal', {'age': '4'})
    """
    file, label = columns.file or "file", columns.label or "label"
    patient, split = columns.patient or "patient", columns.split or "split"
    named = [name for name in (columns.patient, columns.split) if name]
    rows = read_table(path, (file, label, *named))
    used = {file, label, patient, split}
    for row in rows:
        yield LabelledRow(
            place=f"{path}, {row.place}",
            file=row.cells[file],
            label=row.cells[label],
            patient=row.cells.get(patient, ""),
            split=row.cells.get(split, ""),
            extra={
                _kept_name(name): cell
                for name, cell in row.cells.items()
                if name and name not in used
            },
        )


def _kept_name(name: str) -> str:
    """Return a further column's name in the manifest, which uses some names itself."""
    return f"{name} in table" if name in RESERVED else name
