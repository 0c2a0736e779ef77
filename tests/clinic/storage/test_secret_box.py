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


def test_the_key_is_for_its_owner_alone(file: Path) -> None:
    SecretBox(file).seal("a secret", "anna")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_another_program_can_open_what_is_sealed(file: Path) -> None:
    sealed = SecretBox(file).seal("a secret", "anna")
    assert Fernet(file.read_text().strip()).decrypt(sealed) == b"anna a secret"


def test_a_secret_is_its_owners(file: Path) -> None:
    secret_box = SecretBox(file)
    with pytest.raises(StorageError, match="tampered"):
        secret_box.open(secret_box.seal("a secret", "ben"), "anna")


def test_what_was_changed_is_not_opened(file: Path) -> None:
    secret_box = SecretBox(file)
    sealed = secret_box.seal("a secret", "anna")
    with pytest.raises(StorageError, match="not the key"):
        secret_box.open(sealed[:40] + ("A" if sealed[40] != "A" else "B") + sealed[41:], "anna")


def test_of_keys_that_are_made_at_once_all_use_one(file: Path) -> None:
    barrier = Barrier(8)

    def seal(owner: str) -> str:
        secret_box = SecretBox(file)
        barrier.wait()
        return secret_box.seal("a secret", owner)

    with ThreadPoolExecutor(8) as pool:
        for owner, sealed in zip("abcdefgh", pool.map(seal, "abcdefgh"), strict=True):
            assert SecretBox(file).open(sealed, owner) == "a secret"
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_holds_no_key_is_left_as_it_is(file: Path) -> None:
    file.write_text("notes")
    with pytest.raises(StorageError, match="holds no key"):
        SecretBox(file).seal("a secret", "anna")
    assert file.read_text() == "notes"


def test_a_key_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="see to its folder"):
        SecretBox(tmp_path / "missing" / "key").seal("a secret", "anna")
