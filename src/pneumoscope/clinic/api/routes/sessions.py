"""Signing in and out, and the first start."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from pneumoscope.clinic import audit
from pneumoscope.clinic.api.fields import Text
from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.rate_limits import Quotas
from pneumoscope.clinic.api.security import (
    COOKIE,
    Anyone,
    TheCaller,
    TheClinic,
    address_of,
    browser_of,
)
from pneumoscope.clinic.identity.accounts import Actor, new_password
from pneumoscope.clinic.identity.credentials import close_session, open_session
from pneumoscope.clinic.identity.setup_link import complete_setup
from pneumoscope.clinic.identity.sign_in import Asked, check_password, sign_in

router = APIRouter(prefix="/v1", tags=["sessions"])


def limit_rate(request: Request) -> None:
    """Stop an address that tries too often.

    Raises
    ------
    ProblemError
        429, and after how many seconds to try again.
    """
    quotas: Quotas = request.app.state.quotas
    quotas.count_try(address_of(request))


class Credentials(BaseModel):
    """A name and its password."""

    name: Annotated[Text, Field(max_length=100)]
    password: Annotated[Text, Field(max_length=256)]


class Proofs(Credentials):
    """A name, its password, and a code of the account's second factor if it has one."""

    code: Annotated[Text | None, Field(max_length=64)] = None


class FirstAccount(Credentials):
    """The first administrator, with the token of the setup link."""

    token: Annotated[Text, Field(max_length=100)]


class SignedInView(BaseModel):
    """Who is signed in; ``csrf`` goes into the header X-CSRF-Token, and is null with a token."""

    name: str
    role: str
    csrf: str | None


@router.post("/setup", status_code=HTTPStatus.CREATED, dependencies=[Depends(limit_rate)])
def set_up(clinic: TheClinic, first: FirstAccount, request: Request) -> SignedInView:
    """Make the first administrator, with the link that the server printed when it first started."""
    now = _now()
    password = new_password(clinic.database, first.name, first.password)
    with clinic.database.writing() as session:
        actor = complete_setup(session, first.token, first.name, password, now)
        at = {"from": address_of(request)}
        audit.record(session, actor.name, "set up", f"user {actor.user_id}", at, now)
    return SignedInView(name=actor.name, role=actor.role, csrf=None)


@router.post("/session", dependencies=[Depends(limit_rate)])
def open_(clinic: TheClinic, proofs: Proofs, request: Request, response: Response) -> SignedInView:
    """Sign a browser in; `second_factor` in an answer of 401 asks for the same with a code."""
    compared = check_password(clinic.database, proofs.name, proofs.password)
    now, browser = _now(), browser_of(request)
    at = {"from": browser.address}
    with clinic.database.writing() as session:  # kept also if it fails: tries are counted
        actor = sign_in(session, clinic.vault, compared, now, proofs.code)
        if isinstance(actor, Actor):
            token, csrf = open_session(session, actor, now, browser)
            audit.record(session, actor.name, "sign in", f"user {actor.user_id}", at, now)
        else:
            action = "fail to sign in" if actor is None else "ask for a code"
            audit.record(session, "unknown", action, "session", at, now)
    if not isinstance(actor, Actor):
        raise _refusal(asked=actor is Asked.CODE)
    response.set_cookie(COOKIE, token, secure=True, httponly=True, samesite="strict", path="/")
    return SignedInView(name=actor.name, role=actor.role, csrf=csrf)


@router.get("/session")
def who(actor: Anyone, caller: TheCaller) -> SignedInView:
    """Say who is signed in."""
    return SignedInView(name=actor.name, role=actor.role, csrf=caller.csrf)


@router.delete("/session", status_code=HTTPStatus.NO_CONTENT)
def close(clinic: TheClinic, actor: Anyone, request: Request, response: Response) -> None:
    """Sign a browser out."""
    with clinic.database.writing() as session:
        if token := request.cookies.get(COOKIE):
            close_session(session, token)
        audit.record(session, actor.name, "sign out", f"user {actor.user_id}", {}, _now())
    response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="strict", path="/")


def _refusal(*, asked: bool) -> ProblemError:
    if asked:
        said = "type a code of your second factor, too"
    else:
        said = (
            "name, password or code is wrong, or the account is locked for a while after too many "
            "tries"
        )
    return ProblemError(HTTPStatus.UNAUTHORIZED, said, second_factor=asked)


def _now() -> datetime:
    return datetime.now(UTC)
