"""Sessions: set-up of a new server, sign-in and sign-out."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import update

from pneumoscope.clinic import audit
from pneumoscope.clinic.api.fields import Text
from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.security import (
    COOKIE,
    CallerDep,
    ClinicDep,
    CurrentActor,
    client_address,
    client_browser,
    limit_rate,
)
from pneumoscope.clinic.audit import Action
from pneumoscope.clinic.identity import setup_link
from pneumoscope.clinic.identity.accounts import Actor, Role, hash_new_password
from pneumoscope.clinic.identity.credentials import close_session, open_session
from pneumoscope.clinic.identity.sign_in import Challenge, check_password, sign_in
from pneumoscope.clinic.storage.tables import Site
from pneumoscope.clinic.storage.unknown_age import UnknownAge

router = APIRouter(prefix="/v1", tags=["sessions"])


class Credentials(BaseModel):
    """Name and password."""

    name: Annotated[Text, Field(max_length=100)]
    password: Annotated[Text, Field(max_length=256)]


class NewSession(Credentials):
    """Name and password, with a code of the second factor if the account has one."""

    code: Annotated[Text | None, Field(max_length=64)] = None


class Setup(Credentials):
    """First administrator, with the token of the setup link.

    ``unknown_age`` is the setting of the existing site; see Site.
    """

    token: Annotated[Text, Field(max_length=100)]
    unknown_age: UnknownAge = UnknownAge.ASK


class Session(BaseModel):
    """Signed-in user; ``csrf`` goes into the header X-CSRF-Token and is null with an API token."""

    name: str
    role: Role
    csrf: str | None


@router.post("/setup", status_code=HTTPStatus.CREATED, dependencies=[Depends(limit_rate)])
def complete_setup(clinic: ClinicDep, setup: Setup, request: Request) -> Session:
    """Create the first administrator, with the setup link, and set what unknown ages mean.

    The server prints the link when it first starts.
    """
    now = datetime.now(UTC)
    password = hash_new_password(clinic.database, setup.name, setup.password)
    with clinic.database.writing() as session:
        actor = setup_link.complete_setup(session, setup.token, setup.name, password, now)
        session.execute(update(Site).values(unknown_age=setup.unknown_age))
        detail = {"from": client_address(request), "unknown age": setup.unknown_age}
        audit.record(session, actor.name, Action.SET_UP, f"user {actor.user_id}", detail, now)
    return Session(name=actor.name, role=actor.role, csrf=None)


@router.post("/session", dependencies=[Depends(limit_rate)])
def create_session(
    clinic: ClinicDep, credentials: NewSession, request: Request, response: Response
) -> Session:
    """Sign in, in a browser.

    An answer of 401 with ``second_factor`` true asks for the same again with a code.
    """
    check = check_password(clinic.database, credentials.name, credentials.password)
    now, browser = datetime.now(UTC), client_browser(request)
    detail = {"from": browser.address}
    with clinic.database.writing() as session:  # committed on failure, too: failures are counted
        outcome = sign_in(session, clinic.secret_box, check, now, credentials.code)
        if isinstance(outcome, Actor):
            token, csrf = open_session(session, outcome, now, browser)
            audit.record(
                session, outcome.name, Action.SIGN_IN, f"user {outcome.user_id}", detail, now
            )
        else:
            action = Action.FAIL_SIGN_IN if outcome is None else Action.REQUEST_CODE
            audit.record(session, "unknown", action, "session", detail, now)
    if not isinstance(outcome, Actor):
        code_missing = outcome is Challenge.CODE
        reason = (
            "enter a code of your second factor, too"
            if code_missing
            else "wrong name, password or code, or the account is locked for a while after too "
            "many failed attempts"
        )
        raise ProblemError(HTTPStatus.UNAUTHORIZED, reason, second_factor=code_missing)
    response.set_cookie(COOKIE, token, secure=True, httponly=True, samesite="strict", path="/")
    return Session(name=outcome.name, role=outcome.role, csrf=csrf)


@router.get("/session")
def get_session(actor: CurrentActor, caller: CallerDep) -> Session:
    """Return the signed-in user."""
    return Session(name=actor.name, role=actor.role, csrf=caller.csrf)


@router.delete("/session", status_code=HTTPStatus.NO_CONTENT)
def delete_session(
    clinic: ClinicDep, actor: CurrentActor, request: Request, response: Response
) -> None:
    """Sign out."""
    with clinic.database.writing() as session:
        if token := request.cookies.get(COOKIE):
            close_session(session, token)
        now = datetime.now(UTC)
        audit.record(session, actor.name, Action.SIGN_OUT, f"user {actor.user_id}", {}, now)
    response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="strict", path="/")
