"""Time-based one-time passwords and recovery codes."""

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
from pneumoscope.clinic.identity.sign_in import Challenge, check_password, sign_in
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.secret_box import SecretBox
from pneumoscope.clinic.storage.tables import RecoveryCode, SecondFactor
from pneumoscope.support.errors import ClinicError

PASSWORD = "correct horse battery staple"

pytestmark = pytest.mark.usefixtures("quick_hashes")

# RFC 6238, appendix B, for SHA-1: last six of the eight digits, by Unix time.
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
CODES = {1111111109: "081804", 1234567890: "005924", 2000000000: "279037"}
NOW = datetime.fromtimestamp(1111111109, UTC)
LATER = datetime.fromtimestamp(1234567890, UTC)
STEP = timedelta(seconds=30)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "key"


@pytest.fixture
def secret_box(key_file: Path) -> SecretBox:
    return SecretBox(key_file)


@pytest.fixture
def anna(database: Database) -> Actor:
    password = hash_password(PASSWORD)
    with database.writing() as session:
        return create_user(session, "anna", Role.CLINICIAN, password, NOW)


@pytest.fixture
def recovery(database: Database, secret_box: SecretBox, anna: Actor) -> list[str]:
    """Activate the standard's example secret for anna; return the recovery codes."""
    with patch.object(pyotp, "random_base32", lambda: SECRET), database.writing() as session:
        second_factor.begin_enrolment(session, secret_box, anna.user_id, NOW)
    with database.writing() as session:
        return second_factor.confirm_enrolment(
            session, secret_box, anna.user_id, CODES[1111111109], NOW
        )


def _sign_in(
    database: Database,
    secret_box: SecretBox,
    code: str | None,
    now: datetime,
    password: str = PASSWORD,
) -> Actor | Challenge | None:
    check = check_password(database, "anna", password)
    with database.writing() as session:
        return sign_in(session, secret_box, check, now, code)


