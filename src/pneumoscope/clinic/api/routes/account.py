"""What people do with their own accounts."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from pneumoscope.clinic import audit
from pneumoscope.clinic.api.fields import Text
from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.routes.sessions import limit_rate
from pneumoscope.clinic.api.security import Person, TheCaller, TheClinic, address_of
from pneumoscope.clinic.identity import accounts, credentials, password_reset, second_factor
from pneumoscope.clinic.identity.accounts import Actor, Role
from pneumoscope.clinic.identity.sign_in import check_password, confirm_password, confirm_with_code
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import User, UserSession

router = APIRouter(prefix="/v1", tags=["account"])

Password = Annotated[Text, Field(max_length=256)]


class SessionView(BaseModel):
    """A browser that is signed in; ``current`` is the one that asks."""

    id: str
    opened: datetime
    last_seen: datetime
    address: str | None
    agent: str | None
    current: bool


class AccountView(BaseModel):
    """One's own account; without a password if one signs in by the single sign-on or by token."""

    name: str
    role: Role
    has_password: bool
    second_factor: bool
    recovery_codes: int
    sessions: list[SessionView]


class NewPassword(BaseModel):
    """Another password, and the one that it replaces."""

    old: Password
    new: Password


class Ended(BaseModel):
    """Which session ends: all but the current one if null; with the password, if one has one."""

    session: Annotated[str | None, Field(pattern="^[0-9a-f]{32}$")]
    password: Password | None = None


class Proof(BaseModel):
    """The password again, before what weighs more than looking."""

    password: Password


class Code(BaseModel):
    """A code of the second factor."""

    code: Annotated[Text, Field(max_length=64)]


class ProofWithCode(Proof, Code):
    """Password and code again."""


class SecretView(BaseModel):
    """What an authenticator app is told: as text, as an address, and as a picture (SVG) of it."""

    secret: str
    address: str
    picture: str


class RecoveryCodesView(BaseModel):
    """Codes that each work once instead of the device, shown this once."""

    recovery_codes: list[str]


class ChosenPassword(BaseModel):
    """A password, and the token of the link with which it is chosen."""

    token: Annotated[Text, Field(max_length=100)]
    password: Password


@router.get("/account")
def account(clinic: TheClinic, actor: Person, caller: TheCaller) -> AccountView:
    """Show one's own account, and where one is signed in."""
    with clinic.database.reading() as session:
        user = session.get_one(User, actor.user_id)
        sessions = credentials.sessions_of(session, actor.user_id, datetime.now(UTC))
        return AccountView(
            name=actor.name,
            role=actor.role,
            has_password=user.password_hash is not None,
            second_factor=second_factor.is_active(session, actor.user_id),
            recovery_codes=second_factor.recovery_codes_left(session, actor.user_id),
            sessions=[_session_view(one, caller.proof) for one in sessions],
        )


@router.put(
    "/account/password", status_code=HTTPStatus.NO_CONTENT, dependencies=[Depends(limit_rate)]
)
def change_password(
    clinic: TheClinic, actor: Person, caller: TheCaller, passwords: NewPassword
) -> None:
    """Choose another password, with the old one; all other sessions of the account end."""
    kept = accounts.new_password(clinic.database, actor.name, passwords.new)
    _require_password(_proved(clinic, actor, passwords.old))
    with clinic.database.writing() as session:
        accounts.set_password(session, actor.user_id, kept, keep=caller.proof)
        _record(session, actor, "change password")


@router.post(
    "/account/sessions/end", status_code=HTTPStatus.NO_CONTENT, dependencies=[Depends(limit_rate)]
)
def end_sessions(clinic: TheClinic, actor: Person, caller: TheCaller, ended: Ended) -> None:
    """Sign oneself out of another browser, or of all but the one that asks."""
    _proved(clinic, actor, ended.password or "")
    with clinic.database.writing() as session:
        if ended.session is None:
            accounts.end_sessions(session, actor.user_id, keep=caller.proof)
        elif not credentials.end_session(session, actor.user_id, ended.session):
            raise ProblemError(HTTPStatus.NOT_FOUND, "there is no such session of yours (any more)")
        _record(session, actor, "end sessions")


