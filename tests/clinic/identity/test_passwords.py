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
    is_outdated,
    matches,
    require_strong_password,
)
from pneumoscope.support.errors import ClinicError


@pytest.mark.parametrize("length", [15, 16, 64, 127, 128])
def test_passwords_of_15_to_128_characters_will_do(length: int) -> None:
    require_strong_password(("four words and a number 7, " * 10)[:length], "anna")


@pytest.mark.parametrize("length", [0, 8, 14, 129])
def test_shorter_and_longer_passwords_are_refused(length: int) -> None:
    with pytest.raises(ClinicError, match="15 to 128"):
        require_strong_password(("abcdefg hijk" * 22)[:length], "anna")


def test_blanks_in_a_row_count_as_one() -> None:
    with pytest.raises(ClinicError, match="15 to 128"):
        require_strong_password(
            "xkq vth   wzj bn", "anna"
        )  # 14 characters without two of the blanks
    require_strong_password("xkq vth   wzj bnr", "anna")


def test_a_character_of_many_bytes_counts_as_one() -> None:
    with pytest.raises(ClinicError, match="15 to 128"):
        require_strong_password("äöüßéèêñçøåæ漢字", "anna")  # 14 characters, 30 bytes
    require_strong_password("äöüßéèêñçøåæ漢字 ", "anna")


@pytest.mark.parametrize(
    "kind", ["abcdefghijklm", "ABCDEFGHIJKLM", "0123456789", "!§$%&/()=?*#", "äöüéèêñçøåæ"]
)
def test_no_kind_of_character_is_asked_for(kind: str) -> None:
    draw = random.Random(7)
    for _ in range(50):
        require_strong_password("".join(draw.choices(kind, k=24)), "xavier")


# Walks over the keyboard, and the commonest short passwords made long as people do it.
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
def test_names_of_the_place_are_refused(password: str) -> None:
    with pytest.raises(ClinicError, match="easily guessed"):
        require_strong_password(password, "anna gross", ["St Verena", "Ward 7"])


def test_names_of_another_place_are_words_like_others() -> None:
    require_strong_password("verena fed the grey horse", "anna", ["St Verena"])


def test_what_follows_the_72nd_character_is_not_looked_at() -> None:
    for password in ("four words and a number 7" + "a" * 103, "xkq vth wzj bnr" * 8):
        require_strong_password(password, "anna")
    with pytest.raises(ClinicError, match="easily guessed"):
        require_strong_password("abcde" * 25, "anna")


@pytest.mark.parametrize(
    "password", ["a" * 20, "abababababababa", "1234123412341234", "AaAaAabBbBbBcCd"]
)
def test_a_few_characters_over_and_over_are_refused(password: str) -> None:
    with pytest.raises(ClinicError, match="repeats"):
        require_strong_password(password, "anna")


@pytest.mark.parametrize(
    "password", ["my name is Anna M.", "ANNAannaANNA 1234", "ａｎｎａ in wide type"]
)
def test_the_users_name_is_refused_however_it_is_written(password: str) -> None:
    with pytest.raises(ClinicError, match="name") as caught:
        require_strong_password(password, "anna")
    assert "anna" not in str(caught.value).lower()


def test_what_is_kept_is_argon2id_with_a_salt_of_its_own() -> None:
    first, second = hash_password("correct horse battery"), hash_password("correct horse battery")
    assert first != second
    parameters = argon2.extract_parameters(first)
    assert parameters.type is argon2.Type.ID
    assert argon2.PasswordHasher().verify(second, "correct horse battery")


def test_a_password_matches_however_its_accents_are_typed() -> None:
    composed, decomposed = "caf\u00e9 au lait, merci", "cafe\u0301 au lait, merci"
    assert matches(decomposed, hash_password(composed))
    assert not matches("cafe au lait, merci", hash_password(composed))


def test_a_hash_of_fewer_rounds_is_outdated() -> None:
    assert is_outdated(argon2.PasswordHasher(time_cost=1).hash("correct horse battery"))
    assert not is_outdated(argon2.PasswordHasher().hash("correct horse battery"))


def test_no_more_than_four_are_hashed_at_once() -> None:
    running, most = 0, 0
    counting = threading.Lock()
    hash_, verify = argon2.PasswordHasher.hash, argon2.PasswordHasher.verify

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def counts(*given: object) -> object:
            nonlocal running, most
            with counting:
                running += 1
                most = max(most, running)
            time.sleep(0.05)  # so that they meet
            try:
                return call(*given)
            finally:
                with counting:
                    running -= 1

        return counts

    kept = hash_password("correct horse battery")
    with (
        patch.object(argon2.PasswordHasher, "hash", counted(hash_)),
        patch.object(argon2.PasswordHasher, "verify", counted(verify)),
        ThreadPoolExecutor(12) as pool,
    ):
        assert all(pool.map(lambda _: matches("correct horse battery", kept), range(6)))
        list(pool.map(hash_password, ["correct horse battery"] * 6))
    assert most == 4
