"""Stored files that a transaction refers to, held so that no purge removes them before it ends."""

from collections.abc import Mapping
from typing import BinaryIO

from sqlalchemy.orm import Session

from pneumoscope.clinic.storage.database import lock
from pneumoscope.clinic.storage.file_store import FileStore


def keep_until_commit(session: Session, store: FileStore, files: Mapping[str, BinaryIO]) -> None:
    """Lock files in the store against purging, and store again those purged meanwhile.

    A purge removes a file only while it holds the file's lock and no image refers to the file. So a
    file that is there now stays until this transaction ends, and by then an image refers to it. The
    transaction must hold no other lock yet.
    """
    for sha256, content in sorted(files.items()):  # in one order, to avoid deadlocks
        lock(session, file_lock_name(sha256))
        if not store.path(sha256).exists():
            content.seek(0)
            store.put(content)


def file_lock_name(sha256: str) -> str:
    """Return the name of a file's lock."""
    return f"file {sha256}"
