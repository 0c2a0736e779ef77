"""Which files of a folder are read, in which order."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".dcm", ".dicom", ".ima", ""}
"""Names that a radiograph may end in; DICOM files often have no ending at all."""


def list_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield files as they are named, and of folders those that may be radiographs.

    Folders are gone through in order of names, with all folders within. Links to folders are not
    followed, so none is visited twice; what is no regular file, and hidden files, are left out. A
    folder that cannot be looked into is yielded itself: reading it will say why.

    Parameters
    ----------
    paths
        Files, which are yielded whatever they are, and folders.

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
            yield from _files_of(path)
        else:
            yield path


def _files_of(folder: Path) -> Iterator[Path]:
    closed: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=closed.append):
        folders.sort()
        for name in sorted(names):
            file = Path(parent, name)
            if not name.startswith(".") and file.suffix.lower() in SUFFIXES and file.is_file():
                yield file
    for error in closed:
        yield Path(error.filename)
