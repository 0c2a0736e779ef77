"""Reference population of a bundle: statistics of its validation patients."""

import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from pneumoscope.dataset import Entry, Manifest, Split
from pneumoscope.evaluation.predictions import Floats
from pneumoscope.reader import Bundle, Reader, Reading, Status
from pneumoscope.reader.input_statistics import InputStatistics
from pneumoscope.support.errors import ClinicError, StorageError
from pneumoscope.support.files import write_bytes

STATISTICS = ("probability", "distance", *(field.name for field in fields(InputStatistics)))
"""Statistics that are compared: the probability, the distance from the training images, and
properties of the image itself."""

SHIPPED_REFERENCES = Path(__file__).parent / "references"
"""References of the bundles that come with the package."""


@dataclass(frozen=True, eq=False)
class Reference:
    """Reference population of a bundle: statistics of its validation patients, one image each."""

    bundle: str
    """Identity of the bundle."""
    values: Mapping[str, Floats]
    """Values of each of `STATISTICS`, sorted, so that no patient's values stay together."""

    @property
    def patients(self) -> int:
        """Number of patients."""
        return max(map(len, self.values.values()))

    def write(self, folder: Path) -> Path:
        """Write the reference to a file in a folder, named by its bundle; return the file.

        StorageError is raised if it cannot be written.
        """
        content = io.BytesIO()
        arrays: dict[str, Any] = {"bundle": np.array(self.bundle), **self.values}
        np.savez_compressed(content, **arrays)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{folder}: cannot be created ({error.strerror})") from error
        path = folder / _file_name(self.bundle)
        write_bytes(path, content.getvalue())
        return path

    @classmethod
    def read(cls, path: Path) -> "Reference":
        """Read a file that `write` wrote, or raise ClinicError if it cannot be read."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                values = {name: arrays[name] for name in STATISTICS}
                return cls(str(arrays["bundle"]), values)
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise ClinicError(
                f"references/{path.name}: damaged or not a reference; make it again with "
                "'pneumoscope reference'"
            ) from error


def find_reference(bundle: str, data: Path) -> Reference | None:
    """Return the reference of a bundle, the clinic's own before the shipped one; None if neither.

    Examples
    --------
    >>> from pneumoscope.reader import Bundle, find_bundle
    >>> shipped = Bundle.open(find_bundle("default")).identity
    >>> find_reference(shipped, Path()).patients, find_reference("another@1", Path())
    (561, None)
    """
    folders = (data / "references", SHIPPED_REFERENCES)
    paths = (folder / _file_name(bundle) for folder in folders)
    return next((Reference.read(path) for path in paths if path.exists()), None)


def make_reference(reader: Reader, manifest: Manifest) -> Reference:
    """Make a bundle's reference by reading its validation images, the first of each patient.

    Training images would not do, since a network is more certain of images it was trained on.

    Raises
    ------
    ClinicError
        If the bundle was trained on other data, or on another split.
    """
    bundle = reader.bundle
    if manifest.fingerprint != bundle.record.training_data.fingerprint:
        raise ClinicError(
            f"{manifest.root}: {bundle.identity} was trained on other data or another split; give "
            "its own manifest"
        )
    first: dict[str, Entry] = {}
    for entry in manifest.of(Split.VALIDATION):
        first.setdefault(entry.group, entry)
    readings = reader.read_many(manifest.root / entry.path for entry in first.values())
    return _reference(bundle, map(statistics_of, readings))


def statistics_of(reading: Reading) -> dict[str, float]:
    """Return the values of `STATISTICS` of a reading; none if it is outside, as in monitoring."""
    if reading.status is Status.OUTSIDE:
        return {}
    inputs = {} if reading.inputs is None else asdict(reading.inputs)
    scores = {"probability": reading.probability, "distance": reading.distance}
    return inputs | {name: value for name, value in scores.items() if value is not None}


def _reference(bundle: Bundle, rows: Iterable[Mapping[str, float]]) -> Reference:
    rows = list(rows)
    values = {
        name: np.sort(np.array([row[name] for row in rows if name in row], np.float64))
        for name in STATISTICS
    }
    return Reference(bundle.identity, values)


def _file_name(bundle: str) -> str:
    return f"{bundle}.npz"
