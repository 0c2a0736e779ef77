"""Secrets that are needed as they are, sealed with a key that is not in the database."""

import os
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from pneumoscope.support.errors import StorageError
from pneumoscope.support.files import sync_folder


class SecretBox:
    """Seals secrets, each for its owner, so that who has the database alone cannot read them.

    Parameters
    ----------
    file
        With the key; it is made when the first secret is sealed, readable by its owner alone.
        Servers that share a database share it.

    References
    ----------
    Fernet, github.com/fernet/spec: AES-128 in CBC mode and HMAC with SHA-256.

    Examples
    --------
    >>> vault = SecretBox(getfixture("tmp_path") / "key")
    >>> vault.open(vault.seal("s3cret", "anna"), "anna")
    's3cret'
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def seal(self, secret: str, owner: str) -> str:
        """Return a secret as it may be kept, in base 64.

        Raises
        ------
        StorageError
            If the key cannot be read or made, or the file holds none.
        """
        try:
            if not self._file.exists():
                self._make_key()
            fernet = self._fernet()
        except OSError as error:
            raise StorageError(
                f"{self._file}: the key cannot be read or made ({error.strerror}); see to its "
                "folder"
            ) from error
        return fernet.encrypt(f"{owner} {secret}".encode()).decode()

    def open(self, sealed: str, owner: str) -> str:
        """Return a secret.

        Raises
        ------
        StorageError
            If the key is missing or not the one it was sealed with, or it is another owner's.
        """
        try:
            whose, _, secret = self._fernet().decrypt(sealed).decode().partition(" ")
        except OSError as error:
            raise StorageError(
                f"{self._file}: the key cannot be read ({error.strerror}); bring it back from a "
                "backup"
            ) from error
        except InvalidToken:
            raise StorageError(
                f"{self._file}: is not the key that this was sealed with; bring that back from a "
                "backup"
            ) from None
        if whose != owner:
            raise StorageError("this was sealed for somebody else: the database was tampered with")
        return secret

    def _fernet(self) -> Fernet:
        try:
            return Fernet(self._file.read_bytes().strip())
        except ValueError as error:
            raise StorageError(
                f"{self._file}: holds no key; bring it back from a backup, or remove it and have "
                "another made"
            ) from error

    def _make_key(self) -> None:
        # Linked when it is whole: of several servers that make one at once all use the first.
        handle, made = tempfile.mkstemp(dir=self._file.parent, prefix=f".{self._file.name}-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(Fernet.generate_key() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(made, self._file)
        except FileExistsError:
            pass
        finally:
            os.unlink(made)
        sync_folder(self._file.parent)
