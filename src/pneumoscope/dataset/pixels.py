"""The prepared pixels of many images, decoded once."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscope.dataset.manifest import Entry, Manifest
from pneumoscope.radiograph import Resampling, prepare_pixels, preprocess, read_radiograph
from pneumoscope.support.cache import ArrayCache, WriteRows
from pneumoscope.support.errors import DatasetError
from pneumoscope.support.parallel import map_parallel


def open_pixels(
    manifest: Manifest,
    size: int,
    cache: ArrayCache,
    resampling: Resampling = Resampling.NEAREST,
) -> NDArray[np.uint8]:
    """Return the prepared pixels of all images in use, from the cache or made now, in parallel.

    Parameters
    ----------
    manifest
        The dataset.
    size
        Side of the prepared square (see `prepare_pixels`).
    cache
        Where they are kept.
    resampling
        How they are made smaller.

    Returns
    -------
    NDArray[np.uint8]
        Shape (n, size, size), in the order of `Manifest.in_use`; read-only, it lies on disk.

    Raises
    ------
    DatasetError
        If a file is not the one that the manifest describes any more.
    UnreadableRadiographError
        If a file has become unreadable.
    StorageError
        If the pixels cannot be kept.
    """
    entries = manifest.in_use

    settings = f"{size} {resampling} {preprocess.PIXELS_VERSION}"

    def fill(write: WriteRows) -> None:
        def prepare(row: int) -> None:
            write(row, load_one(manifest.root, entries[row], size, resampling)[np.newaxis])

        map_parallel(prepare, range(len(entries)), "Preparing pixels")

    pixels: NDArray[np.uint8] = cache.open(
        "pixels",
        " ".join([settings, *(str(entry.sha256) for entry in entries)]),
        f"{size} x {size} {resampling}, data {manifest.fingerprint[:12]}",
        (len(entries), size, size),
        np.uint8,
        fill,
    ).values
    return pixels


def load_one(
    root: Path, entry: Entry, size: int, resampling: Resampling = Resampling.NEAREST
) -> NDArray[np.uint8]:
    """Decode and prepare one image, shape (size, size), after checking that it is unchanged.

    Raises
    ------
    DatasetError
        If the file is not the one that the manifest describes any more.
    UnreadableRadiographError
        If it has become unreadable.
    """
    radiograph = read_radiograph(root / entry.path, preprocess.OVERSAMPLING * size)
    if radiograph.sha256 != entry.sha256:
        raise DatasetError(
            f"{root / entry.path}: changed since the manifest was written; write the manifest "
            "again with 'pneumoscope data manifest'"
        )
    return prepare_pixels(radiograph.pixels, size, resampling)
