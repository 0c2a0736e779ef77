"""Atomic writing: a reader sees the old file or the new one, never a half."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pneumoscope.errors import StorageError


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
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        temporary = None
        _sync_folder(path.parent)
    except OSError as error:
        raise _storage_error(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
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
    except OSError as error:
        raise _storage_error(path, error) from error


def _sync_folder(folder: Path) -> None:
    # The rename itself survives a power cut only once its folder is on the disk.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _storage_error(path: Path, error: OSError) -> StorageError:
    existing = next((folder for folder in path.parents if folder.exists()), Path("/"))
    free = shutil.disk_usage(existing).free / 1e6
    return StorageError(
        f"{path}: cannot be written ({error.strerror or error}); {free:,.0f} MB are free there. "
        "Nothing was replaced. Free some space or choose another folder, then run the same "
        "command again."
    )
