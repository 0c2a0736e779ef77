"""Password strength and hashing."""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import patch

import argon2
import pytest

from pneumoscope.clinic.identity.passwords import (
    hash_password,
    needs_rehash,
    require_strong_password,
    verify_password,
)
from pneumoscope.support.errors import ClinicError


@pytest.mark.parametrize("length", [15, 16, 64, 127, 128])
def test_passwords_of_15_to_128_characters_are_accepted(length: int) -> None:
    require_strong_password(("four words and a number 7, " * 10)[:length], "anna")


@pytest.mark.parametrize("length", [0, 8, 14, 129])
def test_shorter_and_longer_passwords_are_refused(length: int) -> None:
    with pytest.raises(ClinicError, match="15 to 128"):
        require_strong_password(("abcdefg hijk" * 22)[:length], "anna")


def test_repeated_spaces_count_as_one_character() -> None:
    with pytest.raises(ClinicError, match="15 to 128"):
        require_strong_password("xkq vth   wzj bn", "anna")  # 14 without repeated spaces
    require_strong_password("xkq vth   wzj bnr", "anna")


def test_length_counts_characters_not_bytes() -> None:
    with pytest.raises(ClinicError, match="15 to 128"):
        require_strong_password("äöüßéèêñçøåæ漢字", "anna")  # 14 characters, 30 bytes
    require_strong_password("äöüßéèêñçøåæ漢字 ", "anna")


@pytest.mark.parametrize(
    "kind", ["abcdefghijklm", "ABCDEFGHIJKLM", "0123456789", "!§$%&/()=?*#", "äöüéèêñçøåæ"]
)
def test_no_kind_of_character_is_required(kind: str) -> None:
    draw = random.Random(7)
    for _ in range(50):
        require_strong_password("".join(draw.choices(kind, k=24)), "xavier")


# Keyboard walks, and common short passwords extended in typical ways.
@pytest.mark.parametrize(
    "password",
    [
        "1qaz2wsx3edc4rfv",
        "1q2w3e4r5t6y7u8i",
        "qwertyuiop1234567890",
        "zxcvbnmasdfghjkl",
        "123456789123456789",
        "passwordpassword",
        "Password1234567!",
        "P@ssw0rd2026!!!!",
        "iloveyouiloveyou",
        "abcdefghijklmnopqrstuvwxyz",
        "adminadminadmin1",
        "Summer2026Summer2026",
    ],
)
def test_common_passwords_are_refused(password: str) -> None:
    with pytest.raises(ClinicError, match="easily guessed"):
        require_strong_password(password, "anna")


@pytest.mark.parametrize(
    "password",
    [
        "Pneumoscope2026",
        "Pneum0sc0pe1234",
        "StVerena2026!!!",
        "Radiology2026!!",
        "GrossGross2026!",
    ],
)
def test_names_of_the_clinic_and_its_sites_are_refused(password: str) -> None:
    with pytest.raises(ClinicError, match="easily guessed"):
        require_strong_password(password, "anna gross", ["St Verena", "Ward 7"])


def test_part_of_a_site_name_is_allowed_in_a_strong_password() -> None:
    require_strong_password("verena fed the grey horse", "anna", ["St Verena"])


def test_only_the_first_72_characters_are_estimated() -> None:
    for password in ("four words and a number 7" + "a" * 103, "xkq vth wzj bnr" * 8):
        require_strong_password(password, "anna")
    with pytest.raises(ClinicError, match="easily guessed"):
        require_strong_password("abcde" * 25, "anna")


@pytest.mark.parametrize(
    "password", ["a" * 20, "abababababababa", "1234123412341234", "AaAaAabBbBbBcCd"]
)
def test_passwords_that_repeat_a_few_characters_are_refused(password: str) -> None:
    with pytest.raises(ClinicError, match="repeats"):
        require_strong_password(password, "anna")


@pytest.mark.parametrize(
    "password", ["my name is Anna M.", "ANNAannaANNA 1234", "ａｎｎａ in wide type"]
)
def test_the_user_name_is_refused_in_any_spelling(password: str) -> None:
    with pytest.raises(ClinicError, match="name") as caught:
        require_strong_password(password, "anna")
    assert "anna" not in str(caught.value).lower()


def test_hashes_are_argon2id_with_individual_salts() -> None:
    first, second = hash_password("correct horse battery"), hash_password("correct horse battery")
    assert first != second
    parameters = argon2.extract_parameters(first)
    assert parameters.type is argon2.Type.ID
    assert argon2.PasswordHasher().verify(second, "correct horse battery")


def test_a_password_matches_in_any_unicode_normalization() -> None:
    composed, decomposed = "caf\u00e9 au lait, merci", "cafe\u0301 au lait, merci"
    assert verify_password(decomposed, hash_password(composed))
    assert not verify_password("cafe au lait, merci", hash_password(composed))


def test_a_hash_with_weaker_parameters_needs_a_rehash() -> None:
    assert needs_rehash(argon2.PasswordHasher(time_cost=1).hash("correct horse battery"))
    assert not needs_rehash(argon2.PasswordHasher().hash("correct horse battery"))


def test_at_most_four_passwords_are_hashed_simultaneously() -> None:
    running, maximum = 0, 0
    lock = threading.Lock()
    hash_, verify = argon2.PasswordHasher.hash, argon2.PasswordHasher.verify

    def count_calls(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: object) -> object:
            nonlocal running, maximum
            with lock:
                running += 1
                maximum = max(maximum, running)
            time.sleep(0.05)  # so that the calls overlap
            try:
                return call(*args)
            finally:
                with lock:
                    running -= 1

        return wrapper

    stored = hash_password("correct horse battery")
    with (
        patch.object(argon2.PasswordHasher, "hash", count_calls(hash_)),
        patch.object(argon2.PasswordHasher, "verify", count_calls(verify)),
        ThreadPoolExecutor(12) as pool,
    ):
        assert all(pool.map(lambda _: verify_password("correct horse battery", stored), range(6)))
        list(pool.map(hash_password, ["correct horse battery"] * 6))
    assert maximum == 4
