import argon2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pneumoscope.clinic.passwords import check_password, hash_password, is_outdated, matches
from pneumoscope.errors import ClinicError


@pytest.mark.parametrize("length", [15, 16, 64, 255, 256])
def test_passwords_of_15_to_256_characters_will_do(length: int) -> None:
    check_password(("abcdefg hijk" * 22)[:length], "anna")


@pytest.mark.parametrize("length", [0, 8, 14, 257])
def test_shorter_and_longer_passwords_are_refused(length: int) -> None:
    with pytest.raises(ClinicError, match="15 to 256"):
        check_password(("abcdefg hijk" * 22)[:length], "anna")


def test_a_character_of_many_bytes_counts_as_one() -> None:
    with pytest.raises(ClinicError, match="15 to 256"):
        check_password("äöüßéèêñçøåæ漢字", "anna")  # 14 characters, 30 bytes
    check_password("äöüßéèêñçøåæ漢字 ", "anna")


@given(
    st.sampled_from(["abcdefghij", "ABCDEFGHIJ", "0123456789", "!§$%&/()=?", "äöü éèêñç"]).flatmap(
        lambda kind: st.text(kind, min_size=15, max_size=40).filter(lambda one: len(set(one)) >= 5)
    )
)
def test_no_kind_of_character_is_asked_for(password: str) -> None:
    check_password(password, "xavier")


@pytest.mark.parametrize(
    "password", ["a" * 20, "abababababababa", "1234123412341234", "AaAaAabBbBbBcCd"]
)
def test_a_few_characters_over_and_over_are_refused(password: str) -> None:
    with pytest.raises(ClinicError, match="repeats"):
        check_password(password, "anna")


@pytest.mark.parametrize(
    "password", ["my name is Anna M.", "ANNAannaANNA 1234", "ａｎｎａ in wide type"]
)
def test_the_users_name_is_refused_however_it_is_written(password: str) -> None:
    with pytest.raises(ClinicError, match="name") as caught:
        check_password(password, "anna")
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
