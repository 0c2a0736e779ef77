"""Prepared pixels of a dataset's images, decoded once and cached."""

from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscope.dataset.manifest import Entry, Manifest
from pneumoscope.radiograph import Resampling, prepare_pixels, preprocess, read_radiograph
from pneumoscope.support.cache import ArrayCache, WriteRows
from pneumoscope.support.errors import DatasetError
from pneumoscope.support.parallel import map_parallel


class ArrayKind(StrEnum):
    """Kinds of arrays, one row per image, that are kept in the cache."""

    PIXELS = "pixels"
    ACQUISITIONS = "acquisitions"
    FEATURES = "features"


def open_pixels(
    manifest: Manifest,
    size: int,
    cache: ArrayCache,
    resampling: Resampling = Resampling.NEAREST,
) -> NDArray[np.uint8]:
    """Return the prepared pixels of all images in use, from the cache, or made in parallel.

    Parameters
    ----------
    manifest
        Dataset.
    size
        Side of the prepared square in pixels (see `prepare_pixels`).
    cache
        Cache of the arrays.
    resampling
        Resampling filter.

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
    entries = manifest.in_use
    settings = f"{size} {resampling} {preprocess.PIXELS_VERSION}"

    def fill(write: WriteRows) -> None:
        def prepare(row: int) -> None:
            write(row, load_pixels(manifest.root, entries[row], size, resampling)[np.newaxis])

        map_parallel(prepare, range(len(entries)), "Preparing pixels")

    return cache.open(
        ArrayKind.PIXELS,
        " ".join([settings, *(str(entry.sha256) for entry in entries)]),
        f"{size} x {size} {resampling}, data {manifest.fingerprint[:12]}",
        (len(entries), size, size),
        np.uint8,
        fill,
    ).values


def load_pixels(
    root: Path, entry: Entry, size: int, resampling: Resampling = Resampling.NEAREST
) -> NDArray[np.uint8]:
    """Return the prepared pixels of one image, shape (size, size); errors as in `open_pixels`."""
    radiograph = read_radiograph(root / entry.path, preprocess.OVERSAMPLING * size)
    if radiograph.sha256 != entry.sha256:
        raise DatasetError(
            f"{root / entry.path}: changed since the manifest was written; write the manifest "
            "again with 'pneumoscope data manifest'"
        )
    return prepare_pixels(radiograph.pixels, size, resampling)
