"""Folder of one cached array: its record, its lock, and its removal."""

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pneumoscope.support.files import write_text
from pneumoscope.support.terminal import messages

ARRAY, RECORD, DAMAGED = "array.npy", "array.json", "array.damaged"

READ_ERRORS = (OSError, EOFError, ValueError, KeyError, TypeError)
"""Errors that reading a damaged array or record raises."""

_FORMAT = 1
_NAME = re.compile(r"[a-z]+-[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One array of the cache, as a listing shows it.

    Parameters
    ----------
    folder
        Folder of the array.
    kind
        Kind of the array, as its user calls it.
    about
        Description of the array, for people.
    images
        Number of rows of the array; 0 while it is incomplete.
    bytes
        Size on the disk.
    used
        Time when it was last opened.
    """

    folder: Path
    kind: str
    about: str
    images: int
    bytes: int
    used: datetime


@dataclass(frozen=True, slots=True)
class ArrayRecord:
    """The JSON file beside an array; an array that has one is complete."""

    kind: str
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
        """Write the record to an array's folder, atomically."""
        write_text(folder / RECORD, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> "ArrayRecord":
        """Read the record of an array's folder; raise one of `READ_ERRORS` if that fails."""
        fields = json.loads((folder / RECORD).read_bytes())
        record = cls(**fields | {"shape": tuple(fields["shape"])})
        if record.format != _FORMAT:
            raise ValueError(f"format {record.format} instead of {_FORMAT}")
        return record


def folder_name(kind: str, key: str) -> str:
    """Return the name of the folder of an array: its kind, and a hash of its key."""
    return f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def list_entries(cache: Path) -> list[CacheEntry]:
    """Return the arrays in a cache's folder, in any order."""
    entries = []
    for folder in cache.glob("*-*"):
        if _NAME.fullmatch(folder.name):
            with suppress(FileNotFoundError):  # another process is removing it
                entries.append(_read_entry(folder))
    return entries


def set_aside(folder: Path, damage: BaseException) -> None:
    """Rename a damaged array and remove its record, with a message."""
    messages.print(
        f"{folder / ARRAY}: damaged ({damage}); renamed to {DAMAGED} and made again",
        style="yellow",
    )
    with suppress(OSError):  # writing the new array names what prevents it
        (folder / RECORD).unlink(missing_ok=True)
        (folder / ARRAY).replace(folder / DAMAGED)


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Create a folder and lock it, waiting until no other process makes the same array.

    The lock saves work and nothing else: without locks, each process writes a complete file.
    """
    with ExitStack() as stack:
        with suppress(OSError):  # writing the array names what prevents it
            # Pixels of patients: readable by their owner alone.
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            while True:
                folder.mkdir(exist_ok=True)
                handle = stack.enter_context(_open_folder(folder))
                _wait_for_lock(handle)
                if _is_still_at(folder, handle):
                    break
        try:
            yield
        finally:
            with suppress(OSError):  # it is empty only if making the array failed
                folder.rmdir()


def remove_array(folder: Path) -> bool:
    """Remove the cache's own files, unless a process is writing them; return whether it did.

    Where the file system has no locks, complete arrays are removed and incomplete ones stay.
    """
    try:
        with _open_folder(folder) as handle:
            locked = _lock_at_once(handle)
            if not _is_still_at(folder, handle) or not (locked or (folder / RECORD).exists()):
                return False
            parts = folder.glob(".array.*.part") if locked else ()
            for path in (folder / RECORD, folder / ARRAY, folder / DAMAGED, *parts):
                path.unlink(missing_ok=True)
            with suppress(OSError):  # it holds a file that is not the cache's
                folder.rmdir()
    except OSError:
        return False
    return True


def _read_entry(folder: Path) -> CacheEntry:
    try:
        record = ArrayRecord.read(folder)
        about, images = record.about, record.images
        used = (folder / RECORD).stat().st_mtime
    except READ_ERRORS:
        about, images, used = "unfinished", 0, folder.stat().st_mtime
    return CacheEntry(
        folder=folder,
        kind=folder.name.partition("-")[0],
        about=about,
        images=images,
        bytes=sum(path.stat().st_size for path in folder.iterdir()),
        used=datetime.fromtimestamp(used, UTC),
    )


def _wait_for_lock(handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with messages.status("Waiting for another process that makes the same array"):
            fcntl.flock(handle, fcntl.LOCK_EX)


def _lock_at_once(handle: int) -> bool:
    """Lock a folder or raise `BlockingIOError`; return False if its file system has no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def _is_still_at(folder: Path, handle: int) -> bool:
    """Return whether an opened folder still has its path: a former lock holder may remove it."""
    try:
        return os.path.samestat(os.fstat(handle), folder.stat())
    except FileNotFoundError:
        return False


@contextmanager
def _open_folder(folder: Path) -> Iterator[int]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield handle  # closing it releases a lock
    finally:
        os.close(handle)
