"""The Manifest: one typed row per image, written as a Parquet file."""

import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pneumoscope.support.errors import DatasetError
from pneumoscope.support.files import write_bytes

FORMAT = "1"
"""Version of the Parquet file's layout."""

_ROWS = 1024
"""Rows that are dictionaries at a time: all at once would take several times the entries."""


class Label(IntEnum):
    """What a radiograph shows."""

    NORMAL = 0
    PNEUMONIA = 1


class Split(StrEnum):
    """What an image is used for: to learn from, to choose by, or to report on."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class SplitBy(StrEnum):
    """What was kept together when validation was split off."""

    PATIENT = "patient"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a dataset.

    Parameters
    ----------
    path
        Relative to the manifest's root, with forward slashes.
    label
        What the source says that it shows.
    sha256
        Of the file's bytes; None if it could not be read.
    pixel_hash
        Of the decoded pixels: equal for exact duplicates.
    width, height
        In pixels.
    subtype
        ``"bacteria"`` or ``"virus"`` where the file name tells.
    patient
        As the table, the DICOM object (a pseudonym) or the file name tells, in this order.
    patient_declared
        True if table or DICOM named the patient; a number in a file name is only a likeness.
    split
        None while it is undecided and for an image that is set aside.
    synthetic
        True if the file says that it is generated.
    set_aside
        Why the image is not used, or None.
    extra
        Further columns of the table (age, sex, view, ...), kept for subgroups.
    """

    path: str
    label: Label
    sha256: str | None = None
    pixel_hash: str | None = None
    width: int | None = None
    height: int | None = None
    subtype: str | None = None
    patient: str | None = None
    patient_declared: bool = False
    split: Split | None = None
    synthetic: bool = False
    set_aside: str | None = None
    extra: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """The patient, or the image itself where no patient is known."""
        return self.patient or self.path


