"""Files that a transaction names, held so that none is purged before it ends."""

from collections.abc import Mapping
from typing import BinaryIO

from sqlalchemy.orm import Session

from pneumoscope.clinic.storage.database import lock
from pneumoscope.clinic.storage.file_store import FileStore


def keep_until_commit(session: Session, store: FileStore, files: Mapping[str, BinaryIO]) -> None:
    """Hold files that were put into the store, and put again what was purged since.

    What a purge removes, it removes while it holds the file's name and no image has it. So a file
    that is there now stays until this transaction has ended, and with it the image that names it.

    Parameters
    ----------
    session
        In a transaction that writes, and has locked nothing else yet.
    store
        That they were put into.
    files
        By their SHA-256; they can be read again.

    Raises
    ------
    StorageError
        If one cannot be written again.
    """
    for sha256, content in sorted(files.items()):  # in one order, so that no two wait in a circle
        lock(session, file_name(sha256))
        if not store.path(sha256).exists():
            content.seek(0)
            store.put(content)


def file_name(sha256: str) -> str:
    """Return the name by which a file is held."""
    return f"file {sha256}"
