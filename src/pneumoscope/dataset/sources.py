"""Where datasets come from: folders named by class, and tables of labels."""

import csv
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pneumoscope.dataset.kermany_filenames import parse_filename
from pneumoscope.dataset.manifest import RESERVED, Entry, Label, Split
from pneumoscope.support.errors import DatasetError
from pneumoscope.support.terminal import messages

_SPLITS = {
    "train": Split.TRAIN,
    "training": Split.TRAIN,
    "val": Split.VALIDATION,
    "valid": Split.VALIDATION,
    "validation": Split.VALIDATION,
    "test": Split.TEST,
    "testing": Split.TEST,
}
_JUNK = {"Thumbs.db", "desktop.ini", "__MACOSX"}
_LAYOUTS = (
    "expected split folders (train/NORMAL, train/PNEUMONIA, test/NORMAL, test/PNEUMONIA), "
    "class folders (NORMAL, PNEUMONIA), or a CSV or Parquet table with columns 'file' and 'label'"
)


@dataclass(frozen=True)
class Source:
    """What a folder or table lists, before any image is opened.

    Parameters
    ----------
    root
        Folder that the paths are relative to.
    entries
        One per file, with label, and with patient and split where the source tells.
    """

    root: Path
    entries: tuple[Entry, ...]


def find_images(source: Path, images: Path | None = None) -> Source:
    """List the images of a folder or table.

    Parameters
    ----------
    source
        A folder in the Kaggle layout (``split/CLASS/*``, the published ``val`` joins train), a
        folder of classes (``CLASS/*``), or a table (CSV or Parquet).
    images
        For a table: what its paths are relative to, instead of the table's own folder.

    Raises
    ------
    DatasetError
        If nothing of that kind is there, a class is missing, or a table's row cannot be used.
    """
    if _is_folder(source):
        if images is not None:
            raise DatasetError(f"{source}: a folder has its own images; leave out --images")
        entries = tuple(_from_folder(source))
        root = source
    elif source.is_file():
        entries = tuple(_from_table(source))
        root = images if images is not None else source.parent
    else:
        raise DatasetError(f"{source}: there is no such folder or file; {_LAYOUTS}")
    _check_classes(source, entries)
    return Source(root, tuple(sorted(entries, key=lambda entry: entry.path)))


def _is_folder(source: Path) -> bool:
    try:
        return source.is_dir()
    except OSError as error:
        raise DatasetError(
            f"{source}: cannot be reached ({error.strerror}); make the folders above it readable "
            "(chmod +rx)"
        ) from error


def _from_folder(root: Path) -> Iterator[Entry]:
    names = _folders(root)
    if "train" in names:
        published = ("train", "val", "test")
        if passed_over := sorted(names.difference(published)):
            messages.print(f"{root}: passed over {', '.join(passed_over)}")
        for name in published:
            split = Split.TEST if name == "test" else Split.TRAIN
            if name in names:
                yield from _from_classes(root, root / name, split)
    elif {label.name for label in Label} & names:
        yield from _from_classes(root, root, None)
    else:
        found = ", ".join(sorted(names)) or "no folders"
        raise DatasetError(f"{root}: found {found}, but {_LAYOUTS}")


def _from_classes(root: Path, folder: Path, split: Split | None) -> Iterator[Entry]:
    classes = {label.name for label in Label}
    if unknown := _folders(folder) - classes:
        raise DatasetError(
            f"{folder}: the folder {min(unknown)} is neither NORMAL nor PNEUMONIA; rename it to "
            "what it is, or move it out"
        )
    for label in Label:
        if not (folder / label.name).is_dir():
            raise DatasetError(
                f"{folder / label.name}: the class folder is missing; both NORMAL and PNEUMONIA "
                "are needed"
            )
        paths = list(_files(folder / label.name))
        if not paths:
            raise DatasetError(
                f"{folder / label.name}: the class folder is empty; put the images of this class "
                "there"
            )
        for path in paths:
            patient, subtype = parse_filename(path.name)
            _check_name(path)
            relative = path.relative_to(root).as_posix()
            yield Entry(relative, label, patient=patient, subtype=subtype, split=split)


def _folders(folder: Path) -> set[str]:
    try:
        return {
            item.name
            for item in folder.iterdir()
            if item.is_dir() and not item.name.startswith(".") and item.name not in _JUNK
        }
    except OSError as error:
        raise DatasetError(
            f"{folder}: cannot be listed ({error.strerror}); make it readable (chmod +rx)"
        ) from error


