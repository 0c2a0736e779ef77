"""Cache of arrays on the disk, bounded in size."""

import hashlib
import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pneumoscope.support.cache.array_folder import (
    ARRAY,
    READ_ERRORS,
    RECORD,
    ArrayRecord,
    CacheEntry,
    folder_name,
    list_entries,
    lock_folder,
    remove_array,
    set_aside,
)
from pneumoscope.support.errors import StorageError
from pneumoscope.support.files import atomic_write
from pneumoscope.support.terminal import messages

WriteRows = Callable[[int, NDArray[Any]], None]
"""Function of the index of a first row, and rows; several threads may call it at once."""

MAX_CACHE_BYTES = 20e9


@dataclass(frozen=True, slots=True)
class CachedArray:
    """An array of the cache.

    Parameters
    ----------
    values
        Values of the array, read-only and memory-mapped; they stay readable when the file is
        removed.
    seconds
        Time that it took to make, without other arrays that had to be made for it.
    """

    values: NDArray[Any]
    seconds: float


class ArrayCache:
    """A folder of arrays, bounded in size: the least recently used ones make room for new ones.

    Each array has a folder of its own: ``array.npy``, and ``array.json``, which describes it.

    Parameters
    ----------
    folder
        Folder of the arrays; it need not exist yet.
    limit
        Bytes that the arrays may take together.

    Examples
    --------
    >>> class Kind(StrEnum):
    ...     COUNTS = "counts"
    >>> cache = ArrayCache(getfixture("tmp_path"))
    >>> def fill(write: WriteRows) -> None:
    ...     for row in range(3):
    ...         write(row, np.full((1, 2), row))
    >>> cache.open(Kind.COUNTS, "any text", "three rows", (3, 2), np.uint8, fill).values
    memmap([[0, 0],
            [1, 1],
            [2, 2]], dtype=uint8)
    >>> [entry.about for entry in cache.entries()]
    ['three rows']
    """

    def __init__(self, folder: Path, limit: float = MAX_CACHE_BYTES) -> None:
        self.folder = folder
        self.limit = limit
        self._verified: set[tuple[int, ...]] = set()
        self._total_seconds = 0.0

    def open(
        self,
        kind: StrEnum,
        key: str,
        about: str,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        fill: Callable[[WriteRows], None],
    ) -> CachedArray:
        """Return an array from the cache, or make it.

        A cached array is checked (shape, size, SHA-256) when the process opens it for the first
        time; a damaged one is set aside and made anew.

        Parameters
        ----------
        kind
            Kind of the array, in lower-case letters.
        key
            Everything that the array depends on.
        about
            Description of the array, for people.
        shape, dtype
            Shape and type of the array.
        fill
            Function that makes the array: it passes every row to its argument, in any order, so
            that the array need not fit into memory.

        Raises
        ------
        StorageError
            If the array cannot be written, as on a full disk; nothing is left of it.
        """
        folder = self.folder / folder_name(kind, key)
        with suppress(*READ_ERRORS):
            return self._open_complete(folder, shape, dtype)
        with lock_folder(folder):
            try:
                return self._open_complete(folder, shape, dtype)  # another process has made it
            except FileNotFoundError:
                pass
            except READ_ERRORS as damage:
                set_aside(folder, damage)
            self._make(folder, kind, about, shape, np.dtype(dtype), fill)
            array = self._open_complete(folder, shape, dtype)
        messages.print(f"Cached in {folder}", style="dim")
        self._make_room_for(folder)
        return array

    def entries(self) -> list[CacheEntry]:
        """Return the arrays of the cache, the last used first."""
        return sorted(list_entries(self.folder), key=lambda entry: entry.used, reverse=True)

    def clear(self) -> list[CacheEntry]:
        """Remove all arrays except those that another process is making; return the removed."""
        return [entry for entry in self.entries() if remove_array(entry.folder)]

    def _open_complete(self, folder: Path, shape: tuple[int, ...], dtype: DTypeLike) -> CachedArray:
        """Open a complete array, else raise `FileNotFoundError` or one of `READ_ERRORS`."""
        record = ArrayRecord.read(folder)
        path = folder / ARRAY
        if path.stat().st_size != record.bytes:
            raise ValueError(f"{path.stat().st_size:,} bytes instead of {record.bytes:,}")
        if _identity(path) not in self._verified:
            with messages.status(f"Checking {record.kind}: {record.about}"):
                if _sha256(path) != record.sha256:
                    raise ValueError("its SHA-256 differs from the recorded one")
            self._verified.add(_identity(path))
        values = np.load(path, mmap_mode="r")
        if (values.shape, values.dtype) != (shape, dtype):
            raise ValueError(f"{values.shape} {values.dtype} instead of {shape} {np.dtype(dtype)}")
        with suppress(OSError):  # a read-only cache is good enough
            os.utime(folder / RECORD)
        return CachedArray(values, record.seconds)

    def _make(
        self,
        folder: Path,
        kind: str,
        about: str,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        fill: Callable[[WriteRows], None],
    ) -> None:
        start, seconds_before = time.perf_counter(), self._total_seconds
        path = folder / ARRAY
        sha256 = _write_array(path, shape, dtype, fill)
        seconds = time.perf_counter() - start - (self._total_seconds - seconds_before)
        self._total_seconds += seconds
        record = ArrayRecord(
            kind=kind,
            about=about,
            images=shape[0],
            shape=shape,
            dtype=dtype.name,
            bytes=path.stat().st_size,
            sha256=sha256,
            seconds=round(seconds, 1),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        try:
            record.write(folder)
        except StorageError:
            path.unlink(missing_ok=True)
            raise
        self._verified.add(_identity(path))

    def _make_room_for(self, folder: Path) -> None:
        """Remove the least recently used arrays, except a new one, until the limit holds."""
        entries = self.entries()
        total = sum(entry.bytes for entry in entries)
        for entry in reversed(entries):
            if total > self.limit and entry.folder != folder and remove_array(entry.folder):
                total -= entry.bytes


def _write_array(
    path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], fill: Callable[[WriteRows], None]
) -> str:
    """Write an array row by row and return the SHA-256 of its file."""
    row_bytes = dtype.itemsize * math.prod(shape[1:])
    descr = np.lib.format.dtype_to_descr(dtype)
    with atomic_write(path) as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": descr, "fortran_order": False, "shape": shape}
        )
        file.flush()
        header_bytes = file.tell()
        # A disk that is too small is noticed now and not after an hour.
        os.posix_fallocate(file.fileno(), 0, header_bytes + shape[0] * row_bytes)

        # Not through a memory map: a full disk would kill the process.
        def write(first: int, rows: NDArray[Any]) -> None:
            content = np.ascontiguousarray(rows, dtype).data.cast("B")
            _write_at(file.fileno(), content, header_bytes + first * row_bytes)

        fill(write)
        return _sha256(Path(file.name))


def _identity(path: Path) -> tuple[int, ...]:
    """Return what changes when a file is replaced or written to."""
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_at(handle: int, content: memoryview, offset: int) -> None:
    while content:
        written = os.pwrite(handle, content, offset)
        content, offset = content[written:], offset + written
