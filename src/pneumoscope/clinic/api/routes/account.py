"""Account of the signed-in user: password, second factor and sessions."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from pneumoscope.clinic import audit
from pneumoscope.clinic.api.fields import Identifier, Text
from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.responses import column_values
from pneumoscope.clinic.api.security import (
    CallerDep,
    ClinicDep,
    StaffMember,
    client_address,
    limit_rate,
)
from pneumoscope.clinic.audit import Action
from pneumoscope.clinic.identity import accounts, credentials, password_reset, second_factor
from pneumoscope.clinic.identity.accounts import Actor, Role
from pneumoscope.clinic.identity.sign_in import check_password, confirm_password
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import User, UserSession

router = APIRouter(prefix="/v1", tags=["account"])

_LIMITED = [Depends(limit_rate)]
_Password = Annotated[Text, Field(max_length=256)]


class BrowserSession(BaseModel):
    """Session of a browser; ``current`` is the one that sends the request."""

    id: str
    opened: datetime
    last_seen: datetime
    address: str | None
    agent: str | None
    current: bool


class Account(BaseModel):
    """Account of the signed-in user.

    ``has_password`` is false for users who sign in by single sign-on or API token alone.
    """

    name: str
    role: Role
    has_password: bool
    second_factor: bool
    recovery_codes: int
    sessions: list[BrowserSession]


class PasswordChange(BaseModel):
    """New password, and the old one as proof."""

    old: _Password
    new: _Password


class SessionsToEnd(BaseModel):
    """Session to end, or null for all but the current one; with the password, if there is one."""

    session: Identifier | None
    password: _Password | None = None


class PasswordConfirmation(BaseModel):
    """Password again, before a change of the account."""

    password: _Password


class SecondFactorCode(BaseModel):
    """Code of the second factor, or a recovery code."""

    code: Annotated[Text, Field(max_length=64)]


class PasswordAndCode(PasswordConfirmation, SecondFactorCode):
    """Password and code again, before a change of the account."""


class SecondFactorSetup(BaseModel):
    """Secret for an authenticator app: as text, as otpauth URI, and as QR code (SVG) of the URI."""

    secret: str
    address: str
    picture: str


class RecoveryCodes(BaseModel):
    """Recovery codes, shown once; each replaces a code of the device, once."""

    recovery_codes: list[str]


class PasswordReset(BaseModel):
    """New password, and the token of the link that allows it."""

    token: Annotated[Text, Field(max_length=100)]
    password: _Password


@router.get("/account")
def get_account(clinic: ClinicDep, actor: StaffMember, caller: CallerDep) -> Account:
    """Return the signed-in user's account and sessions."""
    with clinic.database.reading() as session:
        user = session.get_one(User, actor.user_id)
        sessions = credentials.sessions_of(session, actor.user_id, datetime.now(UTC))
        return Account(
            name=actor.name,
            role=actor.role,
            has_password=user.password_hash is not None,
            second_factor=second_factor.is_active(session, actor.user_id),
            recovery_codes=second_factor.count_recovery_codes(session, actor.user_id),
            sessions=[_session_response(row, caller.token_digest) for row in sessions],
        )


@router.put("/account/password", status_code=HTTPStatus.NO_CONTENT, dependencies=_LIMITED)
def update_password(
    clinic: ClinicDep, actor: StaffMember, caller: CallerDep, change: PasswordChange
) -> None:
    """Change the password.

    All other sessions of the account end.
    """
    password = accounts.hash_new_password(clinic.database, actor.name, change.new)
    _require_password(_confirm(clinic, actor, change.old))
    with clinic.database.writing() as session:
        accounts.set_password(session, actor.user_id, password, keep_session=caller.token_digest)
        _record(session, actor, Action.CHANGE_PASSWORD)


@router.post("/account/sessions/end", status_code=HTTPStatus.NO_CONTENT, dependencies=_LIMITED)
def end_sessions(
    clinic: ClinicDep, actor: StaffMember, caller: CallerDep, choice: SessionsToEnd
) -> None:
    """End one session of the account, or all but the current one."""
    _confirm(clinic, actor, choice.password or "")
    with clinic.database.writing() as session:
        if choice.session is None:
            accounts.end_sessions(session, actor.user_id, keep_session=caller.token_digest)
        elif not credentials.end_session(session, actor.user_id, choice.session):
            raise ProblemError(
                HTTPStatus.NOT_FOUND, "you have no such session; it may have ended already"
            )
        _record(session, actor, Action.END_SESSIONS)


