from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from sqlalchemy import select

from pneumoscope.clinic.identity.accounts import Actor, Role, create_user, end_sessions
from pneumoscope.clinic.identity.credentials import (
    SignedIn,
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
MOMENT = timedelta(microseconds=1)


def _add(database: Database, name: str = "anna", role: Role = Role.CLINICIAN) -> Actor:
    with database.writing() as session:
        return create_user(session, name, role, None, NOW)


def _open(database: Database, actor: Actor, now: datetime = NOW) -> str:
    with database.writing() as session:
        return open_session(session, actor, now)[0]


def _touch(database: Database, token: str, now: datetime) -> None:
    with database.writing() as session:
        touch(session, token, now)


def _signed_in(database: Database, token: str, now: datetime) -> SignedIn | None:
    with database.reading() as session:
        return actor_of_session(session, token, now)


def _issue(database: Database, actor: Actor, days: int = 30) -> tuple[str, str]:
    with database.writing() as session:
        return issue_token(session, actor.user_id, "script", NOW, days)


def _by_token(database: Database, token: str, now: datetime) -> Actor | None:
    with database.reading() as session:
        return actor_of_token(session, token, now)


def _deactivate_alone(database: Database, actor: Actor) -> None:
    with database.writing() as session:
        session.get_one(User, actor.user_id).active = False


def test_a_session_gives_back_who_opened_it_with_its_csrf_token(database: Database) -> None:
    anna, ben = _add(database), _add(database, "ben")
    with database.writing() as session:
        token, csrf = open_session(session, anna, NOW)
        of_ben, csrf_of_ben = open_session(session, ben, NOW)
    assert len({token, csrf, of_ben, csrf_of_ben}) == 4
    assert min(len(token), len(csrf)) >= 43  # 256 bits at 6 bits a character
    assert _signed_in(database, token, NOW) == SignedIn(anna, csrf, touch_due=False)
    assert _signed_in(database, of_ben, NOW) == SignedIn(ben, csrf_of_ben, touch_due=False)


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
def test_a_token_that_nobody_was_given_opens_nothing(database: Database, token: str) -> None:
    _open(database, _add(database))
    assert _signed_in(database, token, NOW) is None
    assert _by_token(database, token, NOW) is None


def test_a_session_ends_after_15_minutes_of_no_use(database: Database) -> None:
    token = _open(database, _add(database))
    assert _signed_in(database, token, NOW + 15 * MINUTE - MOMENT) is not None
    assert _signed_in(database, token, NOW + 15 * MINUTE) is None


def test_a_session_that_is_used_goes_on_and_one_that_has_ended_does_not(
    database: Database,
) -> None:
    token = _open(database, _add(database))
    _touch(database, token, NOW + 14 * MINUTE)
    assert _signed_in(database, token, NOW + 28 * MINUTE) is not None
    _touch(database, token, NOW + 29 * MINUTE)
    assert _signed_in(database, token, NOW + 29 * MINUTE) is None


def test_a_session_ends_after_12_hours_of_use(database: Database) -> None:
    token = _open(database, _add(database))
    for passed in range(10, 12 * 60, 10):
        _touch(database, token, NOW + passed * MINUTE)
    assert _signed_in(database, token, NOW + 12 * 60 * MINUTE - MOMENT) is not None
    assert _signed_in(database, token, NOW + 12 * 60 * MINUTE) is None


def test_use_is_to_be_written_down_once_a_minute(database: Database) -> None:
    def is_due(now: datetime) -> bool:
        signed_in = _signed_in(database, token, now)
        assert signed_in is not None
        return signed_in.touch_due

    token = _open(database, _add(database))
    assert not is_due(NOW + MINUTE - MOMENT)
    assert is_due(NOW + MINUTE)
    _touch(database, token, NOW + MINUTE)
    assert not is_due(NOW + 2 * MINUTE - MOMENT)


def test_a_session_that_is_closed_is_closed_alone(database: Database) -> None:
    anna = _add(database)
    closed, other = _open(database, anna), _open(database, anna)
    with database.writing() as session:
        close_session(session, closed)
    assert _signed_in(database, closed, NOW) is None
    assert _signed_in(database, other, NOW) is not None


def test_all_sessions_of_a_user_end_and_of_no_other(database: Database) -> None:
    anna, ben = _add(database), _add(database, "ben")
    of_anna, of_ben = [_open(database, anna), _open(database, anna)], _open(database, ben)
    with database.writing() as session:
        end_sessions(session, anna.user_id)
    assert [_signed_in(database, token, NOW) for token in of_anna] == [None, None]
    assert _signed_in(database, of_ben, NOW) is not None


def test_sessions_that_have_run_out_are_removed_by_the_next(database: Database) -> None:
    anna = _add(database)
    _open(database, anna)
    held, opened = (
        _open(database, anna, NOW + 5 * MINUTE),
        _open(database, anna, NOW + 15 * MINUTE),
    )
    with database.reading() as session:
        kept = set(session.scalars(select(UserSession.token_sha256)))
    assert kept == {sha256(token.encode()).hexdigest() for token in (held, opened)}


def test_credentials_of_who_is_not_active_do_not_hold(database: Database) -> None:
    anna = _add(database)
    cookie, (_, token) = _open(database, anna), _issue(database, anna)
    _deactivate_alone(database, anna)
    assert _signed_in(database, cookie, NOW) is None
    assert _by_token(database, token, NOW) is None


def test_an_api_token_signs_in_until_its_last_day_is_over(database: Database) -> None:
    pacs = _add(database, "pacs", Role.SERVICE)
    _, token = _issue(database, pacs, days=30)
    assert token.startswith("pns_")
    assert len(token) >= 4 + 43
    assert _by_token(database, token, NOW + timedelta(days=30) - MOMENT) == pacs
    assert _by_token(database, token, NOW + timedelta(days=30)) is None


def test_an_api_token_that_is_revoked_is_revoked_alone(database: Database) -> None:
    pacs = _add(database, "pacs", Role.SERVICE)
    (first_id, first), (_, second) = _issue(database, pacs), _issue(database, pacs)
    for later in (NOW, NOW + MINUTE):
        with database.writing() as session:
            revoke_token(session, first_id, later)
    assert _by_token(database, first, NOW) is None
    assert _by_token(database, second, NOW) == pacs
    with database.reading() as session:
        assert session.get_one(ApiToken, first_id).revoked == NOW


def test_a_users_tokens_are_listed_newest_first(database: Database) -> None:
    pacs, other = _add(database, "pacs", Role.SERVICE), _add(database, "other")
    with database.writing() as session:
        for number in range(3):
            issue_token(session, pacs.user_id, f"script {number}", NOW + number * MINUTE, 1)
        issue_token(session, other.user_id, "of another", NOW, 1)
    with database.reading() as session:
        names = [token.name for token in tokens_of(session, pacs.user_id)]
    assert names == ["script 2", "script 1", "script 0"]


@pytest.mark.parametrize("days", [-1, 0, 367, 10**12])
def test_an_api_token_for_ever_is_refused(database: Database, days: int) -> None:
    anna = _add(database)
    with pytest.raises(ClinicError, match="days"):
        _issue(database, anna, days)


@pytest.mark.parametrize("name", ["", "x" * 101, "a\x00b"])
def test_an_api_token_without_a_name_is_refused(database: Database, name: str) -> None:
    anna = _add(database)
    with pytest.raises(ClinicError, match="name"), database.writing() as session:
        issue_token(session, anna.user_id, name, NOW, 1)


def test_nobody_gets_no_api_token(database: Database) -> None:
    anna = _add(database)
    _deactivate_alone(database, anna)
    for nobody in (anna, Actor("0" * 32, "nobody", Role.SERVICE)):
        with pytest.raises(ClinicError, match="no active user"):
            _issue(database, nobody)


def test_a_token_that_is_not_there_cannot_be_revoked(database: Database) -> None:
    with pytest.raises(ClinicError, match="no API token"), database.writing() as session:
        revoke_token(session, "0" * 32, NOW)
