"""Atomic writing of files and folders: a reader sees the old content or the new, never a part."""

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
    """Open a temporary file beside ``path`` that replaces it when the block ends without error.

    The bytes are flushed to the disk before the rename; on any error the temporary file is
    removed and a former file at ``path`` stays as it was. Missing folders are created.

    Raises
    ------
    StorageError
        If the file cannot be written, for example because the disk is full.

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
            # If it cannot be removed it was never made, which must not hide the original error.
            with suppress(OSError):
                temporary.unlink()


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that is renamed to ``path`` when the block ends without error.

    The temporary folder is beside ``path``, which must not exist, or be empty; it is removed if the
    block fails. Errors are those of `atomic_write`.

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
    """Write bytes to a file atomically (see `atomic_write`)."""
    with atomic_write(path) as file:
        file.write(content)


def write_text(path: Path, content: str) -> None:
    """Write text to a file atomically, in UTF-8 (see `atomic_write`)."""
    write_bytes(path, content.encode())


def append_line(path: Path, line: str) -> None:
    """Append one line to a text file, creating it if needed, or raise `StorageError`."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _storage_error(path, error) from error


def require_empty(folder: Path, *, resumable: bool = False) -> None:
    """Raise if an output folder exists and is not empty.

    Parameters
    ----------
    folder
        Output folder.
    resumable
        Whether the command that writes it has ``--resume``.

    Raises
    ------
    StorageError
        If it is a file, a folder with files in it (hidden files, such as a killed process leaves,
        do not count), or cannot be listed.
    """
    try:
        empty = not folder.exists() or (folder.is_dir() and not any(folder.glob("[!.]*")))
    except OSError as error:
        raise StorageError(
            f"{folder}: cannot be listed ({error.strerror}); choose another --out"
        ) from error
    if not empty:
        resume = "pass --resume to continue the work in it, or " if resumable else ""
        raise StorageError(f"{folder}: the folder is not empty; {resume}choose another --out")


def sync_folder(folder: Path) -> None:
    """Write a folder's names to the disk (fsync), so that a rename survives a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_abandoned(path: Path) -> None:
    """Remove temporary files of killed processes beside ``path``."""
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        process = temporary.name.split(".")[-2]
        if process.isdigit() and not Path("/proc", process).exists():
            temporary.unlink(missing_ok=True)


def _storage_error(path: Path, error: OSError) -> StorageError:
    existing = next((folder for folder in path.parents if os.path.exists(folder)), Path("/"))
    free = shutil.disk_usage(existing).free / 1e6
    return StorageError(
        f"{path}: cannot be written ({error.strerror or error}); {free:,.0f} MB are free there. "
        "Nothing was replaced. Free some space or choose another folder, then run the same "
        "command again."
    )
