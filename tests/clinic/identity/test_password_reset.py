"""One-time links to set a password."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from threading import Barrier

import pytest
from sqlalchemy import select

from pneumoscope.clinic.identity.accounts import Actor, Role, create_user, deactivate
from pneumoscope.clinic.identity.password_reset import create_reset_token, redeem, user_of_token
from pneumoscope.clinic.identity.tables import PasswordLink
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.tables import Identity
from pneumoscope.support.errors import ClinicError

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.fixture
def anna(database: Database) -> Actor:
    with database.writing() as session:
        return create_user(session, "anna", Role.CLINICIAN, None, NOW)


def _link(database: Database, user: Actor, now: datetime = NOW) -> str:
    with database.writing() as session:
        return create_reset_token(session, user.user_id, now)


def _redeem(database: Database, token: str, now: datetime = NOW) -> Actor:
    with database.writing() as session:
        return redeem(session, token, now)


def test_the_database_holds_only_the_hash_of_a_link_which_works_once(
    database: Database, anna: Actor
) -> None:
    token = _link(database, anna)
    with database.reading() as session:
        stored = session.scalars(select(PasswordLink.token_sha256)).one()
    assert stored == sha256(token.encode()).hexdigest()
    assert _redeem(database, token) == anna
    with pytest.raises(ClinicError, match="work once"):
        _redeem(database, token)


def test_a_link_works_for_24_hours(database: Database, anna: Actor) -> None:
    token = _link(database, anna)
    with pytest.raises(ClinicError, match="24 hours"):
        _redeem(database, token, NOW + timedelta(hours=24))
    _redeem(database, token, NOW + timedelta(hours=24, microseconds=-1))


def test_a_new_link_replaces_the_users_older_one(database: Database, anna: Actor) -> None:
    with database.writing() as session:
        ben = create_user(session, "ben", Role.REVIEWER, None, NOW)
    link_of_ben, older, newer = (_link(database, user) for user in (ben, anna, anna))
    with pytest.raises(ClinicError, match="invalid, used"):
        _redeem(database, older)
    assert [_redeem(database, token) for token in (newer, link_of_ben)] == [anna, ben]


def test_only_active_persons_get_a_link(database: Database, anna: Actor) -> None:
    token = _link(database, anna)
    with database.writing() as session:
        service = create_user(session, "pacs", Role.SERVICE, None, NOW)
        deactivate(session, anna.user_id, NOW)
    with (
        database.reading() as session,
        pytest.raises(ClinicError, match="invalid, used"),
    ):
        user_of_token(session, token, NOW)
    for user in (service, anna, Actor("0" * 32, "", Role.CLINICIAN)):
        with pytest.raises(ClinicError, match="no active person"):
            _link(database, user)


def test_users_of_the_single_sign_on_get_no_link(database: Database, anna: Actor) -> None:
    with database.writing() as session:
        session.add(Identity(issuer="i", subject="s", user_id=anna.user_id, created=NOW))
    with pytest.raises(ClinicError, match="single sign-on"):
        _link(database, anna)


def test_of_simultaneous_requests_with_one_link_only_one_succeeds(
    database: Database, anna: Actor
) -> None:
    token, barrier = _link(database, anna), Barrier(4)

    def succeeds(_: int) -> bool:
        barrier.wait()
        try:
            _redeem(database, token)
        except ClinicError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(succeeds, range(4))) == 1
