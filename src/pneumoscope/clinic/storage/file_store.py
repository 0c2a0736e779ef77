"""Content-addressed file store: each content once, under its SHA-256, never changed."""

import hashlib
import os
import shutil
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from pneumoscope.support.errors import StorageError
from pneumoscope.support.files import sync_folder


class FileStore:
    """A folder of content-addressed files; created if missing.

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
        """Store a content, unless it is there already, and return its SHA-256.

        When this returns, the bytes are on the disk (fsync). If they cannot be written,
        StorageError is raised and no partial file remains.
        """
        digest = hashlib.sha256()
        while chunk := content.read(2**20):
            digest.update(chunk)
        sha256 = digest.hexdigest()
        path = self.path(sha256)
        # Several writers may bring the same content, so each writes to a temporary file first.
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
            sync_folder(path.parent)  # even if it exists: its writer may not have synced it yet
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise StorageError(
                f"{self.folder}: cannot store a file ({error.strerror or error}); free some disk "
                "space or check the folder's permissions, and send the file again"
            ) from error
        return sha256

    def read(self, sha256: str) -> bytes:
        """Return a stored content, verified; StorageError if it is missing or damaged."""
        try:
            content = self.path(sha256).read_bytes()
        except OSError as error:
            raise StorageError(
                f"{self.path(sha256)}: cannot read ({error.strerror}); restore it from a backup"
            ) from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise StorageError(
                f"{self.path(sha256)}: damaged (its SHA-256 differs from its name); restore it "
                "from a backup"
            )
        return content

    def remove(self, sha256: str) -> None:
        """Remove a content, if it is there; StorageError if it cannot be removed."""
        path = self.path(sha256)
        try:
            path.unlink(missing_ok=True)
            if path.parent.exists():
                sync_folder(path.parent)
        except OSError as error:
            raise StorageError(
                f"{path}: cannot remove ({error.strerror}); check the folder's permissions and run "
                "'pneumoscope purge' again"
            ) from error

    def path(self, sha256: str) -> Path:
        """Return the path of the content with a SHA-256, stored or not."""
        return self.folder / sha256[:2] / sha256
