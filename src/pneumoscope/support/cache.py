"""Arrays that are expensive to make, kept on disk and shared by all Runs of a machine."""

import fcntl
import hashlib
import json
import math
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pneumoscope.support.errors import StorageError
from pneumoscope.support.files import atomic_write, write_text
from pneumoscope.support.terminal import messages

Kind = Literal["pixels", "features", "acquisitions"]

WriteRows = Callable[[int, NDArray[Any]], None]
"""Takes the index of a first row, and rows; several threads may call it at once."""

LIMIT = 20e9
"""Bytes that the arrays may take together."""

_FORMAT = 1
_FOLDER = re.compile(r"(pixels|features|acquisitions)-[0-9a-f]{32}")
_ARRAY, _RECORD, _DAMAGED = "array.npy", "array.json", "array.damaged"
_DAMAGE = (OSError, EOFError, ValueError, KeyError, TypeError)
"""What reading a damaged array or record raises."""


@dataclass(frozen=True, slots=True)
class CachedArray:
    """An array of the cache.

    Parameters
    ----------
    values
        Read-only and memory-mapped; it stays readable when its file is removed.
    seconds
        What it took to make, without other arrays that had to be made for it.
    """

    values: NDArray[Any]
    seconds: float


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """What lies in one folder of the cache.

    Parameters
    ----------
    folder
        Its place.
    kind
        Pixels or features.
    about
        What it is, in words.
    images
        Rows of the array.
    bytes
        On disk.
    created, used
        When it was made, and when it was opened last. An array that is not whole (yet) has not
        been created.
    """

    folder: Path
    kind: str
    about: str
    images: int
    bytes: int
    created: datetime | None
    used: datetime