@router.post("/account/second-factor", dependencies=[Depends(limit_rate)])
def begin_second_factor(clinic: TheClinic, actor: Person, proof: Proof) -> SecretView:
    """Begin to set up a second factor: an authenticator app that makes codes (TOTP, RFC 6238)."""
    _require_password(_proved(clinic, actor, proof.password))
    with clinic.database.writing() as session:
        secret = second_factor.begin(session, clinic.vault, actor.user_id, datetime.now(UTC))
    address = second_factor.address(secret, actor.name)
    return SecretView(secret=secret, address=address, picture=second_factor.picture(address))


@router.put("/account/second-factor", dependencies=[Depends(limit_rate)])
def confirm_second_factor(
    clinic: TheClinic, actor: Person, caller: TheCaller, code: Code
) -> RecoveryCodesView:
    """Have the second factor count, with a first code of it; all other sessions end."""
    with clinic.database.writing() as session:
        codes = second_factor.confirm_enrolment(
            session, clinic.vault, actor.user_id, code.code, datetime.now(UTC)
        )
        accounts.end_sessions(session, actor.user_id, keep=caller.proof)
        _record(session, actor, "set up second factor")
    return RecoveryCodesView(recovery_codes=codes)


@router.post(
    "/account/second-factor/end",
    status_code=HTTPStatus.NO_CONTENT,
    dependencies=[Depends(limit_rate)],
)
def end_second_factor(clinic: TheClinic, actor: Person, proof: ProofWithCode) -> None:
    """Sign in without a second factor from now on."""
    _require_password(_proved(clinic, actor, proof.password, proof.code))
    with clinic.database.writing() as session:
        second_factor.remove(session, actor.user_id)
        _record(session, actor, "end second factor")


@router.post("/password", status_code=HTTPStatus.NO_CONTENT, dependencies=[Depends(limit_rate)])
def choose_password(clinic: TheClinic, chosen: ChosenPassword, request: Request) -> None:
    """Choose a password, with the link that an administrator handed over; open sessions end."""
    now = datetime.now(UTC)
    with clinic.database.reading() as session:
        name = password_reset.user_of_token(session, chosen.token, now).name
    kept = accounts.new_password(clinic.database, name, chosen.password)
    with clinic.database.writing() as session:
        actor = password_reset.redeem(session, chosen.token, now)
        accounts.set_password(session, actor.user_id, kept)
        at = {"from": address_of(request)}
        audit.record(session, actor.name, "choose password", f"user {actor.user_id}", at, now)


def _proved(clinic: Clinic, actor: Actor, password: str, code: str | None = None) -> bool:
    """Return whether somebody proved who they are; False if they have no password here.

    Raises
    ------
    ProblemError
        403 if it, or the code, is wrong; not 401, since the session goes on.
    """
    compared = check_password(clinic.database, actor.name, password)
    if compared.against is None:
        return False
    with clinic.database.writing() as session:  # kept also if it is wrong: tries are counted
        now = datetime.now(UTC)
        if code is None:
            right = confirm_password(session, compared, now)
        else:
            right = confirm_with_code(session, clinic.vault, compared, code, now)
        if not right:
            _record(session, actor, "fail to prove")
    if not right:
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "the password is wrong, or the code, or the account is locked for a while after too "
            "many tries",
        )
    return True


def _require_password(there: bool) -> None:
    if not there:
        raise ProblemError(
            HTTPStatus.CONFLICT,
            "this account has no password here; an administrator can make a link to choose one",
        )


def _record(session: Session, actor: Actor, action: str) -> None:
    audit.record(session, actor.name, action, f"user {actor.user_id}", {}, datetime.now(UTC))


def _session_view(one: UserSession, current: str) -> SessionView:
    return SessionView(
        id=credentials.session_id(one),
        opened=one.created,
        last_seen=one.last_seen,
        address=one.address,
        agent=one.agent,
        current=one.token_sha256 == current,
    )
