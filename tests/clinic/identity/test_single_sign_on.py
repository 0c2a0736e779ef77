"""What a person configures, tries that run out, and two windows at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import select

from pneumoscope import cli
from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.identity.oidc import Person
from pneumoscope.clinic.identity.single_sign_on import (
    NotAdmittedError,
    begin_login,
    finish_callback,
    provision_user,
)
from pneumoscope.clinic.settings import SignOn
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.tables import Identity, SignOnTry, User
from pneumoscope.support.errors import ClinicError

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
ISSUER = "https://login.example"
ADA = Person("f1d2", "Ada", Role.CLINICIAN)


def test_a_try_runs_out_after_ten_minutes_and_is_removed_then(database: Database) -> None:
    with database.writing() as session:
        started = begin_login(session, NOW)
    with database.writing() as session:
        late = finish_callback(session, started.state, started.browser, NOW + timedelta(minutes=10))
        assert late is None
    with database.writing() as session:
        begin_login(session, NOW + timedelta(minutes=10))
        assert len(session.scalars(select(SignOnTry)).all()) == 1


def test_the_database_has_nothing_with_which_a_try_could_be_ended(database: Database) -> None:
    with database.writing() as session:
        started = begin_login(session, NOW)
    with database.reading() as session:
        kept = session.scalars(select(SignOnTry)).one()
    values = {kept.state_sha256, kept.browser_sha256}
    assert not values & {started.state, started.browser}


def at_once(count: int, call: Callable[[], object]) -> list[object]:
    barrier = Barrier(count)

    def run(_: int) -> object:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_of_many_who_come_back_at_once_one_gets_on(database: Database) -> None:
    with database.writing() as session:
        started = begin_login(session, NOW)

    def back() -> object:
        with database.writing() as session:
            return finish_callback(session, started.state, started.browser, NOW)

    assert sorted(at_once(4, back), key=str) == [None] * 3 + [started]


def test_who_comes_in_several_windows_at_once_has_one_account(database: Database) -> None:
    def come() -> object:
        with database.writing() as session:
            return provision_user(session, ISSUER, ADA, NOW)

    assert len(set(at_once(4, come))) == 1
    with database.reading() as session:
        assert len(session.scalars(select(User)).all()) == 1
        assert len(session.scalars(select(Identity)).all()) == 1


def test_the_same_subject_of_another_issuer_is_another_person(database: Database) -> None:
    with database.writing() as session:
        provision_user(session, ISSUER, ADA, NOW)
    with database.writing() as session, pytest.raises(NotAdmittedError, match="no account"):
        provision_user(session, "https://other.example", ADA, NOW)


@pytest.mark.parametrize("subject", ["x" * 256, "a\x00b"])
def test_a_subject_that_no_database_keeps(database: Database, subject: str) -> None:
    with database.writing() as session, pytest.raises(NotAdmittedError, match="identifier"):
        provision_user(session, ISSUER, Person(subject, "Ada", Role.CLINICIAN), NOW)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text("s3cret\n")
    return file


def given(secret: Path | None, issuer: str = ISSUER, role: str = "a=b=reviewer") -> SignOn:
    made = SignOn.given(issuer, "us", secret, "https://clinic.example/", "groups", [role])
    assert made is not None
    return made


def test_who_gives_nothing_has_no_single_sign_on() -> None:
    assert SignOn.given(None, None, None, None, "groups", []) is None


def test_what_is_given_without_an_issuer_is_not_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="1"):
        cli.main(["serve", "--data", str(tmp_path / "clinic"), "--oidc-client", "us"])
    assert "single sign-on is not complete" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "clinic").exists()


def test_a_secret_comes_from_a_file_or_the_environment_and_is_not_shown(
    secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_file = given(secret)
    assert from_file.client_secret == "s3cret"
    assert from_file.address == "https://clinic.example"
    assert from_file.roles == (("a=b", Role.REVIEWER),)
    assert "s3cret" not in repr(from_file)
    monkeypatch.setenv("PNEUMOSCOPE_OIDC_SECRET", "other")
    assert given(None).client_secret == "other"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda secret: given(None), "no client secret"),
        (lambda secret: given(secret.parent / "none"), "cannot be read"),
        (lambda secret: given(secret, issuer="http://login.example"), "not safe"),
        (lambda secret: given(secret, issuer="login.example"), "not safe"),
        (lambda secret: given(secret, role="doctors"), "VALUE=ROLE"),
        (lambda secret: given(secret, role="=reviewer"), "VALUE=ROLE"),
        (lambda secret: given(secret, role="doctors=surgeon"), "VALUE=ROLE"),
        (lambda secret: given(secret, role="programs=service"), "VALUE=ROLE"),
        (lambda secret: SignOn.given(ISSUER, None, secret, "", "groups", []), "not complete"),
    ],
)
def test_what_is_missing_or_wrong_is_named(
    secret: Path, call: Callable[[Path], object], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PNEUMOSCOPE_OIDC_SECRET", raising=False)
    with pytest.raises(ClinicError, match=said) as caught:
        call(secret)
    assert "s3cret" not in str(caught.value)
