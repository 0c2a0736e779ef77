"""Images of a folder, found by their names: tables of public datasets rarely state whole paths."""

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pneumoscope.support.errors import DatasetError

_TAIL_PARTS = 3
"""Largest number of a path's last parts that an image is found by."""

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
        self._paths = [PurePosixPath(path) for path in _images(folder)]
        self._by_tail: dict[int, dict[str, list[str]]] = {}

    def find(self, file: str) -> str | None:
        """Return the path of an image, relative to the folder; None if it is not there.

        It is found by its name, and by the two folders around it where ``file`` states any, such as
        ``patient00001/study1/view1_frontal.jpg``. A name may lack its extension, or have that of
        the image before it was converted.

        Raises
        ------
        DatasetError
            If several images have the name.
        """
        path = PurePosixPath(file.replace("\\", "/"))
        length = min(len(path.parts), _TAIL_PARTS)
        tails = self._tails(length)
        found = tails.get(_tail(path, length), [])
        if not found and path.suffix.lower() in _SUFFIXES:
            found = tails.get(_tail(path.with_suffix(""), length), [])
        if len(found) > 1:
            raise DatasetError(
                f"{self._folder}: {found[0]} and {found[1]} have the same name {file}; pass the "
                "folder with one of them as --images"
            )
        return found[0] if found else None

    def _tails(self, length: int) -> dict[str, list[str]]:
        """Return the images by their last parts, with and without the extension."""
        if length not in self._by_tail:
            tails: dict[str, list[str]] = defaultdict(list)
            for path in self._paths:
                for key in {_tail(path, length), _tail(path.with_suffix(""), length)}:
                    tails[key].append(str(path))
            self._by_tail[length] = dict(tails)
        return self._by_tail[length]


def _tail(path: PurePosixPath, length: int) -> str:
    return "/".join(path.parts[-length:])


def _images(folder: Path) -> Iterator[str]:
    def stop(error: OSError) -> None:
        raise DatasetError(
            f"{error.filename}: cannot be listed ({error.strerror}); check --images"
        ) from error

    visited = set()
    # Parts of large datasets are often linked from other disks.
    for parent, folders, names in os.walk(folder, onerror=stop, followlinks=True):
        real = os.path.realpath(parent)
        folders[:] = [name for name in sorted(folders) if not name.startswith(".")]
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        for name in sorted(names):
            path = Path(parent, name)
            if path.suffix.lower() in _SUFFIXES and not name.startswith("."):
                yield path.relative_to(folder).as_posix()
