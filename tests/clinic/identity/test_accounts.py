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
    _kept_name,
    create_user,
    deactivate,
    new_password,
    set_password,
    set_role,
    users,
)
from pneumoscope.clinic.identity.passwords import PasswordHash
from pneumoscope.clinic.identity.sign_in import check_password, sign_in
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.secret_box import SecretBox
from pneumoscope.clinic.storage.tables import User
from pneumoscope.support.errors import ClinicError

pytestmark = pytest.mark.usefixtures("quick_hashes")

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
VAULT = SecretBox(Path("not needed by passwords"))
RIGHT = "correct horse battery staple"
WRONG = "incorrect horse battery"


def _add(
    database: Database, name: str, role: Role = Role.CLINICIAN, password: str | None = None
) -> Actor:
    kept = None if password is None else new_password(database, name, password)
    with database.writing() as session:
        return create_user(session, name, role, kept, NOW)


def _sign_in(database: Database, name: str, password: str, now: datetime = NOW) -> Actor | None:
    compared = check_password(database, name, password)
    with database.writing() as session:
        return sign_in(session, VAULT, compared, now)


def _set_password(database: Database, actor: Actor, password: str) -> None:
    kept = new_password(database, actor.name, password)
    with database.writing() as session:
        set_password(session, actor.user_id, kept)


def _stored(database: Database, actor: Actor) -> User:
    with database.reading() as session:
        return session.scalars(select(User).where(User.id == actor.user_id)).one()


def _at_once(count: int, call: Callable[[], object]) -> int:
    """Call in so many threads that start together; return how many were not refused."""
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


def test_a_name_is_the_same_in_capitals_and_with_blanks_around_it(database: Database) -> None:
    anna = _add(database, " Anna Groß ", Role.REVIEWER, RIGHT)
    assert anna == Actor(anna.user_id, "anna gross", Role.REVIEWER)
    assert _sign_in(database, "ANNA  GROSS", RIGHT) == anna


@pytest.mark.parametrize("other", ["anna groß", "ANNA GROSS", "Anna  Groß ", "Ａnna Groß"])
def test_a_name_that_is_taken_is_refused(database: Database, other: str) -> None:
    with database.writing() as session:
        create_user(session, "Anna Groß", Role.CLINICIAN, None, NOW)
        with pytest.raises(ClinicError, match="another name"):
            create_user(session, other, Role.CLINICIAN, None, NOW)
        create_user(session, "Anna Grau", Role.CLINICIAN, None, NOW)
    with database.reading() as session:
        assert [user.name for user in users(session)] == ["anna grau", "anna gross"]


def test_of_two_who_take_a_name_at_once_one_gets_it(database: Database) -> None:
    assert _at_once(4, lambda: _add(database, "anna")) == 1


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "anna\x00", "an\u202ena", "an\ud800na"])
def test_a_name_that_is_none_is_refused_and_signs_nobody_in(database: Database, name: str) -> None:
    with pytest.raises(ClinicError, match="name"):
        _add(database, name)
    assert _sign_in(database, name, RIGHT) is None


@given(st.text(max_size=40))
@example("ß\u0301")
def test_the_kept_form_of_a_name_is_kept_in_the_same_form(name: str) -> None:
    assert _kept_name(_kept_name(name)) == _kept_name(name)


def test_a_password_that_is_easily_guessed_makes_no_user(database: Database) -> None:
    with pytest.raises(ClinicError, match="15 to 128"):
        _add(database, "anna", password="short")
    with database.reading() as session:
        assert users(session) == []


@pytest.mark.parametrize("password", [WRONG, "", RIGHT.upper(), RIGHT + " "])
def test_another_password_signs_nobody_in(database: Database, password: str) -> None:
    _add(database, "anna", password=RIGHT)
    assert _sign_in(database, "anna", password) is None


def test_five_wrong_passwords_lock_an_account_for_15_minutes(database: Database) -> None:
    anna = _add(database, "anna", password=RIGHT)
    for _ in range(5):
        assert _sign_in(database, "anna", WRONG) is None
    assert _sign_in(database, "anna", RIGHT) is None
    assert _sign_in(database, "anna", RIGHT, NOW + timedelta(minutes=14, seconds=59)) is None
    assert _sign_in(database, "anna", RIGHT, NOW + timedelta(minutes=15)) == anna


def test_four_wrong_passwords_do_not_lock_and_the_right_one_starts_anew(
    database: Database,
) -> None:
    anna = _add(database, "anna", password=RIGHT)
    for _ in range(2):
        for _ in range(4):
            assert _sign_in(database, "anna", WRONG) is None
        assert _sign_in(database, "anna", RIGHT) == anna


