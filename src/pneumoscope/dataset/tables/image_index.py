"""Images of a folder, found by their names: tables of public datasets rarely state whole paths."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pneumoscope.support.errors import DatasetError

_SUFFIXES = {".png", ".jpg", ".jpeg", ".dcm", ".dicom", ".dic", ""}
"""Extensions of images, in lower case."""


class ImageIndex:
    """Images below a folder, by path or by name.

    Raises
    ------
    DatasetError
        If the folder cannot be listed.

    Examples
    --------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "images_001").mkdir()
    >>> (folder / "images_001" / "00000001_000.png").touch()
    >>> ImageIndex(folder).find("00000001_000.png")
    'images_001/00000001_000.png'
    >>> ImageIndex(folder).find("00000001_000"), ImageIndex(folder).find("00000002_000")
    ('images_001/00000001_000.png', None)
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths: set[str] = set()
        self._by_name: dict[str, list[str]] = {}
        for path in _images(folder):
            self._paths.add(path)
            name = PurePosixPath(path)
            for key in {name.name, name.stem}:
                self._by_name.setdefault(key, []).append(path)

    def find(self, file: str) -> str | None:
        """Return the path of an image, relative to the folder; None if it is not there.

        ``file`` is a path, whose first folder may be missing (it is the archive's), or a name. A
        name may lack its extension, or have that of the image before it was converted.

        Raises
        ------
        DatasetError
            If several images have the name.
        """
        path = PurePosixPath(file.replace("\\", "/"))
        if len(path.parts) > 1:
            shorter = PurePosixPath(*path.parts[1:])
            return next((p for p in (str(path), str(shorter)) if p in self._paths), None)
        found = self._by_name.get(file, [])
        if not found and path.suffix.lower() in _SUFFIXES:
            found = self._by_name.get(path.stem, [])
        if len(found) > 1:
            raise DatasetError(
                f"{self._folder}: {found[0]} and {found[1]} have the same name {file}; pass the "
                "folder with one of them as --images"
            )
        return found[0] if found else None


def _images(folder: Path) -> Iterator[str]:
    def stop(error: OSError) -> None:
        raise DatasetError(
            f"{error.filename}: cannot be listed ({error.strerror}); check --images"
        ) from error

    for parent, _, names in os.walk(folder, onerror=stop):
        for name in sorted(names):
            path = Path(parent, name)
            if path.suffix.lower() in _SUFFIXES and not name.startswith("."):
                yield path.relative_to(folder).as_posix()
