"""Prepared pixels of a dataset's images, decoded once and cached."""

from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscope.dataset.manifest import Entry, Manifest
from pneumoscope.lungs import Preparation
from pneumoscope.radiograph import read_radiograph
from pneumoscope.support.cache import ArrayCache, WriteRows
from pneumoscope.support.errors import DatasetError
from pneumoscope.support.parallel import map_parallel


class ArrayKind(StrEnum):
    """Kinds of arrays, one row per image, that are kept in the cache."""

    PIXELS = "pixels"
    ACQUISITIONS = "acquisitions"
    FEATURES = "features"


def open_pixels(
    manifest: Manifest, preparation: Preparation, cache: ArrayCache
) -> NDArray[np.uint8]:
    """Return the prepared pixels of all images in use, from the cache, or made in parallel.

    Parameters
    ----------
    manifest
        Dataset.
    preparation
        Size, resampling and framing of the squares.
    cache
        Cache of the arrays.

    Returns
    -------
    NDArray[np.uint8]
        Shape (n, size, size), in the order of `Manifest.in_use`; read-only, memory-mapped.

    Raises
    ------
    DatasetError
        If a file has changed since the manifest was written.
    UnreadableRadiographError
        If a file has become unreadable.
    StorageError
        If the pixels cannot be cached.
    """
    entries, size = manifest.in_use, preparation.size

    def fill(write: WriteRows) -> None:
        def prepare(row: int) -> None:
            write(row, load_pixels(manifest.root, entries[row], preparation)[np.newaxis])

        map_parallel(prepare, range(len(entries)), "Preparing pixels")

    return cache.open(
        ArrayKind.PIXELS,
        " ".join([preparation.fingerprint, *(str(entry.sha256) for entry in entries)]),
        f"{size} x {size} {preparation.resampling}, {preparation.framing}, data "
        f"{manifest.fingerprint[:12]}",
        (len(entries), size, size),
        np.uint8,
        fill,
    ).values


def load_pixels(root: Path, entry: Entry, preparation: Preparation) -> NDArray[np.uint8]:
    """Return the prepared pixels of one image, shape (size, size); errors as in `open_pixels`."""
    radiograph = read_radiograph(root / entry.path, preparation.min_side)
    if radiograph.sha256 != entry.sha256:
        raise DatasetError(
            f"{root / entry.path}: changed since the manifest was written; write the manifest "
            "again with 'pneumoscope data manifest'"
        )
    return preparation.square(radiograph.pixels)