def test_a_lock_out_is_not_made_longer_and_comes_again_after_five_more(
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


def test_wrong_passwords_at_the_same_time_are_all_counted(database: Database) -> None:
    anna = _add(database, "anna", password=RIGHT)
    _at_once(4, lambda: _sign_in(database, "anna", WRONG))
    assert _stored(database, anna).failures == 4


def test_of_right_and_wrong_ones_at_the_same_time_five_wrong_ones_lock(
    database: Database,
) -> None:
    anna = _add(database, "anna", password=RIGHT)
    _at_once(8, lambda: _sign_in(database, "anna", WRONG))
    stored = _stored(database, anna)
    assert stored.failures == 5  # the others came to a locked account
    assert stored.locked_until == NOW + timedelta(minutes=15)


def test_a_right_password_that_was_compared_before_the_lock_does_not_open_it(
    database: Database,
) -> None:
    anna = _add(database, "anna", password=RIGHT)
    compared = check_password(database, "anna", RIGHT)
    for _ in range(5):
        _sign_in(database, "anna", WRONG)
    with database.writing() as session:
        assert sign_in(session, VAULT, compared, NOW) is None
        assert sign_in(session, VAULT, compared, NOW + timedelta(minutes=15)) == anna


def test_a_password_that_is_changed_while_it_is_compared_signs_nobody_in(
    database: Database,
) -> None:
    anna = _add(database, "anna", password=RIGHT)
    right, wrong = check_password(database, "anna", RIGHT), check_password(database, "anna", WRONG)
    _set_password(database, anna, "quite another set of words")
    with database.writing() as session:
        assert sign_in(session, VAULT, right, NOW) is None
        assert sign_in(session, VAULT, wrong, NOW) is None
    assert _stored(database, anna).failures == 0  # nothing of the new one was guessed at


def test_who_is_deactivated_while_the_password_is_compared_is_out(database: Database) -> None:
    anna = _add(database, "anna", password=RIGHT)
    compared = check_password(database, "anna", RIGHT)
    with database.writing() as session:
        deactivate(session, anna.user_id, NOW)
        assert sign_in(session, VAULT, compared, NOW) is None


def test_what_was_compared_shows_no_hash(database: Database) -> None:
    _add(database, "anna", password=RIGHT)
    assert "argon2" not in repr(check_password(database, "anna", RIGHT))


def test_every_sign_in_that_fails_takes_one_hash(
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
        ) as made,
        patch.object(
            PasswordHasher, "verify", autospec=True, side_effect=PasswordHasher.verify
        ) as compared,
    ):

        def hashes(name: str, password: str) -> int:
            before = made.call_count + compared.call_count
            assert _sign_in(database, name, password) is None
            return made.call_count + compared.call_count - before

        assert hashes("anna", WRONG) == 1
        assert hashes("nobody", WRONG) == 1
        assert hashes("no\x00body", WRONG) == 1
        assert hashes("pacs", "") == 1
        assert hashes("gone", RIGHT) == 1
        with database.writing() as session:
            session.get_one(User, anna.user_id).locked_until = NOW + timedelta(minutes=1)
        assert hashes("anna", RIGHT) == 1


def test_an_old_hash_is_renewed_by_the_right_password_alone(database: Database) -> None:
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


def test_a_new_password_ends_sessions_and_lock_out(database: Database) -> None:
    anna = _add(database, "anna", password=RIGHT)
    ben = _add(database, "ben")
    with database.writing() as session:
        token, _ = credentials.open_session(session, anna, NOW)
        of_another, _ = credentials.open_session(session, ben, NOW)
    for _ in range(5):
        _sign_in(database, "anna", WRONG)
    _set_password(database, anna, "quite another set of words")
    assert _sign_in(database, "anna", RIGHT) is None
    assert _sign_in(database, "anna", "quite another set of words") == anna
    with database.reading() as session:
        assert credentials.actor_of_session(session, token, NOW) is None
        assert credentials.actor_of_session(session, of_another, NOW) is not None


def test_a_new_password_has_to_be_good(database: Database) -> None:
    anna = _add(database, "anna", password=RIGHT)
    with pytest.raises(ClinicError, match="name"):
        _set_password(database, anna, "anna, only longer than 15")
    assert _sign_in(database, "anna", RIGHT) == anna


def test_who_is_deactivated_is_out_everywhere(database: Database) -> None:
    anna = _add(database, "anna", password=RIGHT)
    ben = _add(database, "ben")
    with database.writing() as session:
        cookie, _ = credentials.open_session(session, anna, NOW)
        _, token = credentials.issue_token(session, anna.user_id, "script", NOW, 1)
        _, of_another = credentials.issue_token(session, ben.user_id, "script", NOW, 1)
    with database.writing() as session:
        deactivate(session, anna.user_id, NOW)
    assert _sign_in(database, "anna", RIGHT) is None
    with database.writing() as session:
        session.get_one(User, anna.user_id).active = True  # what has ended stays so
        assert credentials.actor_of_session(session, cookie, NOW) is None
        assert credentials.actor_of_token(session, token, NOW) is None
        assert credentials.actor_of_token(session, of_another, NOW) == ben


def test_a_new_role_holds_in_sessions_that_are_open(database: Database) -> None:
    anna = _add(database, "anna")
    with database.writing() as session:
        token, _ = credentials.open_session(session, anna, NOW)
    with database.writing() as session:
        set_role(session, anna.user_id, Role.REVIEWER)
    with database.reading() as session:
        signed_in = credentials.actor_of_session(session, token, NOW)
    assert signed_in is not None
    assert signed_in.actor == Actor(anna.user_id, "anna", Role.REVIEWER)


def test_the_last_administrator_stays(database: Database) -> None:
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


def test_of_two_administrators_who_remove_each_other_one_stays(database: Database) -> None:
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
            with pytest.raises(TimeoutError):  # it waits for what becomes of this one
                other.result(timeout=0.5)
        with pytest.raises(ClinicError, match="last administrator"):
            other.result()


def test_nobody_is_not_changed(database: Database) -> None:
    _add(database, "anna", Role.ADMINISTRATOR)
    with database.writing() as session:
        with pytest.raises(ClinicError, match="no user"):
            set_role(session, "0" * 32, Role.CLINICIAN)
        with pytest.raises(ClinicError, match="no user"):
            set_password(session, "0" * 32, PasswordHash("$argon2id$"))
        with pytest.raises(ClinicError, match="no user"):
            deactivate(session, "0" * 32, NOW)
