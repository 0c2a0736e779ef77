"""Inspection of a file: what it states, how it was decoded, and whether it may be read."""

import io
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pneumoscope.radiograph import Radiograph, read_radiograph
from pneumoscope.reader.automatic import AnyReader
from pneumoscope.reader.file_description import FileDescription, describe_file
from pneumoscope.reader.population import format_age
from pneumoscope.reader.reading import Reading, Status
from pneumoscope.support.errors import UnreadableRadiographError
from pneumoscope.support.files import write_bytes

_ATTRIBUTES = ("modality", "view", "orientation", "body_part", "laterality", "age")
"""Attributes of a radiograph that are stated by its file."""


@dataclass(frozen=True)
class PopulationCheck:
    """Check of a radiograph's attributes against the population of a bundle.

    Parameters
    ----------
    population
        Name of the population.
    bundle
        Identity of the bundle.
    reasons
        Reasons for which the radiograph is outside; empty if the bundle may read it.
    """

    population: str
    bundle: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Inspection:
    """Inspection of a file.

    Parameters
    ----------
    file
        Name of the file.
    stated
        Description of the file in its own terms.
    radiograph
        Decoded radiograph; None if the file cannot be decoded.
    reading
        Reading of the file.
    populations
        Check against the population of each bundle; empty if the file cannot be decoded.
    """

    file: str
    stated: FileDescription
    radiograph: Radiograph | None
    reading: Reading
    populations: tuple[PopulationCheck, ...]

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield names and values for people; what the file does not state is "not stated"."""
        for name, value in asdict(self.stated).items():
            for part in value if isinstance(value, tuple) else (value,):
                if part is not None:
                    yield name.replace("_", " "), part
        if self.radiograph is not None:
            yield from _decoding_lines(self.radiograph)
        yield "status", str(self.reading.status)
        failed = self.reading.status is Status.FAILED
        for finding in self.reading.quality:
            name = "reason" if failed else str(finding.severity)
            yield name, f"{finding.message} ({finding.code})"
        for check in self.populations:
            reasons = "; ".join(check.reasons)
            yield "population", f"{check.population}: {reasons or 'covers it'} ({check.bundle})"

    def to_json(self) -> str:
        """Return the inspection as a JSON object on one line, in ASCII."""
        radiograph = self.radiograph
        decoding = radiograph and {
            "rendering": radiograph.rendering,
            "notes": [asdict(note) for note in radiograph.notes],
            **{name: getattr(radiograph, name) for name in _ATTRIBUTES},
        }
        content = {
            "file": self.file,
            "stated": asdict(self.stated),
            "decoding": decoding,
            "status": self.reading.status,
            "quality": [asdict(finding) for finding in self.reading.quality],
            "populations": [asdict(check) for check in self.populations],
        }
        return json.dumps(content)


def inspect_file(file: Path, reader: AnyReader, with_patient: bool = False) -> Inspection:
    """Inspect a file.

    Parameters
    ----------
    file
        Path of the file.
    reader
        Reader of the bundles that may read it.
    with_patient
        Whether to state the patient's name and identifier.
    """
    radiograph = None
    with suppress(UnreadableRadiographError):  # the reading has the reason
        radiograph = read_radiograph(file)
    populations = () if radiograph is None else _check_populations(radiograph, reader)
    stated = describe_file(file, with_patient)
    return Inspection(str(file), stated, radiograph, reader.read(file), populations)


def write_picture(file: Path, radiograph: Radiograph) -> None:
    """Write the decoded grey values as a PNG of 8 bits, or raise `StorageError`."""
    picture = io.BytesIO()
    Image.fromarray(np.rint(radiograph.pixels * 255).astype(np.uint8)).save(picture, "PNG")
    write_bytes(file, picture.getvalue())


def _check_populations(radiograph: Radiograph, reader: AnyReader) -> tuple[PopulationCheck, ...]:
    return tuple(
        PopulationCheck(
            bundle.record.population.name,
            bundle.identity,
            tuple(finding.message for finding in bundle.record.population.findings(radiograph)),
        )
        for bundle in reader.bundles
    )


def _decoding_lines(radiograph: Radiograph) -> Iterator[tuple[str, str]]:
    yield "decoded to", f"{radiograph.width} x {radiograph.height}"
    if radiograph.rendering:
        yield "rendering", radiograph.rendering
    for note in radiograph.notes:
        yield "note", f"{note.message} ({note.code})"
    for name in _ATTRIBUTES:
        yield name.replace("_", " "), _describe(getattr(radiograph, name))


def _describe(attribute: str | float | tuple[str, str] | None) -> str:
    match attribute:
        case None:
            return "not stated"
        case tuple():
            return "\\".join(attribute)
        case str():
            return attribute
        case _:
            return format_age(attribute)
