"""Signing in by the hospital's single sign-on: a browser goes there and comes back."""

from datetime import UTC, datetime
from html import escape
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel

from pneumoscope.clinic import audit
from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.routes.sessions import limit_rate
from pneumoscope.clinic.api.routes.web_page import links
from pneumoscope.clinic.api.security import COOKIE, TheClinic, address_of, browser_of
from pneumoscope.clinic.identity.credentials import Browser, open_session
from pneumoscope.clinic.identity.oidc import IssuerError, Provider
from pneumoscope.clinic.identity.single_sign_on import (
    VALID_FOR,
    Started,
    begin_login,
    finish_callback,
    provision_user,
)
from pneumoscope.clinic.settings import Clinic
from pneumoscope.support.errors import ClinicError

BROWSER_COOKIE = "__Host-pneumoscope-sign-on"
"""Comes along when the single sign-on, another site, sends the browser back: SameSite=Lax."""

_GO_ON = '<meta http-equiv="refresh" content="0;url=/">'

router = APIRouter(prefix="/v1/oidc", tags=["sessions"])


def provider_of(request: Request) -> Provider:
    """Return the single sign-on that the server was started with.

    Raises
    ------
    ProblemError
        404 if there is none.
    """
    provider: Provider | None = request.app.state.provider
    if provider is None:
        raise ProblemError(
            HTTPStatus.NOT_FOUND, "there is no single sign-on here; sign in with a password"
        )
    return provider


TheProvider = Annotated[Provider, Depends(provider_of)]


class SingleSignOn(BaseModel):
    """Whether the server has a single sign-on."""

    offered: bool


@router.get("")
def single_sign_on(request: Request) -> SingleSignOn:
    """Tell whoever is about to sign in whether there is a single sign-on."""
    return SingleSignOn(offered=request.app.state.provider is not None)


@router.get("/login", response_class=HTMLResponse, dependencies=[Depends(limit_rate)])
def login(clinic: TheClinic, provider: TheProvider) -> Response:
    """Send a browser to the single sign-on."""
    with clinic.database.writing() as session:
        started = begin_login(session, datetime.now(UTC))
    try:
        url = provider.authorization_url(started.state, started.nonce, started.verifier)
    except IssuerError as error:
        return _refused(HTTPStatus.BAD_GATEWAY, str(error))
    answer = RedirectResponse(url, HTTPStatus.FOUND)
    answer.set_cookie(
        BROWSER_COOKIE,
        started.browser,
        max_age=round(VALID_FOR.total_seconds()),
        secure=True,
        httponly=True,
        samesite="lax",
        path="/",
    )
    return answer


@router.get("/callback", response_class=HTMLResponse, dependencies=[Depends(limit_rate)])
def callback(
    request: Request,
    clinic: TheClinic,
    provider: TheProvider,
    state: Annotated[str, Query(max_length=100)] = "",
    code: Annotated[str, Query(max_length=4096)] = "",
) -> HTMLResponse:
    """Sign in who comes back from the single sign-on."""
    with clinic.database.writing() as session:
        browser = request.cookies.get(BROWSER_COOKIE, "")
        started = finish_callback(session, state, browser, datetime.now(UTC))
    if started is None:
        return _failed(
            request,
            clinic,
            HTTPStatus.BAD_REQUEST,
            "this sign-in was not begun in this browser, or took too long; begin again",
        )
    if not code:
        return _failed(
            request,
            clinic,
            HTTPStatus.FORBIDDEN,
            "the single sign-on did not sign you in; begin again",
        )
    try:
        token = _admitted(clinic, provider, code, started, browser_of(request))
    except IssuerError as error:
        return _failed(request, clinic, HTTPStatus.BAD_GATEWAY, str(error))
    except ClinicError as error:
        return _failed(request, clinic, HTTPStatus.FORBIDDEN, str(error))
    return _signed_in(token)


def _admitted(
    clinic: Clinic, provider: Provider, code: str, started: Started, browser: Browser
) -> str:
    """Return the token of a new session."""
    person = provider.person(code, started.nonce, started.verifier)
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        actor = provision_user(session, provider.issuer, person, now)
        token, _ = open_session(session, actor, now, browser)
        by = {"by": "single sign-on", "from": browser.address}
        audit.record(session, actor.name, "sign in", f"user {actor.user_id}", by, now)
        return token


def _failed(request: Request, clinic: Clinic, status: HTTPStatus, why: str) -> HTMLResponse:
    with clinic.database.writing() as session:
        by = {"by": "single sign-on", "from": address_of(request)}
        audit.record(session, "unknown", "fail to sign in", "session", by, datetime.now(UTC))
    return _refused(status, why)


def _refused(status: HTTPStatus, why: str) -> HTMLResponse:
    return _page("Not signed in", f"{why[0].upper()}{why[1:]}.", status)


def _signed_in(token: str) -> HTMLResponse:
    # A redirect would still count as the other site's, and the strict cookie would stay behind.
    answer = _page("Signed in", "One moment.", HTTPStatus.OK, _GO_ON)
    answer.set_cookie(COOKIE, token, secure=True, httponly=True, samesite="strict", path="/")
    answer.delete_cookie(BROWSER_COOKIE, secure=True, httponly=True, samesite="lax", path="/")
    return answer


def _page(title: str, text: str, status: HTTPStatus, head: str = "") -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{head}{links()}'
        '<meta name="viewport" content="width=device-width"><title>pneumoscope</title></head>'
        f'<body><main class="entrance"><p class="mark">pneumoscope</p><h1>{title}</h1>'
        f'<p>{escape(text)}</p><p><a href="/">Continue</a></p></main></body></html>',
        status,
    )
