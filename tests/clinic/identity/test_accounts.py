"""Accounts, and signing in with a password."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from unittest.mock import patch

import argon2
import pytest
from argon2 import PasswordHasher
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import select

from pneumoscope.clinic.identity import credentials
from pneumoscope.clinic.identity.accounts import (
    Actor,
    Role,
    _normalize_name,
    create_user,
    deactivate,
    hash_new_password,
    list_users,
    set_password,
    set_role,
)
from pneumoscope.clinic.identity.passwords import PasswordHash
from pneumoscope.clinic.identity.sign_in import check_password, sign_in
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.secret_box import SecretBox
from pneumoscope.clinic.storage.tables import User
from pneumoscope.support.errors import ClinicError

pytestmark = pytest.mark.usefixtures("quick_hashes")

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
SECRET_BOX = SecretBox(Path("not used for passwords"))
RIGHT = "correct horse battery staple"
WRONG = "incorrect horse battery"


def _add(
    database: Database, name: str, role: Role = Role.CLINICIAN, password: str | None = None
) -> Actor:
    password_hash = None if password is None else hash_new_password(database, name, password)
    with database.writing() as session:
        return create_user(session, name, role, password_hash, NOW)


def _sign_in(database: Database, name: str, password: str, now: datetime = NOW) -> Actor | None:
    check = check_password(database, name, password)
    with database.writing() as session:
        return sign_in(session, SECRET_BOX, check, now)


def _set_password(database: Database, actor: Actor, password: str) -> None:
    password_hash = hash_new_password(database, actor.name, password)
    with database.writing() as session:
        set_password(session, actor.user_id, password_hash)


def _stored(database: Database, actor: Actor) -> User:
    with database.reading() as session:
        return session.scalars(select(User).where(User.id == actor.user_id)).one()


def _count_successes(count: int, call: Callable[[], object]) -> int:
    """Call a function in threads that start together; return how many calls succeeded."""
    barrier = Barrier(count)

    def succeeds(_: int) -> bool:
        barrier.wait()
        try:
            call()
        except ClinicError:
            return False
        return True

    with ThreadPoolExecutor(count) as pool:
        return sum(pool.map(succeeds, range(count)))


def test_names_ignore_case_and_surrounding_spaces(database: Database) -> None:
    anna = _add(database, " Anna Groß ", Role.REVIEWER, RIGHT)
    assert anna == Actor(anna.user_id, "anna gross", Role.REVIEWER)
    assert _sign_in(database, "ANNA  GROSS", RIGHT) == anna


@pytest.mark.parametrize("other", ["anna groß", "ANNA GROSS", "Anna  Groß ", "Ａnna Groß"])
def test_a_taken_name_is_refused(database: Database, other: str) -> None:
    with database.writing() as session:
        create_user(session, "Anna Groß", Role.CLINICIAN, None, NOW)
        with pytest.raises(ClinicError, match="choose another"):
            create_user(session, other, Role.CLINICIAN, None, NOW)
        create_user(session, "Anna Grau", Role.CLINICIAN, None, NOW)
    with database.reading() as session:
        assert [user.name for user in list_users(session)] == ["anna grau", "anna gross"]


def test_of_simultaneous_users_with_one_name_only_one_is_created(database: Database) -> None:
    assert _count_successes(4, lambda: _add(database, "anna")) == 1


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "anna\x00", "an\u202ena", "an\ud800na"])
def test_an_invalid_name_is_refused_and_signs_nobody_in(database: Database, name: str) -> None:
    with pytest.raises(ClinicError, match="name"):
        _add(database, name)
    assert _sign_in(database, name, RIGHT) is None


@given(st.text(max_size=40))
@example("ß\u0301")
def test_normalizing_a_name_twice_changes_nothing(name: str) -> None:
    assert _normalize_name(_normalize_name(name)) == _normalize_name(name)


def test_a_weak_password_creates_no_user(database: Database) -> None:
    with pytest.raises(ClinicError, match="15 to 128"):
        _add(database, "anna", password="short")
    with database.reading() as session:
        assert list_users(session) == []


@pytest.mark.parametrize("password", [WRONG, "", RIGHT.upper(), RIGHT + " "])
def test_a_wrong_password_signs_nobody_in(database: Database, password: str) -> None:
    _add(database, "anna", password=RIGHT)
    assert _sign_in(database, "anna", password) is None


def test_five_wrong_passwords_lock_an_account_for_15_minutes(database: Database) -> None:
    anna = _add(database, "anna", password=RIGHT)
    for _ in range(5):
        assert _sign_in(database, "anna", WRONG) is None
    assert _sign_in(database, "anna", RIGHT) is None
    assert _sign_in(database, "anna", RIGHT, NOW + timedelta(minutes=14, seconds=59)) is None
    assert _sign_in(database, "anna", RIGHT, NOW + timedelta(minutes=15)) == anna


def test_four_wrong_passwords_do_not_lock_and_the_right_one_resets_the_count(
    database: Database,
) -> None:
    anna = _add(database, "anna", password=RIGHT)
    for _ in range(2):
        for _ in range(4):
            assert _sign_in(database, "anna", WRONG) is None
        assert _sign_in(database, "anna", RIGHT) == anna


def test_a_lockout_is_not_prolonged_and_recurs_after_five_more_failures(
    database: Database,
) -> None:
    anna = _add(database, "anna", password=RIGHT)
    for _ in range(6):
        _sign_in(database, "anna", WRONG)
    later = NOW + timedelta(minutes=15)
    for _ in range(4):
        _sign_in(database, "anna", WRONG, later)
    assert _stored(database, anna).locked_until == later
    _sign_in(database, "anna", WRONG, later)
    assert _stored(database, anna).locked_until == later + timedelta(minutes=15)


def test_simultaneous_wrong_passwords_are_all_counted(database: Database) -> None:
    anna = _add(database, "anna", password=RIGHT)
    _count_successes(4, lambda: _sign_in(database, "anna", WRONG))
    assert _stored(database, anna).failures == 4


def test_eight_simultaneous_wrong_passwords_lock_after_five(
    database: Database,
) -> None:
    anna = _add(database, "anna", password=RIGHT)
    _count_successes(8, lambda: _sign_in(database, "anna", WRONG))
    stored = _stored(database, anna)
    assert stored.failures == 5  # the other three met a locked account
    assert stored.locked_until == NOW + timedelta(minutes=15)


def test_a_right_password_checked_before_the_lockout_does_not_sign_in(
    database: Database,
) -> None:
    anna = _add(database, "anna", password=RIGHT)
    check = check_password(database, "anna", RIGHT)
    for _ in range(5):
        _sign_in(database, "anna", WRONG)
    with database.writing() as session:
        assert sign_in(session, SECRET_BOX, check, NOW) is None
        assert sign_in(session, SECRET_BOX, check, NOW + timedelta(minutes=15)) == anna


def test_a_password_changed_during_the_check_signs_nobody_in(
    database: Database,
) -> None:
    anna = _add(database, "anna", password=RIGHT)
    right, wrong = check_password(database, "anna", RIGHT), check_password(database, "anna", WRONG)
    _set_password(database, anna, "quite another set of words")
    with database.writing() as session:
        assert sign_in(session, SECRET_BOX, right, NOW) is None
        assert sign_in(session, SECRET_BOX, wrong, NOW) is None
    assert _stored(database, anna).failures == 0  # the failures were guesses of the old password


def test_a_user_deactivated_during_the_check_is_not_signed_in(database: Database) -> None:
    anna = _add(database, "anna", password=RIGHT)
    check = check_password(database, "anna", RIGHT)
    with database.writing() as session:
        deactivate(session, anna.user_id, NOW)
        assert sign_in(session, SECRET_BOX, check, NOW) is None


def test_the_repr_of_a_check_shows_no_hash(database: Database) -> None:
    _add(database, "anna", password=RIGHT)
    assert "argon2" not in repr(check_password(database, "anna", RIGHT))


def test_every_failed_sign_in_computes_one_hash(
    database: Database,
) -> None:
    anna = _add(database, "anna", password=RIGHT)
    gone = _add(database, "gone", password=RIGHT)
    _add(database, "pacs", Role.SERVICE)
    with database.writing() as session:
        deactivate(session, gone.user_id, NOW)
    with (
        patch.object(
            PasswordHasher, "hash", autospec=True, side_effect=PasswordHasher.hash
        ) as hash_mock,
        patch.object(
            PasswordHasher, "verify", autospec=True, side_effect=PasswordHasher.verify
        ) as verify_mock,
    ):

        def hashes(name: str, password: str) -> int:
            before = hash_mock.call_count + verify_mock.call_count
            assert _sign_in(database, name, password) is None
            return hash_mock.call_count + verify_mock.call_count - before

        assert hashes("anna", WRONG) == 1
        assert hashes("nobody", WRONG) == 1
        assert hashes("no\x00body", WRONG) == 1
        assert hashes("pacs", "") == 1
        assert hashes("gone", RIGHT) == 1
        with database.writing() as session:
            session.get_one(User, anna.user_id).locked_until = NOW + timedelta(minutes=1)
        assert hashes("anna", RIGHT) == 1


def test_only_the_right_password_renews_an_outdated_hash(database: Database) -> None:
    anna = _add(database, "anna", password=RIGHT)
    old = PasswordHasher(time_cost=1, memory_cost=1024).hash(RIGHT)
    with database.writing() as session:
        session.get_one(User, anna.user_id).password_hash = old
    _sign_in(database, "anna", WRONG)
    assert _stored(database, anna).password_hash == old
    assert _sign_in(database, "anna", RIGHT) == anna
    renewed = _stored(database, anna).password_hash
    assert renewed is not None
    assert argon2.extract_parameters(renewed).time_cost == argon2.DEFAULT_TIME_COST
    assert _sign_in(database, "anna", RIGHT) == anna


def test_a_new_password_ends_sessions_and_lockout(database: Database) -> None:
    anna = _add(database, "anna", password=RIGHT)
    ben = _add(database, "ben")
    with database.writing() as session:
        token, _ = credentials.open_session(session, anna, NOW)
        other_token, _ = credentials.open_session(session, ben, NOW)
    for _ in range(5):
        _sign_in(database, "anna", WRONG)
    _set_password(database, anna, "quite another set of words")
    assert _sign_in(database, "anna", RIGHT) is None
    assert _sign_in(database, "anna", "quite another set of words") == anna
    with database.reading() as session:
        assert credentials.actor_of_session(session, token, NOW) is None
        assert credentials.actor_of_session(session, other_token, NOW) is not None


def test_a_new_password_must_be_strong(database: Database) -> None:
    anna = _add(database, "anna", password=RIGHT)
    with pytest.raises(ClinicError, match="name"):
        _set_password(database, anna, "anna, only longer than 15")
    assert _sign_in(database, "anna", RIGHT) == anna


def test_deactivation_ends_sessions_and_tokens_for_good(database: Database) -> None:
    anna = _add(database, "anna", password=RIGHT)
    ben = _add(database, "ben")
    with database.writing() as session:
        cookie, _ = credentials.open_session(session, anna, NOW)
        _, token = credentials.issue_token(session, anna.user_id, "script", NOW, 1)
        _, other_token = credentials.issue_token(session, ben.user_id, "script", NOW, 1)
    with database.writing() as session:
        deactivate(session, anna.user_id, NOW)
    assert _sign_in(database, "anna", RIGHT) is None
    with database.writing() as session:
        session.get_one(User, anna.user_id).active = True  # which revives neither
        assert credentials.actor_of_session(session, cookie, NOW) is None
        assert credentials.actor_of_token(session, token, NOW) is None
        assert credentials.actor_of_token(session, other_token, NOW) == ben


def test_a_new_role_applies_to_open_sessions(database: Database) -> None:
    anna = _add(database, "anna")
    with database.writing() as session:
        token, _ = credentials.open_session(session, anna, NOW)
    with database.writing() as session:
        set_role(session, anna.user_id, Role.REVIEWER)
    with database.reading() as session:
        active_session = credentials.actor_of_session(session, token, NOW)
    assert active_session is not None
    assert active_session.actor == Actor(anna.user_id, "anna", Role.REVIEWER)


def test_the_last_administrator_cannot_be_removed(database: Database) -> None:
    anna = _add(database, "anna", Role.ADMINISTRATOR)
    ben = _add(database, "ben", Role.ADMINISTRATOR)
    with database.writing() as session:
        deactivate(session, ben.user_id, NOW)
    with database.writing() as session:
        with pytest.raises(ClinicError, match="last administrator"):
            set_role(session, anna.user_id, Role.CLINICIAN)
        with pytest.raises(ClinicError, match="last administrator"):
            deactivate(session, anna.user_id, NOW)
        set_role(session, anna.user_id, Role.ADMINISTRATOR)
    stored = _stored(database, anna)
    assert (stored.role, stored.active) == ("administrator", True)


def test_two_administrators_cannot_remove_each_other(database: Database) -> None:
    anna = _add(database, "anna", Role.ADMINISTRATOR)
    ben = _add(database, "ben", Role.ADMINISTRATOR)

    def demote_ben() -> None:
        with database.writing() as session:
            set_role(session, ben.user_id, Role.CLINICIAN)

    with ThreadPoolExecutor(1) as pool:
        with database.writing() as session:
            set_role(session, anna.user_id, Role.CLINICIAN)
            session.flush()
            other = pool.submit(demote_ben)
            with pytest.raises(TimeoutError):  # it waits for this transaction
                other.result(timeout=0.5)
        with pytest.raises(ClinicError, match="last administrator"):
            other.result()


def test_changing_an_unknown_user_is_an_error(database: Database) -> None:
    _add(database, "anna", Role.ADMINISTRATOR)
    with database.writing() as session:
        with pytest.raises(ClinicError, match="no user"):
            set_role(session, "0" * 32, Role.CLINICIAN)
        with pytest.raises(ClinicError, match="no user"):
            set_password(session, "0" * 32, PasswordHash("$argon2id$"))
        with pytest.raises(ClinicError, match="no user"):
            deactivate(session, "0" * 32, NOW)
