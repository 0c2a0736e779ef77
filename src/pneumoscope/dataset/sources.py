"""Sources of datasets: folders named by class, and tables of labels."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pneumoscope.dataset.kermany_filenames import parse_filename
from pneumoscope.dataset.manifest import RESERVED, Entry, Label, Split
from pneumoscope.support.errors import DatasetError
from pneumoscope.support.tables import read_table
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
_COLUMNS = {"file", "label", "patient", "split"}
"""Columns of a table that are not kept as they are."""

_JUNK = {"Thumbs.db", "desktop.ini", "__MACOSX"}
_LAYOUTS = (
    "expected split folders (train/NORMAL, train/PNEUMONIA, test/NORMAL, test/PNEUMONIA), "
    "class folders (NORMAL, PNEUMONIA), or a CSV or Parquet table with columns 'file' and 'label'"
)


@dataclass(frozen=True)
class ImageList:
    """List of the images of a folder or table, none of them opened yet."""

    root: Path
    """Folder that the paths are relative to."""
    entries: tuple[Entry, ...]
    """One entry per file, with its label, and with patient and split where the source has them."""


def list_images(source: Path, images: Path | None = None) -> ImageList:
    r"""List the images of a folder or table.

    Parameters
    ----------
    source
        Folder in the Kaggle layout (``split/CLASS/*``, the published ``val`` joins train), folder
        of classes (``CLASS/*``), or table (CSV or Parquet, see `support.tables.read_table`).
    images
        Folder that the paths of a table are relative to, by default the table's own.

    Raises
    ------
    DatasetError
        If the source does not exist, is of another layout, lacks a class, or has a row with an
        unknown label or split.
    TableError
        If a file is not a table of images.

    Examples
    --------
    >>> table = getfixture("tmp_path") / "labels.csv"
    >>> _ = table.write_text("file,label\na.png,NORMAL\nb.png,PNEUMONIA\n")
    >>> [(entry.path, entry.label.name) for entry in list_images(table).entries]
    [('a.png', 'NORMAL'), ('b.png', 'PNEUMONIA')]
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
    labels = {entry.label for entry in entries}
    for label in Label:
        if label not in labels:
            raise DatasetError(
                f"{source}: no image is labelled {label.name}; both classes are needed for "
                "training and evaluation"
            )
    return ImageList(root, tuple(sorted(entries, key=lambda entry: entry.path)))


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
        if ignored := sorted(names.difference(published)):
            messages.print(f"{root}: ignored the folders {', '.join(ignored)}")
        for name in published:
            split = Split.TEST if name == "test" else Split.TRAIN
            if name in names:
                yield from _from_classes(root, root / name, split)
    elif {label.name for label in Label} & names:
        yield from _from_classes(root, root, None)
    else:
        folders = ", ".join(sorted(names)) or "no folders"
        raise DatasetError(f"{root}: found {folders}, but {_LAYOUTS}")


def _from_classes(root: Path, folder: Path, split: Split | None) -> Iterator[Entry]:
    classes = {label.name for label in Label}
    if unknown := _folders(folder) - classes:
        raise DatasetError(
            f"{folder}: the folder {min(unknown)} is neither NORMAL nor PNEUMONIA; rename it, "
            "or move it out"
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
        return {item.name for item in folder.iterdir() if item.is_dir() and not _is_junk(item.name)}
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
        folders[:] = sorted(name for name in folders if not _is_junk(name))
        yield from (Path(parent, name) for name in sorted(names) if not _is_junk(name))


def _is_junk(name: str) -> bool:
    return name.startswith(".") or name in _JUNK


def _check_name(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        printable = str(path).encode(errors="backslashreplace").decode()
        raise DatasetError(
            f"{printable}: the name is not UTF-8, so no table can hold it; rename it (convmv "
            "renames whole folders)"
        ) from error


def _from_table(path: Path) -> Iterator[Entry]:
    rows = read_table(path, ("file", "label"))
    columns = rows[0].cells.keys() if rows else set()
    if clash := RESERVED.intersection(columns) - _COLUMNS:
        raise DatasetError(
            f"{path}: the column name '{min(clash)}' is used by the manifest; rename the column"
        )
    for row in rows:
        place, file = f"{path}, {row.place}", row.cells["file"]
        parsed = parse_filename(Path(file).name)
        patient = row.cells.get("patient") or None
        yield Entry(
            path=Path(file).as_posix(),
            label=_label(f"{place} ({file})", row.cells["label"]),
            patient=patient or parsed.patient,
            patient_declared=patient is not None,
            subtype=parsed.subtype,
            split=parse_split(place, row.cells.get("split", "")),
            extra={name: cell for name, cell in row.cells.items() if name not in _COLUMNS},
        )


def _label(place: str, text: str) -> Label:
    name = text.upper()
    if name in Label.__members__:
        return Label[name]
    if name in {"0", "1"}:
        return Label(int(name))
    raise DatasetError(
        f"{place}: the label '{text}' is neither NORMAL nor PNEUMONIA; correct it or remove the row"
    )


def parse_split(place: str, text: str) -> Split | None:
    """Return the split that a table's cell names; None for an empty cell.

    ``place`` is the table and the row, for the `DatasetError` about an unknown split.

    Examples
    --------
    >>> parse_split("labels.csv, line 2", "Val").value
    'validation'
    """
    name = text.lower()
    if not name:
        return None
    if name in _SPLITS:
        return _SPLITS[name]
    raise DatasetError(
        f"{place}: the split '{text}' is none of train, validation and test; correct it or leave "
        "it empty"
    )
