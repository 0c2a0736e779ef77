"""Table of readings: the rows that ``pneumoscope read`` writes, a stable interface."""

import csv
import io
import json
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from pneumoscope.reader.bundle import Bundle
from pneumoscope.reader.reading import Reading
from pneumoscope.support.errors import StorageError


@dataclass(frozen=True, slots=True)
class ReadingRow:
    """Reading of a file at one operating point; names and order of the columns are stable.

    Parameters
    ----------
    file
        Name of the file, as it was passed.
    status
        ``read``, ``flagged``, ``outside``, ``rejected`` or ``failed``.
    reasons
        Reasons in words; empty if read.
    probability
        Calibrated probability of pneumonia; None unless read or flagged.
    finding
        ``pneumonia suspected``, ``no sign of pneumonia``, or ``uncertain`` if the reader abstains;
        None unless read or flagged.
    operating_point, threshold
        Operating point of the finding, and its threshold.
    heatmap
        Path of the picture of the heat map, or None.
    bundle
        Identity of the bundle.
    milliseconds
        Time that the reading took.
    probability_outside
        Output of the network for a radiograph that is outside, which has no meaning for the
        patient; None unless outside.
    assumed_population
        Population that a patient of unknown age was assumed to belong to; None if the age is known,
        no bundle was chosen by it, or the image was not read.
    low_confidence
        Whether the probability lies in the uncertain band; None unless read or flagged.
    likelihood_ratio
        Likelihood ratio of the finding as the bundle states it; None unless read or flagged, or if
        it states none.
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
    probability_outside: float | None = None
    assumed_population: str | None = None
    low_confidence: bool | None = None
    likelihood_ratio: float | None = None

    @classmethod
    def of(
        cls, file: str, reading: Reading, bundle: Bundle, operating_point: str, heatmap: Path | None
    ) -> "ReadingRow":
        """Return the row of a reading."""
        finding = reading.findings.get(operating_point)
        ratio = reading.likelihood_ratios.get(operating_point)
        return cls(
            file,
            str(reading.status),
            reading.reasons,
            _rounded(reading.probability),
            None if finding is None else str(finding),
            operating_point,
            bundle.record.operating_points[operating_point].threshold,
            None if heatmap is None else str(heatmap),
            reading.bundle,
            round(reading.milliseconds, 2),
            _rounded(reading.probability_outside),
            reading.assumed_population,
            None if finding is None else operating_point in reading.low_confidence,
            None if ratio is None else _rounded(ratio.value),
        )

    def to_json(self) -> str:
        """Return the row as a JSON object on one line, in ASCII: file names have any encoding."""
        return json.dumps(asdict(self))

    def to_csv(self, show_probability_outside: bool = False) -> str:
        """Return the row as a line of CSV; reasons are joined by semicolons.

        The cell of ``probability_outside`` is empty unless it is to be shown.
        """
        row = self if show_probability_outside else replace(self, probability_outside=None)
        return format_csv_line([_cell(getattr(row, name)) for name in COLUMNS])


_LINE_END = "\r\n"
COLUMNS = tuple(field.name for field in fields(ReadingRow))


def format_csv_line(cells: list[str]) -> str:
    """Return cells as one line of CSV.

    Examples
    --------
    >>> format_csv_line(["a,b", "c"])
    '"a,b",c'
    """
    text = io.StringIO()
    csv.writer(text, lineterminator=_LINE_END).writerow(cells)  # quotes cells with line ends
    return text.getvalue().removesuffix(_LINE_END)


def resume_table(path: Path, suffix: str, required: Mapping[str, Collection[str]]) -> set[str]:
    """Return the files that a table has rows for, and remove an incomplete last line.

    Parameters
    ----------
    path
        Table that an earlier call wrote.
    suffix
        Format of the table: ``jsonl`` or ``csv``.
    required
        Values that the cells of its rows may have, as those of the new rows, by column.

    Raises
    ------
    StorageError
        If it is not a table of readings, or its rows have other cells.
    """
    try:
        content = path.read_bytes()
        complete = content.rfind(b"\n") + 1
        rows = list(_rows(content[:complete].decode(errors="surrogateescape"), suffix))
        files = {row["file"] for row in rows}
        if missing := {column for row in rows for column in set(COLUMNS) - row.keys()}:
            raise ValueError(f"it has no column {', '.join(sorted(missing))}")
        differences = {
            (name, row[name])
            for row in rows
            for name, values in required.items()
            if row[name] not in values
        }
        if not differences:
            os.truncate(path, complete)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{path}: cannot be continued ({error}); it is not a table of readings of this "
            "version. Choose another --out, or move it away and leave out --resume"
        ) from error
    if differences:
        name, value = min(differences)
        raise StorageError(
            f"{path}: cannot be continued: it has readings with {name} {value}, new ones would "
            f"have {' or '.join(required[name])}. Use the same options as before, or choose "
            "another --out"
        )
    return files


def _rows(text: str, suffix: str) -> Iterator[Mapping[str, str]]:
    if suffix == "jsonl":
        for line in text.split("\n")[:-1]:
            yield json.loads(line)
    else:
        yield from csv.DictReader(io.StringIO(text))


def _rounded(probability: float | None) -> float | None:
    return None if probability is None else round(probability, 6)


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        return "; ".join(value)
    return "" if value is None else str(value)
