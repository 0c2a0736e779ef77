"""Readings as rows: the stable interface of ``pneumoscope read``."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pneumoscope.errors import StorageError
from pneumoscope.reader.bundle import Bundle
from pneumoscope.reader.reading import Reading


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
        """Return the row as a JSON object on one line."""
        return json.dumps(asdict(self), ensure_ascii=False)

    def to_csv(self) -> str:
        """Return the row as a line of CSV; reasons are joined by semicolons."""
        return csv_line([_cell(getattr(self, name)) for name in COLUMNS])


COLUMNS = tuple(field.name for field in fields(Row))


def csv_line(cells: list[str]) -> str:
    """Return cells as one line of CSV.

    Examples
    --------
    >>> csv_line(["a,b", "c"])
    '"a,b",c'
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


def files_in(path: Path, suffix: str) -> set[str]:
    """Return the files that a table written before has rows of, and cut off a last half line.

    Parameters
    ----------
    path
        The table.
    suffix
        ``jsonl`` or ``csv``.

    Raises
    ------
    StorageError
        If it is not such a table.
    """
    try:
        with path.open("r+b") as file:
            content = file.read()
            whole = content.rfind(b"\n") + 1
            file.truncate(whole)
        return {row["file"] for row in _rows(content[:whole].decode(), suffix)}
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{path}: cannot be continued ({error}); it is no table of readings. Choose another "
            "--out, or leave out --resume after moving it away"
        ) from error


def _rows(text: str, suffix: str) -> Iterator[Mapping[str, str]]:
    if suffix == "jsonl":
        for line in text.splitlines():
            yield json.loads(line)
    else:
        yield from csv.DictReader(io.StringIO(text))


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        return "; ".join(value)
    return "" if value is None else str(value)
