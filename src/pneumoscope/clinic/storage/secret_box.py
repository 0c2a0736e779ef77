"""Encryption of secrets in the database, with a key that is not in the database."""

import os
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from pneumoscope.support.errors import StorageError
from pneumoscope.support.files import sync_folder


class SecretBox:
    """Seals secrets, each for one owner, so that the database alone does not reveal them.

    The key is in a file that only its owner can read, created when the first secret is sealed.
    Servers that share a database must share it. StorageError is raised if it is invalid, or if the
    key of a sealed secret is missing or a different one.

    References
    ----------
    Fernet, github.com/fernet/spec: AES-128 in CBC mode and HMAC with SHA-256.

    Examples
    --------
    >>> secret_box = SecretBox(getfixture("tmp_path") / "key")
    >>> secret_box.open(secret_box.seal("s3cret", "anna"), "anna")
    's3cret'
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def seal(self, secret: str, owner: str) -> str:
        """Return a secret encrypted for an owner, in base 64."""
        try:
            if not self._file.exists():
                self._create_key()
            fernet = self._fernet()
        except OSError as error:
            raise StorageError(
                f"{self._file}: cannot read or create the key ({error.strerror}); check that the "
                "server may write to its folder"
            ) from error
        return fernet.encrypt(f"{owner} {secret}".encode()).decode()

    def open(self, sealed: str, owner: str) -> str:
        """Return a sealed secret, or raise StorageError if it was sealed for another owner."""
        try:
            sealed_for, _, secret = self._fernet().decrypt(sealed).decode().partition(" ")
        except OSError as error:
            raise StorageError(
                f"{self._file}: cannot read the key ({error.strerror}); restore it from a backup"
            ) from error
        except InvalidToken:
            raise StorageError(
                f"{self._file}: not the key with which the secret was sealed; restore the right "
                "key from a backup"
            ) from None
        if sealed_for != owner:
            raise StorageError(
                "a secret was sealed for another owner: the database was tampered with"
            )
        return secret

    def _fernet(self) -> Fernet:
        try:
            return Fernet(self._file.read_bytes().strip())
        except ValueError as error:
            raise StorageError(
                f"{self._file}: not a valid key; restore it from a backup, or delete it to have a "
                "new one created (second factors must then be reset)"
            ) from error

    def _create_key(self) -> None:
        # Linked when complete: of several servers that create one at once, all use the first.
        handle, temporary = tempfile.mkstemp(dir=self._file.parent, prefix=f".{self._file.name}-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(Fernet.generate_key() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(temporary, self._file)
        except FileExistsError:
            pass
        finally:
            os.unlink(temporary)
        sync_folder(self._file.parent)