def _files(folder: Path) -> Iterator[Path]:
    def stop(error: OSError) -> None:
        raise DatasetError(
            f"{error.filename}: cannot be listed ({error.strerror}); make it readable (chmod +rx)"
        ) from error

    for parent, folders, names in os.walk(folder, onerror=stop):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and name not in _JUNK
        )
        for name in sorted(names):
            if not name.startswith(".") and name not in _JUNK:
                yield Path(parent, name)


def _check_name(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = str(path).encode(errors="backslashreplace").decode()
        raise DatasetError(
            f"{shown}: the name is not UTF-8, so no table can hold it; rename it (convmv renames "
            "whole folders)"
        ) from error


def _from_table(path: Path) -> Iterator[Entry]:
    rows = _rows(path)
    seen: set[str] = set()
    for number, row in rows:
        entry = _table_entry(f"{path}, row {number}", row)
        if entry.path in seen:
            raise DatasetError(
                f"{path}, row {number}: {entry.path} is listed twice; keep one row for each file"
            )
        seen.add(entry.path)
        yield entry


def _rows(path: Path) -> Iterable[tuple[int, Mapping[str, str | None]]]:
    if path.suffix.lower() == ".parquet":
        columns, rows = _parquet_rows(path)
    elif path.suffix.lower() == ".csv":
        columns, rows = _csv_rows(path)
    else:
        raise DatasetError(f"{path}: neither a folder nor a .csv or .parquet table; {_LAYOUTS}")
    for needed in ("file", "label"):
        if needed not in columns:
            raise DatasetError(
                f"{path}: no column '{needed}' (found: {', '.join(columns) or 'none'}); "
                "a table needs the columns 'file' and 'label'"
            )
    if clash := RESERVED.intersection(columns) - {"label", "patient", "split"}:
        raise DatasetError(
            f"{path}: the column name '{min(clash)}' is used by the manifest; rename the column"
        )
    return enumerate(rows, start=2)


def _parquet_rows(path: Path) -> tuple[list[str], list[dict[str, str | None]]]:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(
            f"{path}: cannot be read as Parquet ({error}); export it again"
        ) from error
    rows = [
        {name: None if value is None else str(value) for name, value in row.items()}
        for row in table.to_pylist()
    ]
    return table.column_names, rows


def _csv_rows(path: Path) -> tuple[list[str], list[dict[str, str | None]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = [dict(row) for row in reader]
            return list(reader.fieldnames or ()), rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(
            f"{path}: cannot be read as CSV ({error}); save it as comma-separated UTF-8"
        ) from error


def _table_entry(where: str, row: Mapping[str, str | None]) -> Entry:
    file = (row["file"] or "").strip()
    if not file:
        raise DatasetError(f"{where}: no file is named; fill in the column 'file'")
    named = parse_filename(Path(file).name)
    patient = (row.get("patient") or "").strip() or None
    known = {"file", "label", "patient", "split"}
    return Entry(
        path=Path(file).as_posix(),
        label=_label(where, file, row["label"]),
        patient=patient or named.patient,
        patient_declared=patient is not None,
        subtype=named.subtype,
        split=_split(where, row.get("split")),
        extra={
            name: value for name, value in row.items() if name is not None and name not in known
        },
    )


def _label(where: str, file: str, text: str | None) -> Label:
    name = (text or "").strip().upper()
    if name in Label.__members__:
        return Label[name]
    if name in {"0", "1"}:
        return Label(int(name))
    raise DatasetError(
        f"{where} ({file}): the label '{text or ''}' is neither NORMAL nor PNEUMONIA; correct it "
        "or remove the row"
    )


def _split(where: str, text: str | None) -> Split | None:
    name = (text or "").strip().lower()
    if not name:
        return None
    if name in _SPLITS:
        return _SPLITS[name]
    raise DatasetError(
        f"{where}: the split '{text}' is none of train, validation and test; correct it or leave "
        "it empty"
    )


def _check_classes(source: Path, entries: tuple[Entry, ...]) -> None:
    found = {entry.label for entry in entries}
    for label in Label:
        if label not in found:
            raise DatasetError(
                f"{source}: no image is labelled {label.name}; both classes are needed to learn "
                "and to judge"
            )