def test_codes_match_the_test_vectors_of_rfc_6238(
    database: Database, secret_box: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    for moment, code in list(CODES.items())[1:]:
        assert _sign_in(database, secret_box, code, datetime.fromtimestamp(moment, UTC)) == anna


def test_a_second_factor_is_active_once_confirmed_with_a_code(
    database: Database, secret_box: SecretBox, anna: Actor
) -> None:
    with patch.object(pyotp, "random_base32", lambda: SECRET), database.writing() as session:
        second_factor.begin_enrolment(session, secret_box, anna.user_id, NOW)
    assert _sign_in(database, secret_box, None, NOW) == anna
    for code in ("081805", "", "0818040", "٠٨١٨٠٤", CODES[1234567890]):
        with (
            database.writing() as session,
            pytest.raises(ClinicError, match="not the current"),
        ):
            second_factor.confirm_enrolment(session, secret_box, anna.user_id, code, NOW)
    with database.writing() as session:
        second_factor.confirm_enrolment(session, secret_box, anna.user_id, "081 804", NOW)
    assert _sign_in(database, secret_box, None, NOW) is Challenge.CODE
    with (
        database.writing() as session,
        pytest.raises(ClinicError, match="no second factor"),
    ):
        second_factor.confirm_enrolment(session, secret_box, anna.user_id, CODES[1111111109], NOW)


def test_an_active_second_factor_cannot_be_replaced(
    database: Database, secret_box: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    with database.writing() as session, pytest.raises(ClinicError, match="already"):
        second_factor.begin_enrolment(session, secret_box, anna.user_id, NOW)
    assert _sign_in(database, secret_box, None, LATER) is Challenge.CODE


def test_used_and_older_codes_are_rejected(
    database: Database, secret_box: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    assert _sign_in(database, secret_box, CODES[1111111109], NOW) is None  # used for the enrolment
    device = pyotp.TOTP(SECRET)
    assert _sign_in(database, secret_box, device.at(LATER), LATER) == anna
    assert _sign_in(database, secret_box, device.at(LATER), LATER + STEP) is None
    assert _sign_in(database, secret_box, device.at(LATER - STEP), LATER) is None
    assert _sign_in(database, secret_box, device.at(LATER + STEP), LATER) == anna


def test_codes_tolerate_a_clock_error_of_one_step(
    database: Database, secret_box: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    code = pyotp.TOTP(SECRET).at(LATER)
    for steps in (-2, 2):
        assert _sign_in(database, secret_box, code, LATER + steps * STEP) is None
    assert _sign_in(database, secret_box, code, LATER + STEP) == anna


def test_wrong_codes_lock_and_a_password_alone_does_not_reset_the_count(
    database: Database, secret_box: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    code = pyotp.TOTP(SECRET).at(LATER)
    for _ in range(4):
        assert _sign_in(database, secret_box, "000000", LATER) is None
        assert _sign_in(database, secret_box, None, LATER) is Challenge.CODE
    assert _sign_in(database, secret_box, "000000", LATER) is None
    assert _sign_in(database, secret_box, None, LATER) is None
    assert _sign_in(database, secret_box, code, LATER) is None
    unlocked = LATER + timedelta(minutes=15)
    assert _sign_in(database, secret_box, pyotp.TOTP(SECRET).at(unlocked), unlocked) == anna


def test_a_wrong_password_does_not_use_a_code_up(
    database: Database, secret_box: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    for code in (pyotp.TOTP(SECRET).at(LATER), recovery[0]):
        assert _sign_in(database, secret_box, code, LATER, "not the password at all") is None
        assert _sign_in(database, secret_box, code, LATER) == anna


def test_a_recovery_code_works_once_in_any_spelling(
    database: Database, secret_box: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    assert len(set(recovery)) == 10
    assert all(len(code.replace("-", "")) == 24 for code in recovery)
    typed = recovery[3].replace("-", " ").lower()
    assert _sign_in(database, secret_box, typed, LATER) == anna
    assert _sign_in(database, secret_box, recovery[3], LATER) is None
    with database.reading() as session:
        assert second_factor.count_recovery_codes(session, anna.user_id) == 9
        stored = set(session.scalars(select(RecoveryCode.code_sha256)))
    assert sha256(recovery[0].replace("-", "").encode()).hexdigest() in stored


def test_recovery_codes_of_another_user_are_rejected(
    database: Database, secret_box: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    with database.writing() as session:
        ben = create_user(session, "ben", Role.CLINICIAN, hash_password(PASSWORD), NOW)
        device = pyotp.TOTP(second_factor.begin_enrolment(session, secret_box, ben.user_id, LATER))
        codes_of_ben = second_factor.confirm_enrolment(
            session, secret_box, ben.user_id, device.at(LATER), LATER
        )
    assert _sign_in(database, secret_box, codes_of_ben[0], LATER) is None


def test_after_removal_the_password_alone_signs_in(
    database: Database, secret_box: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    with database.writing() as session:
        second_factor.remove(session, anna.user_id)
    assert _sign_in(database, secret_box, None, LATER) == anna
    with database.reading() as session:
        assert session.scalars(select(SecondFactor)).all() == []
        assert session.scalars(select(RecoveryCode)).all() == []


def test_of_simultaneous_sign_ins_with_one_code_only_one_succeeds(
    database: Database, secret_box: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    barrier = Barrier(4)

    def succeeds(code: str) -> bool:
        barrier.wait()
        return _sign_in(database, secret_box, code, LATER) == anna

    with ThreadPoolExecutor(4) as pool:
        for code in (pyotp.TOTP(SECRET).at(LATER), recovery[0]):
            assert sum(pool.map(succeeds, [code] * 4)) == 1


def test_the_secret_is_not_in_the_database(
    database: Database, secret_box: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    with database.reading() as session:
        stored = session.scalars(select(SecondFactor.secret)).one()
    assert SECRET not in stored
    assert SECRET.encode() not in b64decode(stored, b"-_")
    assert secret_box.open(stored, anna.user_id) == SECRET


def test_a_secret_copied_from_another_user_is_rejected(
    database: Database, secret_box: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    """Write access to the database is not enough to sign in as anna with another device."""
    with database.writing() as session:
        ben = create_user(session, "ben", Role.CLINICIAN, hash_password(PASSWORD), NOW)
        device = pyotp.TOTP(second_factor.begin_enrolment(session, secret_box, ben.user_id, LATER))
        session.flush()
        secret_of_ben = session.get_one(SecondFactor, ben.user_id).secret
        session.get_one(SecondFactor, anna.user_id).secret = secret_of_ben
    assert _sign_in(database, secret_box, device.at(LATER), LATER) is None


@pytest.mark.parametrize("key", [None, b"", b"no key", 43 * b"A" + b"="])
def test_without_the_key_only_recovery_codes_work_and_the_log_says_what_to_do(
    database: Database,
    anna: Actor,
    recovery: list[str],
    key_file: Path,
    key: bytes | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    original_key = key_file.read_bytes()
    key_file.unlink()
    if key is not None:
        key_file.write_bytes(key)
    secret_box = SecretBox(key_file)
    code = pyotp.TOTP(SECRET).at(LATER)
    assert _sign_in(database, secret_box, code, LATER) is None
    (message,) = caplog.messages
    assert anna.user_id in message
    assert str(key_file) in message
    assert "restore" in message
    assert _sign_in(database, secret_box, recovery[0], LATER) == anna
    key_file.write_bytes(original_key)
    assert _sign_in(database, secret_box, code, LATER) == anna


def test_secrets_stored_unsealed_are_sealed(
    database: Database, secret_box: SecretBox, anna: Actor, recovery: list[str]
) -> None:
    with database.writing() as session:
        session.get_one(SecondFactor, anna.user_id).secret = SECRET
    for _ in range(2):  # sealed secrets stay as they are
        with database.writing() as session:
            second_factor.seal_unsealed_secrets(session, secret_box)
    with database.reading() as session:
        assert (
            secret_box.open(session.scalars(select(SecondFactor.secret)).one(), anna.user_id)
            == SECRET
        )
    assert _sign_in(database, secret_box, pyotp.TOTP(SECRET).at(LATER), LATER) == anna
