from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from threading import Barrier
from unittest.mock import patch

import pyotp
import pytest
from sqlalchemy import select

from pneumoscope.clinic.identity import second_factor
from pneumoscope.clinic.identity.accounts import Actor, Role, create_user
from pneumoscope.clinic.identity.passwords import hash_password
from pneumoscope.clinic.identity.sign_in import Asked, check_password, sign_in
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.secret_box import SecretBox
from pneumoscope.clinic.storage.tables import RecoveryCode, SecondFactor
from pneumoscope.support.errors import ClinicError

PASSWORD = "correct horse battery staple"

pytestmark = pytest.mark.usefixtures("quick_hashes")

# RFC 6238, appendix B, for SHA-1: the last six of the eight digits, and the moment they are of.
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
CODES = {1111111109: "081804", 1234567890: "005924", 2000000000: "279037"}
NOW = datetime.fromtimestamp(1111111109, UTC)
LATER = datetime.fromtimestamp(1234567890, UTC)
STEP = timedelta(seconds=30)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "key"


@pytest.fixture
def vault(key_file: Path) -> SecretBox:
    return SecretBox(key_file)


@pytest.fixture
def anna(database: Database) -> Actor:
    password = hash_password(PASSWORD)
    with database.writing() as session:
        return create_user(session, "anna", Role.CLINICIAN, password, NOW)


@pytest.fixture
def recovery(database: Database, vault: SecretBox, anna: Actor) -> list[str]:
    """Give anna the second factor of the standard's examples; return its recovery codes."""
    with patch.object(pyotp, "random_base32", lambda: SECRET), database.writing() as session:
        second_factor.begin(session, vault, anna.user_id, NOW)
    with database.writing() as session:
        return second_factor.confirm_enrolment(session, vault, anna.user_id, CODES[1111111109], NOW)


def _sign_in(
    database: Database, vault: SecretBox, code: str | None, now: datetime, password: str = PASSWORD
) -> Actor | Asked | None:
    compared = check_password(database, "anna", password)
    with database.writing() as session:
        return sign_in(session, vault, compared, now, code)


