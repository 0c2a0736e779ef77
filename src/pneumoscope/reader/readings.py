"""Readings of several radiographs, kept in memory with the names of their sources."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, overload

import numpy as np

from pneumoscope.reader.bundle import Bundle
from pneumoscope.reader.reading import Reading
from pneumoscope.reader.source import Source
from pneumoscope.reader.table import COLUMNS, ReadingRow
from pneumoscope.support.data_frame import make_data_frame
from pneumoscope.support.errors import BundleError

if TYPE_CHECKING:
    from pandas import DataFrame

_NUMBERS = ("probability", "threshold", "milliseconds", "probability_outside", "likelihood_ratio")
"""Columns of numbers, which stay so where no cell has one."""


@dataclass(frozen=True, eq=False, repr=False)
class Readings(Sequence[Reading]):
    """Readings of several radiographs, in the order of their sources.

    Parameters
    ----------
    files
        Path of each source; the kind and the number of one that has none, such as ``ndarray 3``.
    readings
        Reading of each source.
    bundles
        Bundles that may have read them.

    Examples
    --------
    >>> from pneumoscope.reader import load
    >>> readings = load().read_all([np.full((300, 300), 90, np.uint8), "missing.png"])
    >>> readings
    Readings(1 rejected, 1 failed)
    >>> readings.to_frame()[["file", "status", "probability"]]
              file    status  probability
    0    ndarray 0  rejected          NaN
    1  missing.png    failed          NaN
    """

    files: tuple[str, ...]
    readings: tuple[Reading, ...]
    bundles: tuple[Bundle, ...]

    def __len__(self) -> int:
        return len(self.readings)

    @overload
    def __getitem__(self, row: int) -> Reading: ...

    @overload
    def __getitem__(self, row: slice) -> "Readings": ...

    def __getitem__(self, row: int | slice) -> "Reading | Readings":
        if isinstance(row, slice):
            return replace(self, files=self.files[row], readings=self.readings[row])
        return self.readings[row]

    def __repr__(self) -> str:
        counts = Counter(reading.status.value for reading in self.readings)
        return f"Readings({', '.join(f'{n} {status}' for status, n in counts.items())})"

    def to_frame(self, at: str = "screening") -> "DataFrame":
        """Return the readings as a data frame, with the columns of ``pneumoscope read``.

        Cells are empty where there is no answer. ``heatmap`` and ``probability_outside`` always
        are, as in a CSV without pictures.

        Parameters
        ----------
        at
            Operating point of the findings.

        Raises
        ------
        BundleError
            If a bundle has no such operating point.
        MissingPackageError
            If pandas is not installed.
        """
        bundles = {bundle.identity: bundle for bundle in self.bundles}
        for bundle in self.bundles:
            if at not in (known := bundle.record.operating_points):
                raise BundleError(
                    f"{bundle.identity}: has no operating point {at!r}; choose {', '.join(known)}"
                )
        rows = [
            ReadingRow.of(file, reading, bundles[reading.bundle], at, None)
            for file, reading in zip(self.files, self.readings, strict=True)
        ]
        columns: dict[str, Sequence[object]] = {
            name: [getattr(row, name) for row in rows] for name in COLUMNS
        }
        columns["reasons"] = ["; ".join(row.reasons) or None for row in rows]
        columns["probability_outside"] = [None] * len(rows)
        numbers = {name: np.array(columns[name], np.float64) for name in _NUMBERS}
        return make_data_frame({**columns, **numbers})


def read_all(
    read_many: Callable[[Iterable[Source]], Iterator[Reading]],
    sources: Iterable[Source],
    bundles: tuple[Bundle, ...],
) -> Readings:
    """Read sources with a reader's `read_many`, and keep all readings and the sources' names."""
    files: list[str] = []

    def named() -> Iterator[Source]:
        for row, source in enumerate(sources):
            files.append(_name(source, row))
            yield source

    readings = tuple(read_many(named()))
    return Readings(tuple(files), readings, bundles)


def _name(source: Source, row: int) -> str:
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    return f"{type(source).__name__} {row}"
