"""Automatic choice of the bundle by the patient's age."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from pneumoscope.reader.bundle import Bundle
from pneumoscope.reader.population import Population, format_age, outside
from pneumoscope.reader.quality_gate import QualityFinding
from pneumoscope.reader.reader import PreparedSource, Reader, read_in_batches
from pneumoscope.reader.reading import Reading, Status
from pneumoscope.reader.readings import Readings, read_all
from pneumoscope.reader.source import DecodedSource, Source, decode_source
from pneumoscope.support.errors import BundleError, UnreadableRadiographError
from pneumoscope.support.host import usable_cores


class AutomaticReader:
    """Reader that uses, for each radiograph, the bundle whose population covers the patient's age.

    Where no population covers the age, the first bundle reads, and the reading is outside.

    Parameters
    ----------
    readers
        Readers of the bundles; the first one whose population covers the age reads.
    threads
        Number of threads for many radiographs; by default the number of usable cores.
    unknown_age
        Name of the population whose bundle reads radiographs of patients of unknown age; None if
        they are outside. A bundle for all ages reads them in any case.

    Raises
    ------
    BundleError
        If no bundle is for the population ``unknown_age``.

    Examples
    --------
    >>> from pneumoscope.reader import load
    >>> reader = load("auto")
    >>> [bundle.folder.name for bundle in reader.bundles]
    ['default', 'adults']
    """

    def __init__(
        self,
        readers: Sequence[Reader],
        threads: int | None = None,
        unknown_age: str | None = "children",
    ) -> None:
        self.threads = threads or usable_cores()
        self._readers = {reader.bundle.identity: reader for reader in readers}
        self._first = readers[0]
        self._for_unknown_age = _reader_for_unknown_age(readers, unknown_age)
        self._min_side = max(reader.min_side for reader in readers)

    @property
    def bundles(self) -> tuple[Bundle, ...]:
        """Bundles that may read a radiograph."""
        return tuple(reader.bundle for reader in self._readers.values())

    def bundle_of(self, reading: Reading) -> Bundle:
        """Return the bundle that made a reading."""
        return self._readers[reading.bundle].bundle

    def read(self, source: Source) -> Reading:
        """Read one radiograph; the status is failed if it cannot be decoded.

        Sources are those of `Reader.read`.
        """
        return self._read_batch([source])[0]

    def read_many(self, sources: Iterable[Source]) -> Iterator[Reading]:
        """Read radiographs in order, on all threads; memory does not grow with their number.

        Sources are those of `Reader.read`, and taken as they are needed.
        """
        return read_in_batches(self._read_batch, sources, self.threads)

    def read_all(self, sources: Iterable[Source]) -> Readings:
        """Read radiographs as `read_many` does, and keep their readings: ``to_frame()``."""
        return read_all(self.read_many, sources, self.bundles)

    def _read_batch(self, sources: Sequence[Source]) -> list[Reading]:
        """Decode and prepare each source, and read those of each bundle together."""
        batches: dict[str, list[tuple[int, PreparedSource]]] = {name: [] for name in self._readers}
        assumed: list[str | None] = []
        for row, source in enumerate(sources):
            decoded = decode_source(source, self._min_side)
            reader, refusal = self._choose(decoded)
            batches[reader.bundle.identity].append((row, reader.prepare(decoded, refusal)))
            assumed.append(self._assumed_population(decoded))
        readings: dict[int, Reading] = {}
        for name, batch in batches.items():
            if batch:
                rows, prepared = zip(*batch, strict=True)
                readings |= zip(rows, self._readers[name].read_prepared(prepared), strict=True)
        return [
            replace(
                readings[row],
                assumed_population=None if readings[row].status is Status.REJECTED else population,
            )
            for row, population in enumerate(assumed)
        ]

    def _choose(self, source: DecodedSource) -> tuple[Reader, QualityFinding | None]:
        """Return the reader of a source, and why no bundle may answer for the patient's age."""
        radiograph = source.radiograph
        if isinstance(radiograph, UnreadableRadiographError):
            return self._first, None
        if radiograph.age is None:
            if self._for_unknown_age is not None:
                return self._for_unknown_age, None
            return self._first, outside(
                "age_unknown",
                "the patient's age is unknown; state the age or the birth date, which decides "
                "between the networks",
            )
        for reader in self._readers.values():
            if _population(reader).covers_age(radiograph.age):
                return reader, None
        covered = " and ".join(
            _population(reader).describe_ages() for reader in self._readers.values()
        )
        return self._first, outside(
            "age", f"{format_age(radiograph.age)}; the networks are for {covered}"
        )

    def _assumed_population(self, source: DecodedSource) -> str | None:
        """Return the population that is assumed for a patient of unknown age."""
        reader, radiograph = self._for_unknown_age, source.radiograph
        if (
            reader is None
            or isinstance(radiograph, UnreadableRadiographError)
            or radiograph.age is not None
            or _population(reader).has_all_ages
        ):
            return None
        return _population(reader).name


AnyReader: TypeAlias = Reader | AutomaticReader
"""Reader of one bundle, or of several."""


def _reader_for_unknown_age(readers: Sequence[Reader], name: str | None) -> Reader | None:
    for reader in readers:
        if _population(reader).has_all_ages:
            return reader
    if name is None:
        return None
    for reader in readers:
        if _population(reader).name == name:
            return reader
    names = ", ".join(_population(reader).name for reader in readers)
    raise BundleError(f"no bundle is for the population {name}; choose one of: {names}")


def _population(reader: Reader) -> Population:
    return reader.bundle.record.population
