"""Files by what they hold: each lies once, under its SHA-256, and is never changed."""

import hashlib
import os
import shutil
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from pneumoscope.support.errors import StorageError
from pneumoscope.support.files import sync_folder


class FileStore:
    """A folder of content-addressed files.

    Parameters
    ----------
    folder
        Made if it is not there.

    Examples
    --------
    >>> from io import BytesIO
    >>> store = FileStore(getfixture("tmp_path") / "files")
    >>> sha256 = store.put(BytesIO(b"a radiograph"))
    >>> sha256[:8], store.read(sha256)
    ('8b2a1f59', b'a radiograph')
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, content: BinaryIO) -> str:
        """Keep what a file holds, and return its SHA-256; what is there already is left alone.

        When this returns, the bytes are on the disk.

        Raises
        ------
        StorageError
            If they cannot be written; nothing is left behind.
        """
        digest = hashlib.sha256()
        while chunk := content.read(2**20):
            digest.update(chunk)
        sha256 = digest.hexdigest()
        path = self.path(sha256)
        # Several at a time may bring the same content, so each writes a file of its own first.
        temporary = path.with_name(f".{uuid4().hex}.part")
        try:
            if not path.exists():
                content.seek(0)
                path.parent.mkdir(parents=True, exist_ok=True)
                with temporary.open("xb") as file:
                    shutil.copyfileobj(content, file)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
            sync_folder(path.parent)  # also of another's rename, which may not have got there yet
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise StorageError(
                f"{self.folder}: a file cannot be kept ({error.strerror or error}); free some "
                "space there, or see who may write to it, and send the file again"
            ) from error
        return sha256

    def read(self, sha256: str) -> bytes:
        """Return what a file holds, after checking that it is what was put there.

        Raises
        ------
        StorageError
            If it is missing or damaged.
        """
        try:
            content = self.path(sha256).read_bytes()
        except OSError as error:
            raise StorageError(
                f"{self.path(sha256)}: cannot be read ({error.strerror}); restore it from a backup"
            ) from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise StorageError(
                f"{self.path(sha256)}: is damaged: it is not what its name says; restore it from "
                "a backup"
            )
        return content

    def remove(self, sha256: str) -> None:
        """Remove what is there; it is no error if nothing is.

        Raises
        ------
        StorageError
            If it cannot be removed.
        """
        path = self.path(sha256)
        try:
            path.unlink(missing_ok=True)
            if path.parent.exists():
                sync_folder(path.parent)
        except OSError as error:
            raise StorageError(
                f"{path}: cannot be removed ({error.strerror}); see who may write there, and run "
                "pneumoscope purge again"
            ) from error

    def path(self, sha256: str) -> Path:
        """Return where the content of a SHA-256 lies, or would lie."""
        return self.folder / sha256[:2] / sha256
