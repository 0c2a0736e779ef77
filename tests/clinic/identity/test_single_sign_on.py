"""Settings of the single sign-on, login attempts, and accounts of its users."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import select

from pneumoscope import cli
from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.identity.oidc import ExternalUser
from pneumoscope.clinic.identity.oidc_settings import OidcSettings
from pneumoscope.clinic.identity.single_sign_on import (
    NotAdmittedError,
    begin_login,
    finish_callback,
    provision_user,
)
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.tables import Identity, PendingLogin, User
from pneumoscope.support.errors import ClinicError

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
ISSUER = "https://login.example"
ADA = ExternalUser("f1d2", "Ada", Role.CLINICIAN)


def test_a_login_attempt_expires_after_ten_minutes_and_is_deleted(database: Database) -> None:
    with database.writing() as session:
        attempt = begin_login(session, NOW)
    with database.writing() as session:
        expired = finish_callback(
            session, attempt.state, attempt.browser_token, NOW + timedelta(minutes=10)
        )
        assert expired is None
    with database.writing() as session:
        begin_login(session, NOW + timedelta(minutes=10))
        assert len(session.scalars(select(PendingLogin)).all()) == 1


def test_the_database_holds_only_hashes_of_login_attempts(database: Database) -> None:
    with database.writing() as session:
        attempt = begin_login(session, NOW)
    with database.reading() as session:
        row = session.scalars(select(PendingLogin)).one()
    values = {row.state_sha256, row.browser_sha256}
    assert not values & {attempt.state, attempt.browser_token}


def call_simultaneously(count: int, call: Callable[[], object]) -> list[object]:
    barrier = Barrier(count)

    def run(_: int) -> object:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_of_simultaneous_callbacks_only_one_succeeds(database: Database) -> None:
    with database.writing() as session:
        attempt = begin_login(session, NOW)

    def finish() -> object:
        with database.writing() as session:
            return finish_callback(session, attempt.state, attempt.browser_token, NOW)

    results = call_simultaneously(4, finish)
    assert [result for result in results if result] == [attempt]


def test_simultaneous_logins_create_one_account(database: Database) -> None:
    def log_in() -> object:
        with database.writing() as session:
            return provision_user(session, ISSUER, ADA, NOW)

    assert len(set(call_simultaneously(4, log_in))) == 1
    with database.reading() as session:
        assert len(session.scalars(select(User)).all()) == 1
        assert len(session.scalars(select(Identity)).all()) == 1


def test_the_same_subject_of_another_issuer_is_another_user(database: Database) -> None:
    with database.writing() as session:
        provision_user(session, ISSUER, ADA, NOW)
    with database.writing() as session, pytest.raises(NotAdmittedError, match="no account"):
        provision_user(session, "https://other.example", ADA, NOW)


@pytest.mark.parametrize("subject", ["x" * 256, "a\x00b"])
def test_a_subject_that_cannot_be_stored_is_refused(database: Database, subject: str) -> None:
    with database.writing() as session, pytest.raises(NotAdmittedError, match="identifier"):
        provision_user(session, ISSUER, ExternalUser(subject, "Ada", Role.CLINICIAN), NOW)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text("s3cret\n")
    return file


def from_options(
    secret: Path | None, issuer: str = ISSUER, role: str = "a=b=reviewer"
) -> OidcSettings:
    settings = OidcSettings.from_options(
        issuer, "us", secret, "https://clinic.example/", "groups", [role]
    )
    assert settings is not None
    return settings


def test_without_options_there_is_no_single_sign_on() -> None:
    assert OidcSettings.from_options(None, None, None, None, "groups", []) is None


def test_incomplete_options_stop_the_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="1"):
        cli.main(["serve", "--data", str(tmp_path / "clinic"), "--oidc-client", "us"])
    assert "single sign-on needs all of" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "clinic").exists()


def test_the_client_secret_comes_from_a_file_or_the_environment_and_is_not_shown(
    secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_file = from_options(secret)
    assert from_file.client_secret == "s3cret"
    assert from_file.address == "https://clinic.example"
    assert from_file.roles == (("a=b", Role.REVIEWER),)
    assert "s3cret" not in repr(from_file)
    monkeypatch.setenv("PNEUMOSCOPE_OIDC_SECRET", "other")
    assert from_options(None).client_secret == "other"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda secret: from_options(None), "no client secret"),
        (lambda secret: from_options(secret.parent / "none"), "cannot read"),
        (lambda secret: from_options(secret, issuer="http://login.example"), "not secure"),
        (lambda secret: from_options(secret, issuer="login.example"), "not secure"),
        (lambda secret: from_options(secret, role="doctors"), "VALUE=ROLE"),
        (lambda secret: from_options(secret, role="=reviewer"), "VALUE=ROLE"),
        (lambda secret: from_options(secret, role="doctors=surgeon"), "VALUE=ROLE"),
        (lambda secret: from_options(secret, role="programs=service"), "VALUE=ROLE"),
        (
            lambda secret: OidcSettings.from_options(ISSUER, None, secret, "", "groups", []),
            "needs all of",
        ),
    ],
)
def test_error_messages_name_what_is_missing_or_wrong(
    secret: Path, call: Callable[[Path], object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PNEUMOSCOPE_OIDC_SECRET", raising=False)
    with pytest.raises(ClinicError, match=message) as caught:
        call(secret)
    assert "s3cret" not in str(caught.value)
