"""Writers for the rows of ``pneumoscope read``: table, JSON, JSON lines and CSV."""

import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rich.text import Text

from pneumoscope.support.errors import StorageError
from pneumoscope.support.files import atomic_write
from pneumoscope.support.terminal import printable, results

if TYPE_CHECKING:
    from pneumoscope.reader.table import ReadingRow


class Format(StrEnum):
    """Format of rows."""

    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"


_FILE_NAME_ERRORS = "surrogateescape"
"""Encoding error handler that writes file names that are not UTF-8 byte for byte."""

_RESUMABLE_FORMATS = (Format.jsonl, Format.csv)

_LABELS = {
    "pneumonia suspected": ("PNEUMONIA SUSPECTED", "bold red"),
    "no sign of pneumonia": ("no sign of pneumonia", "default"),
    "uncertain": ("UNCERTAIN", "bold yellow"),
    "outside": ("NOT READ", "bold magenta"),
    "rejected": ("NOT READ", "bold magenta"),
    "failed": ("FAILED", "bold red reverse"),
}
"""Text and style of a finding, or of a status without one."""


@dataclass
class RowWriter:
    """Writer of rows, one after another."""

    form: Format
    stream: TextIO
    path: Path | None = None
    """File behind the stream, or None for standard output."""
    files_before: frozenset[str] = frozenset()
    """Files whose rows an earlier call wrote."""
    show_probability_outside: bool = False
    """Whether a table or CSV states the network's output for a radiograph that is outside."""
    _count: int = field(default=0, init=False)

    @property
    def is_at_terminal(self) -> bool:
        """Whether a person sees the rows as they are written."""
        return self.path is None and results.is_terminal

    def begin(self) -> None:
        """Write the heading, if the format has one."""
        from pneumoscope.reader.table import COLUMNS, format_csv_line

        if self.form is Format.csv:
            self._write_line(format_csv_line(list(COLUMNS)))
        elif self.form is Format.json:
            self.stream.write("[")

    def write(self, row: "ReadingRow") -> None:
        """Write one row, at once."""
        match self.form:
            case Format.table:
                line = _table_line(row, self.show_probability_outside)
                if self.path is None:
                    results.print(line, soft_wrap=True)
                else:
                    self._write_line(line.plain)
            case Format.csv:
                self._write_line(row.to_csv(self.show_probability_outside))
            case Format.jsonl:
                self._write_line(row.to_json())
            case Format.json:
                self.stream.write((",\n " if self._count else "\n ") + row.to_json())
        self._count += 1

    def end(self) -> None:
        """Write the end, if the format has one."""
        if self.form is Format.json:
            self._write_line("\n]" if self._count else "]")

    def _write_line(self, text: str) -> None:
        self.stream.write(text + "\n")
        self.stream.flush()


@contextmanager
def open_row_writer(
    form: Format,
    path: Path | None,
    resume: bool,
    common: Mapping[str, Collection[str]],
    show_probability_outside: bool = False,
) -> Iterator[RowWriter]:
    """Open a writer of rows to standard output or to a file.

    JSON lines and CSV are on the disk as soon as they are written; a JSON array or a table appears
    under its name once it is complete.

    Parameters
    ----------
    form
        Format of the rows.
    path
        File to write, or None for standard output.
    resume
        Whether to continue the file that an earlier call wrote.
    common
        Values that the new rows may have, by column; rows of an earlier call must have one of them.
    show_probability_outside
        Whether a table or CSV states the network's output for a radiograph that is outside.

    Raises
    ------
    StorageError
        If the file exists and is not continued, or cannot be written or continued.
    """
    files_before = _files_before(form, path, resume, common)
    if path is None:
        writer = RowWriter(form, sys.stdout, None, frozenset(), show_probability_outside)
        writer.begin()
        yield writer
        writer.end()
    elif form in _RESUMABLE_FORMATS:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8", errors=_FILE_NAME_ERRORS, newline="") as stream:
                writer = RowWriter(form, stream, path, files_before, show_probability_outside)
                if stream.tell() == 0:
                    writer.begin()
                yield writer
        except OSError as error:
            raise StorageError(
                f"{path}: cannot be written ({error.strerror}); the rows written so far are kept. "
                "Free some space or choose another --out, and pass --resume"
            ) from error
    else:
        with atomic_write(path) as file:
            stream = TextIOWrapper(file, "utf-8", errors=_FILE_NAME_ERRORS)
            writer = RowWriter(form, stream, path, frozenset(), show_probability_outside)
            writer.begin()
            yield writer
            writer.end()
            stream.detach()  # flushes, and leaves closing to `atomic_write`


def _files_before(
    form: Format, path: Path | None, resume: bool, common: Mapping[str, Collection[str]]
) -> frozenset[str]:
    from pneumoscope.reader.table import resume_table

    if resume and (path is None or form not in _RESUMABLE_FORMATS):
        raise StorageError("--resume needs --out FILE and --format jsonl or csv; pass both")
    if path is None or not path.exists():
        return frozenset()
    if not resume:
        raise StorageError(
            f"{path}: the file exists; choose another --out, or pass --resume to continue it "
            "(--format jsonl or csv)"
        )
    return frozenset(resume_table(path, str(form), common))


def _table_line(row: "ReadingRow", show_probability_outside: bool) -> Text:
    from pneumoscope.reader.reading import format_probability

    label, style = _LABELS[row.finding or row.status]
    line = Text(f"{label:<21}", style=style)
    probability = "-" if row.probability is None else format_probability(row.probability)
    line.append(f"{probability:>7}", "bold")
    line.append(f"  {printable(row.file)}", "default")
    if row.low_confidence and row.finding != "uncertain":
        line.append("  low confidence", "bold yellow")
    if row.status == "flagged":
        line.append("  flagged:", "bold yellow")
    if row.reasons:
        reasons = printable("; ".join(row.reasons))
        line.append(f"  {reasons}", "default" if row.finding else "dim")
    if show_probability_outside and row.probability_outside is not None:
        output = format_probability(row.probability_outside)
        line.append(f"  (output of the network, not for this patient: {output})", "dim")
    return line
