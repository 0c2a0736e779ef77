"""Manifest of a dataset: one typed row per image, stored as a Parquet file."""

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
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from pneumoscope.support.data_frame import make_data_frame
from pneumoscope.support.errors import DatasetError
from pneumoscope.support.files import write_bytes

if TYPE_CHECKING:
    from pandas import DataFrame

FORMAT = "1"
"""Version of the Parquet file's layout."""

_BATCH_ROWS = 1024
"""Rows converted at a time; all dictionaries at once would take several times the memory."""


class Label(IntEnum):
    """Class of a radiograph."""

    NORMAL = 0
    PNEUMONIA = 1


class Split(StrEnum):
    """Split of an image: for training, for choices, or for the final report."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class SplitBy(StrEnum):
    """Unit that stays together when validation is drawn."""

    PATIENT = "patient"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a dataset.

    Parameters
    ----------
    path
        Path relative to the manifest's root, with forward slashes.
    label
        Class of the image, as the source states it.
    sha256
        SHA-256 of the file's bytes; None if it could not be read.
    pixel_hash
        Hash of the decoded pixels, equal for exact duplicates.
    near_duplicate_of
        Path of the first image that this one repeats, compressed or scaled again; None if it
        repeats none.
    width, height
        Size in pixels.
    subtype
        ``"bacteria"`` or ``"virus"``, from the file name; None where it does not state it.
    patient
        Patient, from the table, the DICOM object (a pseudonym), a pattern of the path or the file
        name, in this order.
    patient_declared
        Whether table, DICOM or pattern named the patient; a number in a file name only suggests
        one.
    split
        Split of the image; None before it is drawn and for an image that is set aside.
    synthetic
        Whether the file says that it is generated.
    set_aside
        Reason why the image is not used; None if it is used.
    extra
        Further columns of the table (age, sex, view, ...), kept for subgroups.
    """

    path: str
    label: Label
    sha256: str | None = None
    pixel_hash: str | None = None
    near_duplicate_of: str | None = None
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
    """A dataset: the folder of its images, and one `Entry` for each.

    Parameters
    ----------
    root
        Folder that the paths are relative to.
    entries
        Entries in the order of their paths.
    split_by
        Unit that stayed together when validation was drawn.
    seed
        Random seed of the split.
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
            row = [entry.path, entry.label.name, entry.sha256, entry.patient, entry.split]
            if entry.near_duplicate_of is not None:
                row.append(entry.near_duplicate_of)
            digest.update(json.dumps(row).encode())
        return digest.hexdigest()

    @property
    def synthetic(self) -> bool:
        """Whether any image in use is generated."""
        return any(entry.synthetic for entry in self.in_use)

    @property
    def set_aside(self) -> tuple[Entry, ...]:
        """Images that are not used, each with its reason."""
        return tuple(entry for entry in self.entries if entry.set_aside is not None)

    @property
    def in_use(self) -> tuple[Entry, ...]:
        """Images that are not set aside, in order."""
        return tuple(entry for entry in self.entries if entry.set_aside is None)

    @property
    def images_without_patient(self) -> tuple[Entry, ...]:
        """Images in use whose patient is unknown, in order."""
        return tuple(entry for entry in self.in_use if entry.patient is None)

    @property
    def resampling_unit(self) -> Literal["patient", "image"]:
        """Unit that intervals are by: the image, if the patient of any image is unknown."""
        return "image" if self.images_without_patient else "patient"

    def shared_patients(self, first: Split, second: Split) -> set[str]:
        """Return the known patients with images in both splits."""
        first_patients, second_patients = (
            {entry.patient for entry in self.of(split) if entry.patient is not None}
            for split in (first, second)
        )
        return first_patients & second_patients

    def of(self, split: Split) -> tuple[Entry, ...]:
        """Return the images of one split that are in use, in order."""
        return tuple(entry for entry in self.in_use if entry.split is split)

    def counts(self) -> dict[Split, dict[Label, int]]:
        """Return the number of images in use for each split and class."""
        counts = Counter((entry.split, entry.label) for entry in self.in_use)
        return {split: {label: counts[split, label] for label in Label} for split in Split}

    def to_frame(self) -> "DataFrame":
        """Return the entries as a data frame, with the columns of the Parquet file.

        Raises
        ------
        MissingPackageError
            If pandas is not installed.

        Examples
        --------
        >>> images = (Entry("a.png", Label.NORMAL, split=Split.TRAIN, extra={"sex": "F"}),)
        >>> manifest = Manifest(Path("images"), images, SplitBy.PATIENT, seed=0)
        >>> manifest.to_frame()[["path", "label", "split", "sex"]]
            path   label  split sex
        0  a.png  NORMAL  train   F
        """
        extras = self._extras()
        rows = [_row(entry, extras) for entry in self.entries]
        names = [*(column.name for column in _COLUMNS), *extras]
        return make_data_frame({name: [row[name] for row in rows] for name in names})

    def _repr_html_(self) -> str:
        from pneumoscope.dataset.jupyter import view_manifest  # it imports this module

        return view_manifest(self)

    def write(self, path: Path) -> None:
        """Write the Parquet file, atomically.

        Raises
        ------
        DatasetError
            If the name does not end in ``.parquet``, or another file than a manifest exists.
        StorageError
            If it cannot be written.
        """
        require_manifest_path(path)
        extras = self._extras()
        metadata = {
            "pneumoscope.manifest": FORMAT,
            "root": str(self.root.resolve()),
            "split_by": self.split_by.value,
            "seed": str(self.seed),
            "images_without_patient": str(len(self.images_without_patient)),
            "fingerprint": self.fingerprint,
            "extra": json.dumps(extras),
        }
        schema = pa.schema([*_COLUMNS, *(pa.field(name, pa.string()) for name in extras)], metadata)
        buffer = io.BytesIO()
        with pq.ParquetWriter(buffer, schema) as writer:
            for start in range(0, len(self.entries), _BATCH_ROWS):
                rows = [_row(entry, extras) for entry in self.entries[start : start + _BATCH_ROWS]]
                writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=schema))
        write_bytes(path, buffer.getvalue())

    def require_not_replacing_another(self, path: Path) -> None:
        """Raise if writing to a path would replace another manifest.

        Raises
        ------
        DatasetError
            If it would.
        """
        if is_manifest(path) and not self._is_written_at(path):
            raise DatasetError(
                f"{path}: holds a manifest of other data, labels, columns or splits; choose "
                "another name, or pass --overwrite"
            )

    def _extras(self) -> list[str]:
        return sorted({name for entry in self.entries for name in entry.extra})

    def _is_written_at(self, path: Path) -> bool:
        try:
            return Manifest.read(path, self.root).entries == self._with_all_columns().entries
        except DatasetError:  # damaged, or of another format
            return False

    def _with_all_columns(self) -> "Manifest":
        """Return the manifest as it is read again: each entry has every further column."""
        names = self._extras()
        return replace(
            self,
            entries=tuple(
                replace(entry, extra={name: entry.extra.get(name) for name in names})
                for entry in self.entries
            ),
        )

    @classmethod
    def read(cls, path: Path, images: Path | None = None) -> "Manifest":
        """Read a Parquet file that `write` wrote.

        Parameters
        ----------
        path
            Manifest to read.
        images
            Folder of the images; by default the one that the manifest states or, if that does not
            exist any more, the manifest's own.

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
        metadata = {
            key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()
        }
        _check_format(path, metadata)
        try:
            extras = json.loads(metadata["extra"])
            recorded = Path(metadata["root"])
            manifest = cls(
                root=images or (recorded if os.path.isdir(recorded) else path.resolve().parent),
                entries=tuple(_entry(row, extras) for row in _rows(table)),
                split_by=SplitBy(metadata["split_by"]),
                seed=int(metadata["seed"]),
            )
            intact = manifest.fingerprint == metadata["fingerprint"]
        except (KeyError, TypeError, ValueError):  # not written by `write`
            intact = False
        if not intact:
            raise DatasetError(
                f"{path}: its rows do not match its fingerprint, so it was changed after it was "
                "written; write it again with 'pneumoscope data manifest'"
            )
        return manifest


