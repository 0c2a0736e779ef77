"""The prepared pixels of many images, decoded once."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscope.dataset.manifest import Entry
from pneumoscope.dataset.parallel import map_parallel
from pneumoscope.errors import DatasetError
from pneumoscope.radiograph import prepare_pixels, read_radiograph


def load_pixels(root: Path, entries: Sequence[Entry], size: int) -> NDArray[np.uint8]:
    """Decode and prepare images (see `prepare_pixels`), in parallel.

    Parameters
    ----------
    root
        The manifest's root.
    entries
        Images in use.
    size
        Side of the prepared square.

    Returns
    -------
    NDArray[np.uint8]
        Shape (n, size, size), in the order of ``entries``.

    Raises
    ------
    DatasetError
        If a file is not the one that the manifest describes any more.
    UnreadableRadiographError
        If a file has become unreadable.
    """
    pixels = np.empty((len(entries), size, size), np.uint8)

    def load(index: int) -> None:
        pixels[index] = load_one(root, entries[index], size)

    map_parallel(load, range(len(entries)), "Preparing pixels")
    return pixels


def load_one(root: Path, entry: Entry, size: int) -> NDArray[np.uint8]:
    """Decode and prepare one image, shape (size, size), after checking that it is unchanged.

    Raises
    ------
    DatasetError
        If the file is not the one that the manifest describes any more.
    UnreadableRadiographError
        If it has become unreadable.
    """
    radiograph = read_radiograph(root / entry.path)
    if radiograph.sha256 != entry.sha256:
        raise DatasetError(
            f"{root / entry.path}: changed since the manifest was written; write the manifest "
            "again with 'pneumoscope data manifest'"
        )
    return prepare_pixels(radiograph.pixels, size)
