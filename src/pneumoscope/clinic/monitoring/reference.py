"""The population that a bundle was validated on: what readings are compared with."""

import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from pneumoscope.dataset import Entry, Manifest, Split
from pneumoscope.evaluation.statistics.metrics import Floats
from pneumoscope.reader import Bundle, Reader, Reading
from pneumoscope.reader.input_statistics import InputStatistics
from pneumoscope.support.errors import ClinicError, StorageError
from pneumoscope.support.files import write_bytes

STATISTICS = ("probability", "distance", *(field.name for field in fields(InputStatistics)))
"""What is compared: the score, the distance from what was learned from, and the image itself."""

SHIPPED = Path(__file__).parent / "references"
"""Of the bundles that come with the package."""


@dataclass(frozen=True, eq=False)
class Reference:
    """Values of a bundle's validation patients, one image of each.

    Parameters
    ----------
    bundle
        Identity of the bundle.
    values
        Of each of `STATISTICS`, ascending, so that no patient's own row is kept.
    """

    bundle: str
    values: Mapping[str, Floats]

    @property
    def patients(self) -> int:
        """How many there are."""
        return max(map(len, self.values.values()))

    def write(self, folder: Path) -> Path:
        """Write the reference into a folder, under its bundle's name; return the file.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        content = io.BytesIO()
        arrays: dict[str, Any] = {"bundle": np.array(self.bundle), **self.values}
        np.savez_compressed(content, **arrays)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{folder}: cannot be made ({error.strerror})") from error
        path = folder / _name(self.bundle)
        write_bytes(path, content.getvalue())
        return path

    @classmethod
    def read(cls, path: Path) -> "Reference":
        """Read what `write` wrote.

        Raises
        ------
        ClinicError
            If it cannot be read.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                values = {name: arrays[name] for name in STATISTICS}
                return cls(str(arrays["bundle"]), values)
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise ClinicError(
                f"references/{path.name}: no reference that can be read; make it again "
                "with 'pneumoscope reference'"
            ) from error


def find_reference(bundle: str, data: Path) -> Reference | None:
    """Return the reference of a bundle: the clinic's own before the one that is shipped.

    Parameters
    ----------
    bundle
        Its identity.
    data
        The clinic's folder.

    Examples
    --------
    >>> from pneumoscope.reader import Bundle, find_bundle
    >>> shipped = Bundle.open(find_bundle("default")).identity
    >>> find_reference(shipped, Path()).patients, find_reference("another@1", Path())
    (568, None)
    """
    places = (folder / _name(bundle) for folder in (data / "references", SHIPPED))
    return next((Reference.read(path) for path in places if path.exists()), None)


def make_reference(reader: Reader, manifest: Manifest) -> Reference:
    """Read the validation images that a bundle was fitted on: the first image of each patient.

    Training images would not do: a network is surer of what it has learned by heart.

    Raises
    ------
    ClinicError
        If the bundle learned from other data, or another split of it.
    """
    bundle = reader.bundle
    if manifest.fingerprint != bundle.record.training_data.fingerprint:
        raise ClinicError(
            f"{manifest.root}: not the data, or not the split, that {bundle.identity} learned "
            "from; name those"
        )
    first: dict[str, Entry] = {}
    for entry in manifest.of(Split.VALIDATION):
        first.setdefault(entry.group, entry)
    readings = reader.read_many(manifest.root / entry.path for entry in first.values())
    return _reference(bundle, map(values_of, readings))


def values_of(reading: Reading) -> dict[str, float]:
    """Return what a reading has of `STATISTICS`."""
    inputs = {} if reading.inputs is None else asdict(reading.inputs)
    read = {"probability": reading.probability, "distance": reading.distance}
    return inputs | {name: value for name, value in read.items() if value is not None}


def _reference(bundle: Bundle, rows: Iterable[Mapping[str, float]]) -> Reference:
    kept = list(rows)
    values = {
        name: np.sort(np.array([row[name] for row in kept if name in row], np.float64))
        for name in STATISTICS
    }
    return Reference(bundle.identity, values)


def _name(bundle: str) -> str:
    return f"{bundle}.npz"
