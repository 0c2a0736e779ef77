"""Browser sessions and API tokens."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from sqlalchemy import select

from pneumoscope.clinic.identity.accounts import Actor, Role, create_user, end_sessions
from pneumoscope.clinic.identity.credentials import (
    ActiveSession,
    actor_of_session,
    actor_of_token,
    close_session,
    issue_token,
    open_session,
    revoke_token,
    tokens_of,
    touch,
)
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.tables import ApiToken, User, UserSession
from pneumoscope.support.errors import ClinicError

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TICK = timedelta(microseconds=1)


def _add(database: Database, name: str = "anna", role: Role = Role.CLINICIAN) -> Actor:
    with database.writing() as session:
        return create_user(session, name, role, None, NOW)


def _open(database: Database, actor: Actor, now: datetime = NOW) -> str:
    with database.writing() as session:
        return open_session(session, actor, now)[0]


def _touch(database: Database, token: str, now: datetime) -> None:
    with database.writing() as session:
        touch(session, token, now)


def _active_session(database: Database, token: str, now: datetime) -> ActiveSession | None:
    with database.reading() as session:
        return actor_of_session(session, token, now)


def _issue(database: Database, actor: Actor, days: int = 30) -> tuple[str, str]:
    with database.writing() as session:
        return issue_token(session, actor.user_id, "script", NOW, days)


def _actor_of_token(database: Database, token: str, now: datetime) -> Actor | None:
    with database.reading() as session:
        return actor_of_token(session, token, now)


def _set_inactive(database: Database, actor: Actor) -> None:
    """Deactivate an account without ending its sessions and tokens."""
    with database.writing() as session:
        session.get_one(User, actor.user_id).active = False


def test_a_session_returns_its_user_and_csrf_token(database: Database) -> None:
    anna, ben = _add(database), _add(database, "ben")
    with database.writing() as session:
        token, csrf = open_session(session, anna, NOW)
        token_of_ben, csrf_of_ben = open_session(session, ben, NOW)
    assert len({token, csrf, token_of_ben, csrf_of_ben}) == 4
    assert min(len(token), len(csrf)) >= 43  # 256 bits at 6 bits a character
    assert _active_session(database, token, NOW) == ActiveSession(anna, csrf, touch_due=False)
    assert _active_session(database, token_of_ben, NOW) == ActiveSession(
        ben, csrf_of_ben, touch_due=False
    )


def test_the_database_holds_only_hashes_of_tokens(database: Database) -> None:
    anna = _add(database)
    cookie = _open(database, anna)
    _, token = _issue(database, anna)
    with database.reading() as session:
        assert session.scalars(select(UserSession.token_sha256)).one() == (
            sha256(cookie.encode()).hexdigest()
        )
        row = session.scalars(select(ApiToken)).one()
    assert row.token_sha256 == sha256(token.encode()).hexdigest()
    assert token not in str(vars(row))


@pytest.mark.parametrize("token", ["", "x", "\x00", "pns_", "a" * 10_000])
def test_an_invalid_token_signs_nobody_in(database: Database, token: str) -> None:
    _open(database, _add(database))
    assert _active_session(database, token, NOW) is None
    assert _actor_of_token(database, token, NOW) is None


def test_a_session_ends_after_15_idle_minutes(database: Database) -> None:
    token = _open(database, _add(database))
    assert _active_session(database, token, NOW + 15 * MINUTE - TICK) is not None
    assert _active_session(database, token, NOW + 15 * MINUTE) is None


def test_use_prolongs_a_session_but_revives_no_expired_one(
    database: Database,
) -> None:
    token = _open(database, _add(database))
    _touch(database, token, NOW + 14 * MINUTE)
    assert _active_session(database, token, NOW + 28 * MINUTE) is not None
    _touch(database, token, NOW + 29 * MINUTE)
    assert _active_session(database, token, NOW + 29 * MINUTE) is None


def test_a_session_ends_after_12_hours_of_use(database: Database) -> None:
    token = _open(database, _add(database))
    for passed in range(10, 12 * 60, 10):
        _touch(database, token, NOW + passed * MINUTE)
    assert _active_session(database, token, NOW + 12 * 60 * MINUTE - TICK) is not None
    assert _active_session(database, token, NOW + 12 * 60 * MINUTE) is None


def test_the_time_of_last_use_is_due_once_a_minute(database: Database) -> None:
    def is_due(now: datetime) -> bool:
        active_session = _active_session(database, token, now)
        assert active_session is not None
        return active_session.touch_due

    token = _open(database, _add(database))
    assert not is_due(NOW + MINUTE - TICK)
    assert is_due(NOW + MINUTE)
    _touch(database, token, NOW + MINUTE)
    assert not is_due(NOW + 2 * MINUTE - TICK)


def test_closing_a_session_leaves_the_others_open(database: Database) -> None:
    anna = _add(database)
    closed, other = _open(database, anna), _open(database, anna)
    with database.writing() as session:
        close_session(session, closed)
    assert _active_session(database, closed, NOW) is None
    assert _active_session(database, other, NOW) is not None


def test_ending_sessions_affects_one_user_only(database: Database) -> None:
    anna, ben = _add(database), _add(database, "ben")
    tokens_of_anna = [_open(database, anna), _open(database, anna)]
    token_of_ben = _open(database, ben)
    with database.writing() as session:
        end_sessions(session, anna.user_id)
    assert [_active_session(database, token, NOW) for token in tokens_of_anna] == [None, None]
    assert _active_session(database, token_of_ben, NOW) is not None


def test_opening_a_session_deletes_expired_ones(database: Database) -> None:
    anna = _add(database)
    _open(database, anna)
    open_token, new_token = (
        _open(database, anna, NOW + 5 * MINUTE),
        _open(database, anna, NOW + 15 * MINUTE),
    )
    with database.reading() as session:
        stored = set(session.scalars(select(UserSession.token_sha256)))
    assert stored == {sha256(token.encode()).hexdigest() for token in (open_token, new_token)}


def test_credentials_of_inactive_users_are_invalid(database: Database) -> None:
    anna = _add(database)
    cookie, (_, token) = _open(database, anna), _issue(database, anna)
    _set_inactive(database, anna)
    assert _active_session(database, cookie, NOW) is None
    assert _actor_of_token(database, token, NOW) is None


def test_an_api_token_is_valid_until_it_expires(database: Database) -> None:
    pacs = _add(database, "pacs", Role.SERVICE)
    _, token = _issue(database, pacs, days=30)
    assert token.startswith("pns_")
    assert len(token) >= 4 + 43
    assert _actor_of_token(database, token, NOW + timedelta(days=30) - TICK) == pacs
    assert _actor_of_token(database, token, NOW + timedelta(days=30)) is None


def test_revoking_an_api_token_leaves_the_others_valid(database: Database) -> None:
    pacs = _add(database, "pacs", Role.SERVICE)
    (first_id, first), (_, second) = _issue(database, pacs), _issue(database, pacs)
    for later in (NOW, NOW + MINUTE):
        with database.writing() as session:
            revoke_token(session, first_id, later)
    assert _actor_of_token(database, first, NOW) is None
    assert _actor_of_token(database, second, NOW) == pacs
    with database.reading() as session:
        assert session.get_one(ApiToken, first_id).revoked == NOW


def test_a_users_tokens_are_listed_newest_first(database: Database) -> None:
    pacs, other = _add(database, "pacs", Role.SERVICE), _add(database, "other")
    with database.writing() as session:
        for number in range(3):
            issue_token(session, pacs.user_id, f"script {number}", NOW + number * MINUTE, 1)
        issue_token(session, other.user_id, "other", NOW, 1)
    with database.reading() as session:
        names = [token.name for token in tokens_of(session, pacs.user_id)]
    assert names == ["script 2", "script 1", "script 0"]


@pytest.mark.parametrize("days", [-1, 0, 367, 10**12])
def test_an_api_token_must_expire_within_366_days(database: Database, days: int) -> None:
    anna = _add(database)
    with pytest.raises(ClinicError, match="days"):
        _issue(database, anna, days)


@pytest.mark.parametrize("name", ["", "x" * 101, "a\x00b"])
def test_an_api_token_needs_a_valid_name(database: Database, name: str) -> None:
    anna = _add(database)
    with pytest.raises(ClinicError, match="name"), database.writing() as session:
        issue_token(session, anna.user_id, name, NOW, 1)


def test_only_active_users_get_an_api_token(database: Database) -> None:
    anna = _add(database)
    _set_inactive(database, anna)
    for user in (anna, Actor("0" * 32, "unknown", Role.SERVICE)):
        with pytest.raises(ClinicError, match="no active user"):
            _issue(database, user)


def test_revoking_an_unknown_token_is_an_error(database: Database) -> None:
    with pytest.raises(ClinicError, match="no API token"), database.writing() as session:
        revoke_token(session, "0" * 32, NOW)