def test_the_codes_are_those_of_the_standard(
    database: Database, vault: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    for moment, code in list(CODES.items())[1:]:
        assert _sign_in(database, vault, code, datetime.fromtimestamp(moment, UTC)) == anna


def test_a_second_factor_counts_once_a_code_has_confirmed_it(
    database: Database, vault: SecretBox, anna: Actor
) -> None:
    with patch.object(pyotp, "random_base32", lambda: SECRET), database.writing() as session:
        second_factor.begin(session, vault, anna.user_id, NOW)
    assert _sign_in(database, vault, None, NOW) == anna
    for code in ("081805", "", "0818040", "٠٨١٨٠٤", CODES[1234567890]):
        with database.writing() as session, pytest.raises(ClinicError, match="not the code"):
            second_factor.confirm_enrolment(session, vault, anna.user_id, code, NOW)
    with database.writing() as session:
        second_factor.confirm_enrolment(session, vault, anna.user_id, "081 804", NOW)
    assert _sign_in(database, vault, None, NOW) is Asked.CODE
    with database.writing() as session, pytest.raises(ClinicError, match="begin to set one up"):
        second_factor.confirm_enrolment(session, vault, anna.user_id, CODES[1111111109], NOW)


def test_one_that_counts_is_not_replaced_without_being_ended(
    database: Database, vault: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    with database.writing() as session, pytest.raises(ClinicError, match="already"):
        second_factor.begin(session, vault, anna.user_id, NOW)
    assert _sign_in(database, vault, None, LATER) is Asked.CODE


def test_no_code_is_taken_twice_nor_an_older_one(
    database: Database, vault: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    assert _sign_in(database, vault, CODES[1111111109], NOW) is None  # it has confirmed the factor
    device = pyotp.TOTP(SECRET)
    assert _sign_in(database, vault, device.at(LATER), LATER) == anna
    assert _sign_in(database, vault, device.at(LATER), LATER + STEP) is None
    assert _sign_in(database, vault, device.at(LATER - STEP), LATER) is None
    assert _sign_in(database, vault, device.at(LATER + STEP), LATER) == anna


def test_a_code_holds_for_a_clock_that_is_half_a_minute_wrong_and_no_more(
    database: Database, vault: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    code = pyotp.TOTP(SECRET).at(LATER)
    for wrong in (-2, 2):
        assert _sign_in(database, vault, code, LATER + wrong * STEP) is None
    assert _sign_in(database, vault, code, LATER + STEP) == anna


def test_wrong_codes_lock_and_a_password_alone_does_not_begin_anew(
    database: Database, vault: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    code = pyotp.TOTP(SECRET).at(LATER)
    for _ in range(4):
        assert _sign_in(database, vault, "000000", LATER) is None
        assert _sign_in(database, vault, None, LATER) is Asked.CODE
    assert _sign_in(database, vault, "000000", LATER) is None
    assert _sign_in(database, vault, None, LATER) is None
    assert _sign_in(database, vault, code, LATER) is None
    free = LATER + timedelta(minutes=15)
    assert _sign_in(database, vault, pyotp.TOTP(SECRET).at(free), free) == anna


def test_a_code_is_not_looked_at_without_the_password(
    database: Database, vault: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    code = pyotp.TOTP(SECRET).at(LATER)
    for one in (code, recovery[0]):
        assert _sign_in(database, vault, one, LATER, "not the password at all") is None
        assert _sign_in(database, vault, one, LATER) == anna


def test_a_recovery_code_works_once_however_it_is_typed(
    database: Database, vault: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    assert len(set(recovery)) == 10
    assert all(len(one.replace("-", "")) == 24 for one in recovery)
    typed = recovery[3].replace("-", " ").lower()
    assert _sign_in(database, vault, typed, LATER) == anna
    assert _sign_in(database, vault, recovery[3], LATER) is None
    with database.reading() as session:
        assert second_factor.recovery_codes_left(session, anna.user_id) == 9
        kept = set(session.scalars(select(RecoveryCode.code_sha256)))
    assert sha256(recovery[0].replace("-", "").encode()).hexdigest() in kept


def test_the_recovery_codes_of_another_are_none(
    database: Database, vault: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    with database.writing() as session:
        ben = create_user(session, "ben", Role.CLINICIAN, hash_password(PASSWORD), NOW)
        device = pyotp.TOTP(second_factor.begin(session, vault, ben.user_id, LATER))
        others = second_factor.confirm_enrolment(session, vault, ben.user_id, device.at(LATER), LATER)
    assert _sign_in(database, vault, others[0], LATER) is None


def test_who_has_none_any_more_signs_in_with_the_password_alone(
    database: Database, vault: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    with database.writing() as session:
        second_factor.remove(session, anna.user_id)
    assert _sign_in(database, vault, None, LATER) == anna
    with database.reading() as session:
        assert session.scalars(select(SecondFactor)).all() == []
        assert session.scalars(select(RecoveryCode)).all() == []


def test_of_those_who_come_with_one_code_at_once_one_is_signed_in(
    database: Database, vault: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    barrier = Barrier(4)

    def come(code: str) -> bool:
        barrier.wait()
        return _sign_in(database, vault, code, LATER) == anna

    with ThreadPoolExecutor(4) as pool:
        for code in (pyotp.TOTP(SECRET).at(LATER), recovery[0]):
            assert sum(pool.map(come, [code] * 4)) == 1


def test_the_secret_is_not_in_the_database(
    database: Database, vault: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    with database.reading() as session:
        kept = session.scalars(select(SecondFactor.secret)).one()
    assert SECRET not in kept
    assert SECRET.encode() not in b64decode(kept, b"-_")
    assert vault.open(kept, anna.user_id) == SECRET


def test_the_second_factor_of_another_is_none_in_this_row(
    database: Database, vault: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    """Who can write to the database cannot sign in as anna with a device of theirs."""
    with database.writing() as session:
        ben = create_user(session, "ben", Role.CLINICIAN, hash_password(PASSWORD), NOW)
        device = pyotp.TOTP(second_factor.begin(session, vault, ben.user_id, LATER))
        session.flush()
        theirs = session.get_one(SecondFactor, ben.user_id).secret
        session.get_one(SecondFactor, anna.user_id).secret = theirs
    assert _sign_in(database, vault, device.at(LATER), LATER) is None


@pytest.mark.parametrize("key", [None, b"", b"no key", 43 * b"A" + b"="])
def test_without_the_key_a_recovery_code_signs_in_and_the_log_says_what_to_do(
    database: Database,
    anna: Actor,
    recovery: list[str],
    key_file: Path,
    key: bytes | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    known = key_file.read_bytes()
    key_file.unlink()
    if key is not None:
        key_file.write_bytes(key)
    vault = SecretBox(key_file)
    code = pyotp.TOTP(SECRET).at(LATER)
    assert _sign_in(database, vault, code, LATER) is None
    (said,) = caplog.messages
    assert anna.user_id in said
    assert str(key_file) in said
    assert "bring" in said
    assert _sign_in(database, vault, recovery[0], LATER) == anna
    key_file.write_bytes(known)
    assert _sign_in(database, vault, code, LATER) == anna


def test_secrets_that_were_kept_as_they_are_are_sealed(
    database: Database, vault: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    with database.writing() as session:
        session.get_one(SecondFactor, anna.user_id).secret = SECRET
    for _ in range(2):  # what is sealed stays as it is
        with database.writing() as session:
            second_factor.seal_plain(session, vault)
    with database.reading() as session:
        assert (
            vault.open(session.scalars(select(SecondFactor.secret)).one(), anna.user_id) == SECRET
        )
    assert _sign_in(database, vault, pyotp.TOTP(SECRET).at(LATER), LATER) == anna
