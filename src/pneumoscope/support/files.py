"""Atomic writing: a reader sees the old file or the new one, never a half."""

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pneumoscope.support.errors import StorageError


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``path`` that takes its place when the block ends well.

    The bytes are flushed to the disk before the rename; on any error the temporary file is
    removed and whatever stood at ``path`` stays as it was.

    Parameters
    ----------
    path
        Where the file is to appear. Missing folders are created.

    Yields
    ------
    IO[bytes]
        The temporary file, open for writing.

    Raises
    ------
    StorageError
        If the disk is full, the folder may not be written, and the like.

    Examples
    --------
    >>> folder = getfixture("tmp_path")
    >>> with atomic_write(folder / "note.txt") as file:
    ...     _ = file.write(b"kept")
    >>> (folder / "note.txt").read_text()
    'kept'
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        temporary = None
        sync_folder(path.parent)
    except OSError as error:
        raise _storage_error(path, error) from error
    finally:
        if temporary is not None:
            # Where it cannot be removed it was never made, and that must not hide the reason.
            with suppress(OSError):
                temporary.unlink()


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that takes the name ``path`` when the block ends well.

    Parameters
    ----------
    path
        The folder to appear; nothing, or an empty folder, may be there.

    Yields
    ------
    Path
        The temporary folder, beside ``path``; it is removed if the block fails.

    Raises
    ------
    StorageError
        If the disk is full, the folder may not be written, and the like.

    Examples
    --------
    >>> whole = getfixture("tmp_path") / "whole"
    >>> with atomic_folder(whole) as folder:
    ...     _ = (folder / "a.txt").write_text("a")
    >>> [file.name for file in whole.iterdir()]
    ['a.txt']
    """
    temporary = path.absolute().with_name(f".{path.name}.part")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        yield temporary
        os.sync()  # one flush for thousands of files: the name must not reach the disk before them
        temporary.replace(path)
        sync_folder(temporary.parent)
    except OSError as error:
        raise _storage_error(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write ``content`` to ``path`` atomically (see `atomic_write`)."""
    with atomic_write(path) as file:
        file.write(content)


def write_text(path: Path, content: str) -> None:
    """Write ``content`` to ``path`` atomically, in UTF-8 (see `atomic_write`)."""
    write_bytes(path, content.encode())


def append_line(path: Path, line: str) -> None:
    """Add one line to a text file, creating it if need be.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _storage_error(path, error) from error


def require_empty(folder: Path, *, resumable: bool = False) -> None:
    """Refuse a place where something is already.

    Parameters
    ----------
    folder
        To be written into.
    resumable
        Whether the command that writes it has ``--resume``.

    Raises
    ------
    StorageError
        If it is a file, a folder with something in it (hidden files, such as a killed process
        leaves, do not count), or cannot be looked into.
    """
    try:
        empty = not folder.exists() or (folder.is_dir() and not any(folder.glob("[!.]*")))
    except OSError as error:
        raise StorageError(
            f"{folder}: cannot be looked into ({error.strerror}); choose another --out"
        ) from error
    if not empty:
        going_on = "pass --resume to go on with what was begun in it, or " if resumable else ""
        raise StorageError(f"{folder}: the folder is not empty; {going_on}choose another --out")


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk: only then does a rename survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_abandoned(path: Path) -> None:
    """Remove what a process that was killed while it wrote ``path`` has left beside it."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        process = left.name.split(".")[-2]
        if process.isdigit() and not Path("/proc", process).exists():
            left.unlink(missing_ok=True)


def _storage_error(path: Path, error: OSError) -> StorageError:
    existing = next((folder for folder in path.parents if os.path.exists(folder)), Path("/"))
    free = shutil.disk_usage(existing).free / 1e6
    return StorageError(
        f"{path}: cannot be written ({error.strerror or error}); {free:,.0f} MB are free there. "
        "Nothing was replaced. Free some space or choose another folder, then run the same "
        "command again."
    )