def require_manifest_path(path: Path) -> None:
    """Raise if a manifest cannot be written to a path.

    Raises
    ------
    DatasetError
        If the name does not end in ``.parquet``, or another file than a manifest exists.
    """
    if path.suffix.lower() != ".parquet":
        raise DatasetError(f"{path}: a manifest is a Parquet file; name it M.parquet")
    if path.exists() and not is_manifest(path):
        raise DatasetError(f"{path}: exists and is not a manifest; choose another name")


def is_manifest(path: Path) -> bool:
    """Return whether a file is a Parquet file that `Manifest.write` wrote.

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
    pa.field("near_duplicate_of", pa.string()),
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
"""Names that further columns of a table must not have."""


def _row(entry: Entry, extras: list[str]) -> dict[str, object]:
    row: dict[str, object] = {name: getattr(entry, name) for name in RESERVED}
    row["label"] = entry.label.name
    row["split"] = None if entry.split is None else entry.split.value
    return row | {name: entry.extra.get(name) for name in extras}


def _rows(table: pa.Table) -> Iterator[dict[str, object]]:
    """Yield the rows of a table as dictionaries."""
    for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
        yield from batch.to_pylist()


def _entry(row: dict[str, object], extras: list[str]) -> Entry:
    values = {name: row[name] for name in RESERVED - {"label", "split", "near_duplicate_of"}}
    values["near_duplicate_of"] = row.get("near_duplicate_of")  # manifests before 0.3 lack it
    entry = Entry(label=Label[str(row["label"])], **values)  # type: ignore[arg-type]
    split = None if row["split"] is None else Split(str(row["split"]))
    return replace(entry, split=split, extra={name: row[name] for name in extras})  # type: ignore[misc]


def _check_format(path: Path, metadata: Mapping[str, str]) -> None:
    version = metadata.get("pneumoscope.manifest")
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