@dataclass(frozen=True)
class Manifest:
    """A dataset: where its images lie, and one `Entry` for each.

    Parameters
    ----------
    root
        Folder that the paths are relative to.
    entries
        In the order of their paths.
    split_by
        Whether patients or single images were kept together.
    seed
        Of the split.
    """

    root: Path
    entries: tuple[Entry, ...]
    split_by: SplitBy
    seed: int

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over every row: the same data, labels and splits give the same fingerprint."""
        digest = hashlib.sha256(f"{FORMAT} {self.split_by}".encode())
        for entry in sorted(self.entries, key=lambda entry: entry.path):
            row = (entry.path, entry.label.name, entry.sha256, entry.patient, entry.split)
            digest.update(json.dumps(row).encode())
        return digest.hexdigest()

    @property
    def synthetic(self) -> bool:
        """True if any image in use is generated."""
        return any(entry.synthetic for entry in self.in_use)

    @property
    def set_aside(self) -> tuple[Entry, ...]:
        """The images that are not used, each with its reason."""
        return tuple(entry for entry in self.entries if entry.set_aside is not None)

    @property
    def in_use(self) -> tuple[Entry, ...]:
        """The images that are not set aside, in order."""
        return tuple(entry for entry in self.entries if entry.set_aside is None)

    def of(self, split: Split) -> tuple[Entry, ...]:
        """Return the images of one split that are in use, in order."""
        return tuple(entry for entry in self.in_use if entry.split is split)

    def counts(self) -> dict[Split, dict[Label, int]]:
        """Count the images in use for each split and class."""
        found = Counter((entry.split, entry.label) for entry in self.in_use)
        return {split: {label: found[split, label] for label in Label} for split in Split}

    def write(self, path: Path) -> None:
        """Write the Parquet file, atomically.

        Raises
        ------
        DatasetError
            If the name does not end in ``.parquet``, or something else than a manifest is there.
        StorageError
            If it cannot be written.
        """
        if path.suffix.lower() != ".parquet":
            raise DatasetError(f"{path}: a manifest is a Parquet file; name it M.parquet")
        if path.exists() and not is_manifest(path):
            raise DatasetError(f"{path}: is there and no manifest; choose another name for it")
        extras = sorted({name for entry in self.entries for name in entry.extra})
        about = {
            "pneumoscope.manifest": FORMAT,
            "root": str(self.root.resolve()),
            "split_by": self.split_by.value,
            "seed": str(self.seed),
            "fingerprint": self.fingerprint,
            "extra": json.dumps(extras),
        }
        schema = pa.schema([*_COLUMNS, *(pa.field(name, pa.string()) for name in extras)], about)
        buffer = io.BytesIO()
        with pq.ParquetWriter(buffer, schema) as writer:
            for start in range(0, len(self.entries), _ROWS):
                rows = [_row(entry, extras) for entry in self.entries[start : start + _ROWS]]
                writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=schema))
        write_bytes(path, buffer.getvalue())

    @classmethod
    def read(cls, path: Path, images: Path | None = None) -> "Manifest":
        """Read a Parquet file that `write` wrote.

        Parameters
        ----------
        path
            The manifest.
        images
            Where the images lie now; by default where they lay when the manifest was written or,
            if that folder is gone, beside the manifest.

        Raises
        ------
        DatasetError
            If it is not a manifest, is of another format version, or was changed by hand.
        """
        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise DatasetError(
                f"{path}: cannot be read as Parquet ({error}); write the manifest again with "
                "'pneumoscope data manifest'"
            ) from error
        about = {
            key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()
        }
        _check_format(path, about)
        try:
            extras = json.loads(about["extra"])
            manifest = cls(
                root=_root(path, Path(about["root"]), images),
                entries=tuple(_entry(row, extras) for row in _rows(table)),
                split_by=SplitBy(about["split_by"]),
                seed=int(about["seed"]),
            )
            intact = manifest.fingerprint == about["fingerprint"]
        except (KeyError, TypeError, ValueError):  # a column, label or split that `write` has not
            intact = False
        if not intact:
            raise DatasetError(
                f"{path}: its rows do not match its fingerprint, so it was changed after it was "
                "written; write it again with 'pneumoscope data manifest'"
            )
        return manifest


def is_manifest(path: Path) -> bool:
    """Tell whether a file is a Parquet file that `Manifest.write` wrote.

    Examples
    --------
    >>> is_manifest(Path("labels.csv"))
    False
    """
    if path.suffix.lower() != ".parquet" or not os.path.isfile(path):
        return False
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException):
        return False
    return b"pneumoscope.manifest" in metadata


_COLUMNS = [
    pa.field("path", pa.string(), nullable=False),
    pa.field("sha256", pa.string()),
    pa.field("pixel_hash", pa.string()),
    pa.field("width", pa.int32()),
    pa.field("height", pa.int32()),
    pa.field("label", pa.string(), nullable=False),
    pa.field("subtype", pa.string()),
    pa.field("patient", pa.string()),
    pa.field("patient_declared", pa.bool_(), nullable=False),
    pa.field("split", pa.string()),
    pa.field("synthetic", pa.bool_(), nullable=False),
    pa.field("set_aside", pa.string()),
]

RESERVED = frozenset(column.name for column in _COLUMNS)
"""Column names that a table's further columns may not take."""


def _row(entry: Entry, extras: list[str]) -> dict[str, object]:
    row: dict[str, object] = {name: getattr(entry, name) for name in RESERVED}
    row["label"] = entry.label.name
    return row | {name: entry.extra.get(name) for name in extras}


def _rows(table: pa.Table) -> Iterator[dict[str, object]]:
    """Yield rows as dictionaries."""
    for batch in table.to_batches(max_chunksize=_ROWS):
        yield from batch.to_pylist()


def _entry(row: dict[str, object], extras: list[str]) -> Entry:
    values = {name: row[name] for name in RESERVED - {"label", "split"}}
    entry = Entry(label=Label[str(row["label"])], **values)  # type: ignore[arg-type]
    split = None if row["split"] is None else Split(str(row["split"]))
    return replace(entry, split=split, extra={name: row[name] for name in extras})  # type: ignore[misc]


def _check_format(path: Path, about: Mapping[str, str]) -> None:
    version = about.get("pneumoscope.manifest")
    if version is None:
        raise DatasetError(
            f"{path}: a Parquet file, but not a manifest; write one with "
            "'pneumoscope data manifest SOURCE --out M.parquet'"
        )
    if version != FORMAT:
        raise DatasetError(
            f"{path}: a manifest of format {version}, and this pneumoscope reads format {FORMAT}; "
            "write it again with this version's 'pneumoscope data manifest'"
        )


def _root(path: Path, recorded: Path, images: Path | None) -> Path:
    if images is not None:
        return images
    return recorded if os.path.isdir(recorded) else path.resolve().parent
