"""One-time link to create the first administrator."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import select

from pneumoscope.clinic.identity.accounts import (
    Actor,
    Role,
    create_user,
    hash_new_password,
    list_users,
)
from pneumoscope.clinic.identity.setup_link import complete_setup, create_setup_token
from pneumoscope.clinic.identity.sign_in import check_password, sign_in
from pneumoscope.clinic.identity.tables import SetupLink
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.secret_box import SecretBox
from pneumoscope.support.errors import ClinicError

pytestmark = pytest.mark.usefixtures("quick_hashes")

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
SECRET_BOX = SecretBox(Path("not used for passwords"))
PASSWORD = "correct horse battery staple"


def _link(database: Database, now: datetime = NOW) -> str:
    with database.writing() as session:
        token = create_setup_token(session, now)
    assert token is not None
    return token


def _complete(
    database: Database,
    token: str,
    now: datetime = NOW,
    name: str = "anna",
    password: str = PASSWORD,
) -> Actor:
    password_hash = hash_new_password(database, name, password)
    with database.writing() as session:
        return complete_setup(session, token, name, password_hash, now)


def test_the_setup_link_creates_an_administrator_who_can_sign_in(database: Database) -> None:
    anna = _complete(database, _link(database))
    assert anna.role is Role.ADMINISTRATOR
    check = check_password(database, "anna", PASSWORD)
    with database.writing() as session:
        assert sign_in(session, SECRET_BOX, check, NOW) == anna


def test_the_database_holds_only_the_hash_of_the_link(database: Database) -> None:
    token = _link(database)
    with database.reading() as session:
        stored = session.scalars(select(SetupLink.token_sha256)).one()
    assert stored == sha256(token.encode()).hexdigest()


def test_the_link_works_once(database: Database) -> None:
    token = _link(database)
    _complete(database, token)
    with pytest.raises(ClinicError, match="setup link"):
        _complete(database, token, name="ben")


def test_a_used_link_stays_used_when_there_is_no_user_left(database: Database) -> None:
    token = _link(database)
    anna = _complete(database, token)
    with database.writing() as session:
        session.delete(next(user for user in list_users(session) if user.id == anna.user_id))
    with pytest.raises(ClinicError, match="setup link"):
        _complete(database, token)


def test_the_link_works_for_24_hours(database: Database) -> None:
    token = _link(database)
    with pytest.raises(ClinicError, match="setup link"):
        _complete(database, token, NOW + timedelta(hours=24))
    _complete(database, token, NOW + timedelta(hours=24, microseconds=-1))


def test_a_new_setup_link_replaces_the_older_one(database: Database) -> None:
    older, newer = _link(database), _link(database)
    with pytest.raises(ClinicError, match="setup link"):
        _complete(database, older)
    _complete(database, newer)


def test_there_is_no_setup_link_once_there_is_an_administrator(database: Database) -> None:
    with database.writing() as session:  # who may come from the single sign-on first
        create_user(session, "carl", Role.CLINICIAN, None, NOW)
    token = _link(database)
    with database.writing() as session:
        create_user(session, "ben", Role.ADMINISTRATOR, None, NOW)
    with database.writing() as session:
        assert create_setup_token(session, NOW) is None
    with pytest.raises(ClinicError, match="setup link"):
        _complete(database, token)


@pytest.mark.parametrize("token", ["", "x", "\x00"])
def test_a_guessed_link_does_not_work(database: Database, token: str) -> None:
    _link(database)
    with pytest.raises(ClinicError, match="setup link"):
        _complete(database, token)


def test_a_weak_password_does_not_use_the_link_up(database: Database) -> None:
    token = _link(database)
    with pytest.raises(ClinicError, match="15 to 128"):
        _complete(database, token, password="short")
    _complete(database, token)


def test_of_simultaneous_setups_only_one_succeeds(
    database: Database,
) -> None:
    token, barrier = _link(database), Barrier(4)

    def succeeds(number: int) -> bool:
        barrier.wait()
        try:
            _complete(database, token, name=f"user {number}")
        except ClinicError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(succeeds, range(4))) == 1
    with database.reading() as session:
        assert len(list_users(session)) == 1