@dataclass(frozen=True, slots=True)
class _Record:
    """The JSON beside an array; where it is, the array is whole."""

    kind: Kind
    about: str
    images: int
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    sha256: str
    seconds: float
    created: str
    format: int = _FORMAT

    def write(self, folder: Path) -> None:
        write_text(folder / _RECORD, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> "_Record":
        fields = json.loads((folder / _RECORD).read_bytes())
        record = cls(**fields | {"shape": tuple(fields["shape"])})
        if record.format != _FORMAT:
            raise ValueError(f"format {record.format} instead of {_FORMAT}")
        return record


class ArrayCache:
    """A folder of arrays, bounded in size; the least recently used ones make room for new ones.

    Each array has a folder of its own: ``array.npy``, and ``array.json``, which says what it is.

    Parameters
    ----------
    folder
        Where the arrays lie; it need not exist yet.
    limit
        Bytes that they may take together.

    Examples
    --------
    >>> cache = ArrayCache(getfixture("tmp_path"))
    >>> def fill(write: WriteRows) -> None:
    ...     for row in range(3):
    ...         write(row, np.full((1, 2), row))
    >>> cache.open("pixels", "any text", "three rows", (3, 2), np.uint8, fill).values
    memmap([[0, 0],
            [1, 1],
            [2, 2]], dtype=uint8)
    >>> [entry.about for entry in cache.entries()]
    ['three rows']
    """

    def __init__(self, folder: Path, limit: float = LIMIT) -> None:
        self.folder = folder
        self.limit = limit
        self._verified: set[tuple[int, ...]] = set()
        self._seconds_made = 0.0

    def open(
        self,
        kind: Kind,
        key: str,
        about: str,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        fill: Callable[[WriteRows], None],
    ) -> CachedArray:
        """Return an array: the one that is kept, or a new one.

        What is kept is checked (shape, size, SHA-256) when the process opens it for the first time;
        a damaged array is set aside and made anew.

        Parameters
        ----------
        kind
            Pixels or features.
        key
            All that the array depends on.
        about
            What it is, for people.
        shape, dtype
            Of the array.
        fill
            Called to make the array; it passes every row to its argument, in any order, so that the
            array need not fit into memory.

        Raises
        ------
        StorageError
            If the array cannot be written, as on a full disk; nothing is left of it.
        """
        folder = self.folder / f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:32]}"
        with suppress(*_DAMAGE):
            return self._open_whole(folder, shape, dtype)
        with _alone(folder):
            try:
                return self._open_whole(folder, shape, dtype)  # another process has made it
            except FileNotFoundError:
                pass
            except _DAMAGE as damage:
                _set_aside(folder, damage)
            self._make(folder, kind, about, shape, np.dtype(dtype), fill)
            made = self._open_whole(folder, shape, dtype)
        messages.print(f"Kept in {folder}", style="dim")
        self._make_room(folder)
        return made

    def entries(self) -> list[CacheEntry]:
        """Return what is kept, the last used first."""
        found = []
        for folder in self.folder.glob("*-*"):
            if _FOLDER.fullmatch(folder.name):
                with suppress(FileNotFoundError):  # another process removes it just now
                    found.append(_entry(folder))
        return sorted(found, key=lambda entry: entry.used, reverse=True)

    def clear(self) -> list[CacheEntry]:
        """Remove and return everything but what another process is making just now."""
        return [entry for entry in self.entries() if _remove(entry.folder)]

    def _open_whole(self, folder: Path, shape: tuple[int, ...], dtype: DTypeLike) -> CachedArray:
        """Open an array if it is whole, else raise `FileNotFoundError` or one of `_DAMAGE`."""
        record = _Record.read(folder)
        path = folder / _ARRAY
        if path.stat().st_size != record.bytes:
            raise ValueError(f"{path.stat().st_size:,} bytes instead of {record.bytes:,}")
        if _identity(path) not in self._verified:
            with messages.status(f"Checking {record.kind}: {record.about}"):
                if _sha256(path) != record.sha256:
                    raise ValueError("its SHA-256 is another")
            self._verified.add(_identity(path))
        values = np.load(path, mmap_mode="r")
        if (values.shape, values.dtype) != (shape, dtype):
            raise ValueError(f"{values.shape} {values.dtype} instead of {shape} {np.dtype(dtype)}")
        with suppress(OSError):  # a cache that may only be read serves too
            os.utime(folder / _RECORD)
        return CachedArray(values, record.seconds)

    def _make(
        self,
        folder: Path,
        kind: Kind,
        about: str,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        fill: Callable[[WriteRows], None],
    ) -> None:
        started, made_before = time.perf_counter(), self._seconds_made
        path = folder / _ARRAY
        sha256 = _write_array(path, shape, dtype, fill)
        seconds = time.perf_counter() - started - (self._seconds_made - made_before)
        self._seconds_made += seconds
        record = _Record(
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

    def _make_room(self, just_made: Path) -> None:
        entries = self.entries()
        total = sum(entry.bytes for entry in entries)
        for entry in reversed(entries):
            if total > self.limit and entry.folder != just_made and _remove(entry.folder):
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
        first_row = file.tell()
        # A disk that is too small says so now and not after an hour.
        os.posix_fallocate(file.fileno(), 0, first_row + shape[0] * row_bytes)

        # Not through a memory map: where its disk is full, the process is killed.
        def write(first: int, rows: NDArray[Any]) -> None:
            content = np.ascontiguousarray(rows, dtype).data.cast("B")
            _write_at(file.fileno(), content, first_row + first * row_bytes)

        fill(write)
        return _sha256(Path(file.name))


def _entry(folder: Path) -> CacheEntry:
    try:
        record = _Record.read(folder)
        about, images = record.about, record.images
        created = datetime.fromisoformat(record.created)
        used = (folder / _RECORD).stat().st_mtime
    except _DAMAGE:
        about, images, created, used = "unfinished", 0, None, folder.stat().st_mtime
    return CacheEntry(
        folder=folder,
        kind=folder.name.partition("-")[0],
        about=about,
        images=images,
        bytes=sum(path.stat().st_size for path in folder.iterdir()),
        created=created,
        used=datetime.fromtimestamp(used, UTC),
    )


def _identity(path: Path) -> tuple[int, ...]:
    """Return what changes when a file is replaced or written."""
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_at(handle: int, content: memoryview, offset: int) -> None:
    while content:
        written = os.pwrite(handle, content, offset)
        content, offset = content[written:], offset + written


def _set_aside(folder: Path, damage: BaseException) -> None:
    messages.print(
        f"{folder / _ARRAY}: damaged ({damage}); renamed to {_DAMAGED} and made again",
        style="yellow",
    )
    with suppress(OSError):  # what stands in the way, the writing will say
        (folder / _RECORD).unlink(missing_ok=True)
        (folder / _ARRAY).replace(folder / _DAMAGED)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process makes the same array.

    It spares work and no more: where locks are not to be had, each writes a whole file.
    """
    with ExitStack() as stack:
        with suppress(OSError):  # a folder that cannot be made is said when it is written to
            # Radiographs of patients: for their owner alone.
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            while True:
                folder.mkdir(exist_ok=True)
                handle = stack.enter_context(_opened(folder))
                _wait_for_lock(handle)
                if _is_at(folder, handle):
                    break
        try:
            yield
        finally:
            with suppress(OSError):  # it is empty only where the making has failed
                folder.rmdir()


def _wait_for_lock(handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with messages.status("Waiting for another process that makes the same"):
            fcntl.flock(handle, fcntl.LOCK_EX)


def _remove(folder: Path) -> bool:
    """Remove the cache's own files, unless a process is at work on them; tell whether they went.

    Where locks are not to be had, what is whole goes, and what may be in the making stays.
    """
    try:
        with _opened(folder) as handle:
            locked = _lock_at_once(handle)
            if not _is_at(folder, handle) or not (locked or (folder / _RECORD).exists()):
                return False
            parts = folder.glob(".array.*.part") if locked else ()
            for path in (folder / _RECORD, folder / _ARRAY, folder / _DAMAGED, *parts):
                path.unlink(missing_ok=True)
            with suppress(OSError):  # something else lies in it
                folder.rmdir()
    except OSError:
        return False
    return True


def _lock_at_once(handle: int) -> bool:
    """Lock a folder; tell False where its file system has no locks.

    Raises
    ------
    BlockingIOError
        If another process holds the lock.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def _is_at(folder: Path, handle: int) -> bool:
    """Tell whether an opened folder still lies there: who had its lock may have removed it."""
    try:
        return os.path.samestat(os.fstat(handle), folder.stat())
    except FileNotFoundError:
        return False


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield handle  # closing it gives a lock back
    finally:
        os.close(handle)
