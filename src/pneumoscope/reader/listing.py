"""Listing of the files to read: named files, and the radiographs of folders."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".dcm", ".dicom", ".ima", ""}
"""Suffixes of radiographs; DICOM files often have none."""


def list_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield named files, and the files in folders that may be radiographs.

    Folders are listed recursively, in the order of names. Links to folders are not followed, so
    that none is visited twice; hidden files and irregular files are left out. A folder that cannot
    be listed is yielded itself, so that reading it gives the reason.

    Parameters
    ----------
    paths
        Files, which are yielded in any case, and folders.

    Examples
    --------
    >>> folder = getfixture("tmp_path")
    >>> for name in ("b.png", "a.dcm", "notes.txt", ".hidden.png"):
    ...     (folder / name).touch()
    >>> [file.name for file in list_files([folder, folder / "notes.txt"])]
    ['a.dcm', 'b.png', 'notes.txt']
    """
    for path in paths:
        if path.is_dir():
            yield from _files_in(path)
        else:
            yield path


def _files_in(folder: Path) -> Iterator[Path]:
    errors: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=errors.append):
        folders.sort()
        for name in sorted(names):
            file = Path(parent, name)
            if not name.startswith(".") and file.suffix.lower() in SUFFIXES and file.is_file():
                yield file
    for error in errors:
        yield Path(error.filename)
