"""Readings as rows: the stable interface of ``pneumoscope read``."""

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pneumoscope.reader.bundle import Bundle
from pneumoscope.reader.reading import Reading
from pneumoscope.support.errors import StorageError


@dataclass(frozen=True, slots=True)
class Row:
    """One file's reading at one operating point; these names and their order are kept stable.

    Parameters
    ----------
    file
        As it was named.
    status
        ``read``, ``flagged``, ``rejected`` or ``failed``.
    reasons
        In words; empty if read.
    probability
        Of pneumonia; None unless read or flagged.
    finding
        ``pneumonia``, ``uncertain`` or ``normal``; None unless read or flagged.
    operating_point, threshold
        At which the finding was made.
    heatmap
        Path of the picture, or None.
    bundle
        Identity of the bundle.
    milliseconds
        That the reading took.
    """

    file: str
    status: str
    reasons: tuple[str, ...]
    probability: float | None
    finding: str | None
    operating_point: str
    threshold: float
    heatmap: str | None
    bundle: str
    milliseconds: float

    @classmethod
    def of(
        cls, file: str, reading: Reading, bundle: Bundle, operating_point: str, heatmap: Path | None
    ) -> "Row":
        """Make the row of a reading."""
        finding = reading.findings.get(operating_point)
        return cls(
            file,
            str(reading.status),
            reading.reasons,
            None if reading.probability is None else round(reading.probability, 6),
            None if finding is None else str(finding),
            operating_point,
            bundle.record.operating_points[operating_point].threshold,
            None if heatmap is None else str(heatmap),
            reading.bundle,
            round(reading.milliseconds, 2),
        )

    def to_json(self) -> str:
        """Return the row as a JSON object on one line, in ASCII: a name may be in any encoding."""
        return json.dumps(asdict(self))

    def to_csv(self) -> str:
        """Return the row as a line of CSV; reasons are joined by semicolons."""
        return csv_line([_cell(getattr(self, name)) for name in COLUMNS])


_LINE_END = "\r\n"
COLUMNS = tuple(field.name for field in fields(Row))


def csv_line(cells: list[str]) -> str:
    """Return cells as one line of CSV.

    Examples
    --------
    >>> csv_line(["a,b", "c"])
    '"a,b",c'
    """
    text = io.StringIO()
    csv.writer(text, lineterminator=_LINE_END).writerow(cells)  # cells with one are quoted
    return text.getvalue().removesuffix(_LINE_END)


def files_in(path: Path, suffix: str, like: Mapping[str, str]) -> set[str]:
    """Return the files that a table written before has rows of, and cut off a last half line.

    Parameters
    ----------
    path
        The table.
    suffix
        ``jsonl`` or ``csv``.
    like
        What its rows must have in common with those to come, by column.

    Raises
    ------
    StorageError
        If it is not such a table, or of other readings.
    """
    try:
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        rows = list(_rows(content[:whole].decode(errors="surrogateescape"), suffix))
        files = {row["file"] for row in rows}
        others = {(name, row[name]) for row in rows for name in like if row[name] != like[name]}
        if not others:
            os.truncate(path, whole)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{path}: cannot be continued ({error}); it is no table of readings. Choose another "
            "--out, or leave out --resume after moving it away"
        ) from error
    if others:
        name, value = min(others)
        raise StorageError(
            f"{path}: cannot be continued: it has readings of {name} {value}, those to come are of "
            f"{like[name]}. Read as before, or choose another --out"
        )
    return files


def _rows(text: str, suffix: str) -> Iterator[Mapping[str, str]]:
    if suffix == "jsonl":
        for line in text.split("\n")[:-1]:
            yield json.loads(line)
    else:
        yield from csv.DictReader(io.StringIO(text))


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        return "; ".join(value)
    return "" if value is None else str(value)
