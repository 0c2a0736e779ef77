"""Secrets sealed with a key file."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from cryptography.fernet import Fernet

from pneumoscope.clinic.storage.secret_box import SecretBox
from pneumoscope.support.errors import StorageError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "key"


def test_only_the_owner_can_read_the_key_file(file: Path) -> None:
    SecretBox(file).seal("a secret", "anna")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_sealed_secrets_are_standard_fernet_tokens(file: Path) -> None:
    sealed = SecretBox(file).seal("a secret", "anna")
    assert Fernet(file.read_text().strip()).decrypt(sealed) == b"anna a secret"


def test_a_secret_sealed_for_another_owner_is_an_error(file: Path) -> None:
    secret_box = SecretBox(file)
    with pytest.raises(StorageError, match="tampered"):
        secret_box.open(secret_box.seal("a secret", "ben"), "anna")


def test_a_changed_secret_is_an_error(file: Path) -> None:
    secret_box = SecretBox(file)
    sealed = secret_box.seal("a secret", "anna")
    with pytest.raises(StorageError, match="not the key"):
        secret_box.open(sealed[:40] + ("A" if sealed[40] != "A" else "B") + sealed[41:], "anna")


def test_servers_that_start_simultaneously_use_one_key(file: Path) -> None:
    barrier = Barrier(8)

    def seal(owner: str) -> str:
        secret_box = SecretBox(file)
        barrier.wait()
        return secret_box.seal("a secret", owner)

    with ThreadPoolExecutor(8) as pool:
        for owner, sealed in zip("abcdefgh", pool.map(seal, "abcdefgh"), strict=True):
            assert SecretBox(file).open(sealed, owner) == "a secret"
    assert list(file.parent.iterdir()) == [file]


def test_a_file_without_a_valid_key_is_not_overwritten(file: Path) -> None:
    file.write_text("notes")
    with pytest.raises(StorageError, match="not a valid key"):
        SecretBox(file).seal("a secret", "anna")
    assert file.read_text() == "notes"


def test_a_key_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="may write to its folder"):
        SecretBox(tmp_path / "missing" / "key").seal("a secret", "anna")