@router.post("/account/second-factor", dependencies=_LIMITED)
def create_second_factor(
    clinic: ClinicDep, actor: StaffMember, confirmation: PasswordConfirmation
) -> SecondFactorSetup:
    """Begin the enrolment of an authenticator app (TOTP, RFC 6238)."""
    _require_password(_confirm(clinic, actor, confirmation.password))
    with clinic.database.writing() as session:
        secret = second_factor.begin_enrolment(
            session, clinic.secret_box, actor.user_id, datetime.now(UTC)
        )
    uri = second_factor.otpauth_uri(secret, actor.name)
    return SecondFactorSetup(secret=secret, address=uri, picture=second_factor.qr_code(uri))


@router.put("/account/second-factor", dependencies=_LIMITED)
def confirm_second_factor(
    clinic: ClinicDep, actor: StaffMember, caller: CallerDep, code: SecondFactorCode
) -> RecoveryCodes:
    """Complete the enrolment of an authenticator app with a first code.

    From then on every sign-in needs a code. All other sessions of the account end.
    """
    with clinic.database.writing() as session:
        codes = second_factor.confirm_enrolment(
            session, clinic.secret_box, actor.user_id, code.code, datetime.now(UTC)
        )
        accounts.end_sessions(session, actor.user_id, keep_session=caller.token_digest)
        _record(session, actor, Action.ENABLE_SECOND_FACTOR)
    return RecoveryCodes(recovery_codes=codes)


@router.post("/account/second-factor/end", status_code=HTTPStatus.NO_CONTENT, dependencies=_LIMITED)
def delete_second_factor(
    clinic: ClinicDep, actor: StaffMember, confirmation: PasswordAndCode
) -> None:
    """Remove the second factor."""
    _require_password(_confirm(clinic, actor, confirmation.password, confirmation.code))
    with clinic.database.writing() as session:
        second_factor.remove(session, actor.user_id)
        _record(session, actor, Action.DISABLE_SECOND_FACTOR)


@router.post("/password", status_code=HTTPStatus.NO_CONTENT, dependencies=_LIMITED)
def reset_password(clinic: ClinicDep, reset: PasswordReset, request: Request) -> None:
    """Choose a password with the link that an administrator handed over.

    Open sessions of the account end.
    """
    now = datetime.now(UTC)
    with clinic.database.reading() as session:
        name = password_reset.user_of_token(session, reset.token, now).name
    password = accounts.hash_new_password(clinic.database, name, reset.password)
    with clinic.database.writing() as session:
        actor = password_reset.redeem(session, reset.token, now)
        accounts.set_password(session, actor.user_id, password)
        detail = {"from": client_address(request)}
        audit.record(
            session, actor.name, Action.RESET_PASSWORD, f"user {actor.user_id}", detail, now
        )


def _confirm(clinic: Clinic, actor: Actor, password: str, code: str | None = None) -> bool:
    """Check a user's password, and code if given; return False if the account has no password.

    If they are wrong the answer is 403, not 401, since the session stays valid.
    """
    check = check_password(clinic.database, actor.name, password)
    if check.stored_hash is None:
        return False
    with clinic.database.writing() as session:  # committed on failure, too: failures are counted
        now = datetime.now(UTC)
        confirmed = confirm_password(session, clinic.secret_box, check, now, code)
        if not confirmed:
            _record(session, actor, Action.FAIL_CONFIRMATION)
    if not confirmed:
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "wrong password or code, or the account is locked for a while after too many failed "
            "attempts",
        )
    return True


def _require_password(has_password: bool) -> None:
    if not has_password:
        raise ProblemError(
            HTTPStatus.CONFLICT,
            "this account has no password; ask an administrator for a link to choose one",
        )


def _record(session: Session, actor: Actor, action: Action) -> None:
    audit.record(session, actor.name, action, f"user {actor.user_id}", {}, datetime.now(UTC))


def _session_response(row: UserSession, current: str) -> BrowserSession:
    return BrowserSession(
        **column_values(row, BrowserSession),
        id=credentials.session_id(row),
        opened=row.created,
        current=row.token_sha256 == current,
    )
