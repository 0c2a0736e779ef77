"""Folders of images: split folders with class folders in them, or class folders."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pneumoscope.dataset.kermany_filenames import parse_filename
from pneumoscope.dataset.manifest import Entry, Label, Split
from pneumoscope.dataset.names import SPLITS, find_class
from pneumoscope.support.errors import DatasetError
from pneumoscope.support.terminal import messages

LAYOUTS = (
    "expected split folders (train/NORMAL, train/PNEUMONIA, test/NORMAL, test/PNEUMONIA), "
    "class folders (NORMAL, PNEUMONIA), or a CSV or Parquet table with columns 'file' and 'label'"
)

_USUAL = {Split.TRAIN: "train", Split.VALIDATION: "val", Split.TEST: "test"}
"""Names of split folders that go without saying."""

_PUBLISHED_VALIDATION = 16
"""Number of images in the folder val of the Kermany dataset, too few to choose a model by."""

_JUNK = {"Thumbs.db", "desktop.ini", "__MACOSX"}


def list_folder(root: Path, negatives: Sequence[str] = ()) -> Iterator[Entry]:
    """Yield the images of a folder with their classes, and splits if it has split folders.

    Names of splits and classes may be in any case; a message says what unusual ones were taken for.

    Parameters
    ----------
    root
        Folder in the Kaggle layout (``split/CLASS/*``) or of classes (``CLASS/*``).
    negatives
        Further names of class folders that count as NORMAL.

    Raises
    ------
    DatasetError
        If the folder is of another layout, cannot be listed, lacks a class, or two folders name
        one split.
    """
    names = _folders(root)
    splits = {name: SPLITS[name.casefold()] for name in names if name.casefold() in SPLITS}
    if Split.TRAIN in splits.values():
        _check_splits(root, splits)
        if ignored := sorted(names - splits.keys()):
            messages.print(f"{root}: ignored the folders {', '.join(ignored)}")
        for name, split in splits.items():
            if name != _USUAL[split]:
                messages.print(f"{root}: the folder {name} is the {split} split")
            entries = list(_from_classes(root, root / name, split, negatives))
            yield from _without_published_validation(root / name, entries)
    elif any(find_class(name, negatives) for name in names):
        yield from _from_classes(root, root, None, negatives)
    else:
        folders = ", ".join(sorted(names)) or "no folders"
        raise DatasetError(f"{root}: found {folders}, but {LAYOUTS}")


def _check_splits(root: Path, splits: dict[str, Split]) -> None:
    first: dict[Split, str] = {}
    for name in sorted(splits):
        other = first.setdefault(splits[name], name)
        if other != name:
            raise DatasetError(
                f"{root}: the folders {other} and {name} both name the {splits[name]} split; join "
                "them, or move one out"
            )


def _without_published_validation(folder: Path, entries: Sequence[Entry]) -> Iterator[Entry]:
    """Yield entries; those of the published val join train, since 16 images choose nothing."""
    is_published = (
        len(entries) == _PUBLISHED_VALIDATION
        and entries[0].split is Split.VALIDATION
        and all(parse_filename(Path(entry.path).name).patient for entry in entries)
    )
    if not is_published:
        yield from entries
        return
    messages.print(
        f"{folder}: the published 16 images join train, and validation is drawn from there"
    )
    for entry in entries:
        yield replace(entry, split=Split.TRAIN)


def _from_classes(
    root: Path, folder: Path, split: Split | None, negatives: Sequence[str]
) -> Iterator[Entry]:
    classes = {}
    for name in sorted(_folders(folder)):
        named = find_class(name, negatives)
        if named is None:
            raise DatasetError(
                f"{folder}: the folder {name} is neither NORMAL nor PNEUMONIA; rename it, move it "
                f"out, or if it counts as not having pneumonia, pass --negative '{name}'"
            )
        classes[name] = named
    for label in Label:
        if label not in {named.label for named in classes.values()}:
            raise DatasetError(
                f"{folder / label.name}: the class folder is missing; both NORMAL and PNEUMONIA "
                "are needed"
            )
    for name, (label, subtype) in classes.items():
        if name != label.name:
            kind = f" ({subtype})" if subtype else ""
            messages.print(f"{folder}: the folder {name} is {label.name}{kind}")
        paths = list(_files(folder / name))
        if not paths:
            raise DatasetError(
                f"{folder / name}: the class folder is empty; put the images of this class there"
            )
        for path in paths:
            parsed = parse_filename(path.name)
            _check_name(path)
            yield Entry(
                path.relative_to(root).as_posix(),
                label,
                patient=parsed.patient,
                subtype=subtype or parsed.subtype,
                split=split,
            )


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
