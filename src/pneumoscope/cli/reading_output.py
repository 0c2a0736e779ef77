"""Where the rows of ``pneumoscope read`` go, as they come."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rich.text import Text

from pneumoscope.support.errors import StorageError
from pneumoscope.support.files import atomic_write
from pneumoscope.support.terminal import results

if TYPE_CHECKING:
    from pneumoscope.reader.table import Row


class Format(StrEnum):
    """How rows are written."""

    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"


_NAMES = "surrogateescape"
"""How names of files that are not UTF-8 are written: byte for byte."""

_RESUMABLE = (Format.jsonl, Format.csv)

_WORDS = {
    "pneumonia": ("PNEUMONIA SUSPECTED", "bold red"),
    "uncertain": ("UNCERTAIN", "bold yellow"),
    "normal": ("no sign of pneumonia", "green"),
    "rejected": ("NOT READ", "bold magenta"),
    "failed": ("FAILED", "bold red reverse"),
}


@dataclass
class Output:
    """Takes rows, one after another.

    Parameters
    ----------
    form
        How they are written.
    stream
        Where.
    path
        The file, or None for standard output.
    before
        Files that have rows already.
    """

    form: Format
    stream: TextIO
    path: Path | None = None
    before: frozenset[str] = frozenset()
    _rows: int = field(default=0, init=False)

    @property
    def at_terminal(self) -> bool:
        """Whether a person sees the rows as they come."""
        return self.path is None and results.is_terminal

    def begin(self) -> None:
        """Write what comes before the rows."""
        from pneumoscope.reader.table import COLUMNS, csv_line

        if self.form is Format.csv:
            self._line(csv_line(list(COLUMNS)))
        elif self.form is Format.json:
            self.stream.write("[")

    def write(self, row: "Row") -> None:
        """Write one row, at once."""
        match self.form:
            case Format.table:
                self._show(_table_line(row))
            case Format.csv:
                self._line(row.to_csv())
            case Format.jsonl:
                self._line(row.to_json())
            case Format.json:
                self.stream.write((",\n " if self._rows else "\n ") + row.to_json())
        self._rows += 1

    def end(self) -> None:
        """Write what comes after the rows."""
        if self.form is Format.json:
            self._line("\n]" if self._rows else "]")

    def _line(self, text: str) -> None:
        self.stream.write(text + "\n")
        self.stream.flush()

    def _show(self, text: Text) -> None:
        if self.path is None:
            results.print(text, soft_wrap=True)
        else:
            self._line(text.plain)


@contextmanager
def open_output(
    form: Format, path: Path | None, resume: bool, like: Mapping[str, str]
) -> Iterator[Output]:
    """Open standard output or a file for rows; ``like`` is what all have in common, by column.

    Lines of JSON and CSV are on the disk as soon as they are written; a JSON array or a table
    takes its name when it is whole.

    Raises
    ------
    StorageError
        If the file is there already, or cannot be written or continued.
    """
    before = _before(form, path, resume, like)
    if path is None:
        output = Output(form, sys.stdout)
        output.begin()
        yield output
        output.end()
    elif form in _RESUMABLE:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8", errors=_NAMES, newline="") as stream:
                output = Output(form, stream, path, before)
                if stream.tell() == 0:
                    output.begin()
                yield output
        except OSError as error:
            raise StorageError(
                f"{path}: cannot be written ({error.strerror}); the rows before are kept. Free "
                "some space or choose another --out, and pass --resume"
            ) from error
    else:
        with atomic_write(path) as file:
            stream = TextIOWrapper(file, "utf-8", errors=_NAMES)
            output = Output(form, stream, path)
            output.begin()
            yield output
            output.end()
            stream.detach()  # it flushes, and leaves closing to the one who opened


def _before(
    form: Format, path: Path | None, resume: bool, like: Mapping[str, str]
) -> frozenset[str]:
    from pneumoscope.reader.table import files_in

    if resume and (path is None or form not in _RESUMABLE):
        raise StorageError("--resume needs --out, and --format jsonl or csv; pass both")
    if path is None or not path.exists():
        return frozenset()
    if not resume:
        raise StorageError(
            f"{path}: there is a file already; choose another --out, or pass --resume to go on "
            "with it (jsonl and csv)"
        )
    return frozenset(files_in(path, str(form), like))


def _table_line(row: "Row") -> Text:
    from pneumoscope.reader.reading import percent

    words, style = _WORDS[row.finding or row.status]
    line = Text(f"{words:<21}", style=style)
    shown = "-" if row.probability is None else percent(row.probability)
    line.append(f"{shown:>7}", "bold")
    line.append(f"  {_printable(row.file)}", "default")
    if row.status == "flagged":
        line.append("  flagged:", "bold yellow")
    if row.reasons:
        reasons = _printable("; ".join(row.reasons))
        line.append(f"  {reasons}", "default" if row.finding else "dim")
    return line


def _printable(text: str) -> str:
    """Return text that stays on its line and moves no cursor."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
