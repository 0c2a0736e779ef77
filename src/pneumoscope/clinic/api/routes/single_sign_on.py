"""Single sign-on by OpenID Connect: redirect to the provider, and the callback."""

from datetime import UTC, datetime
from html import escape
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel

from pneumoscope.clinic import audit
from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.routes.web_page import style_links
from pneumoscope.clinic.api.security import (
    COOKIE,
    ClinicDep,
    client_address,
    client_browser,
    limit_rate,
)
from pneumoscope.clinic.audit import Action
from pneumoscope.clinic.identity.credentials import Browser, open_session
from pneumoscope.clinic.identity.oidc import IssuerError, Provider
from pneumoscope.clinic.identity.single_sign_on import (
    LOGIN_LIFETIME,
    LoginAttempt,
    begin_login,
    finish_callback,
    provision_user,
)
from pneumoscope.clinic.settings import Clinic
from pneumoscope.support.errors import ClinicError

BROWSER_COOKIE = "__Host-pneumoscope-sign-on"
"""Cookie of the browser that began; SameSite=Lax, since the provider, another site, redirects."""

_RELOAD = '<meta http-equiv="refresh" content="0;url=/">'

router = APIRouter(prefix="/v1/oidc", tags=["sessions"])


def get_provider(request: Request) -> Provider:
    """Return the OpenID Connect provider of the server; 404 if there is none."""
    provider: Provider | None = request.app.state.provider
    if provider is None:
        raise ProblemError(
            HTTPStatus.NOT_FOUND, "this server has no single sign-on; sign in with a password"
        )
    return provider


ProviderDep = Annotated[Provider, Depends(get_provider)]


class SingleSignOn(BaseModel):
    """Whether the server offers single sign-on."""

    offered: bool


@router.get("")
def get_single_sign_on(request: Request) -> SingleSignOn:
    """Return whether the server offers single sign-on."""
    return SingleSignOn(offered=request.app.state.provider is not None)


@router.get("/login", response_class=HTMLResponse, dependencies=[Depends(limit_rate)])
def begin_single_sign_on(clinic: ClinicDep, provider: ProviderDep) -> Response:
    """Redirect a browser to the single sign-on."""
    with clinic.database.writing() as session:
        attempt = begin_login(session, datetime.now(UTC))
    try:
        url = provider.authorization_url(attempt.state, attempt.nonce, attempt.verifier)
    except IssuerError as error:
        return _refused(HTTPStatus.BAD_GATEWAY, str(error))
    response = RedirectResponse(url, HTTPStatus.FOUND)
    response.set_cookie(
        BROWSER_COOKIE,
        attempt.browser_token,
        max_age=round(LOGIN_LIFETIME.total_seconds()),
        secure=True,
        httponly=True,
        samesite="lax",
        path="/",
    )
    return response


@router.get("/callback", response_class=HTMLResponse, dependencies=[Depends(limit_rate)])
def finish_single_sign_on(
    request: Request,
    clinic: ClinicDep,
    provider: ProviderDep,
    state: Annotated[str, Query(max_length=100)] = "",
    code: Annotated[str, Query(max_length=4096)] = "",
) -> HTMLResponse:
    """Sign in a browser that returns from the single sign-on."""
    with clinic.database.writing() as session:
        browser_token = request.cookies.get(BROWSER_COOKIE, "")
        attempt = finish_callback(session, state, browser_token, datetime.now(UTC))
    if attempt is None:
        return _failed(
            request,
            clinic,
            HTTPStatus.BAD_REQUEST,
            "this sign-in was started in another browser, or took too long; start again",
        )
    if not code:
        return _failed(
            request,
            clinic,
            HTTPStatus.FORBIDDEN,
            "the single sign-on did not sign you in; start again",
        )
    try:
        token = _open_session(clinic, provider, code, attempt, client_browser(request))
    except IssuerError as error:
        return _failed(request, clinic, HTTPStatus.BAD_GATEWAY, str(error))
    except ClinicError as error:
        return _failed(request, clinic, HTTPStatus.FORBIDDEN, str(error))
    return _signed_in(token)


def _open_session(
    clinic: Clinic, provider: Provider, code: str, attempt: LoginAttempt, browser: Browser
) -> str:
    """Return the token of a new session."""
    user = provider.fetch_user(code, attempt.nonce, attempt.verifier)
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        actor = provision_user(session, provider.issuer, user, now)
        token, _ = open_session(session, actor, now, browser)
        detail = {"by": "single sign-on", "from": browser.address}
        audit.record(session, actor.name, Action.SIGN_IN, f"user {actor.user_id}", detail, now)
        return token


def _failed(request: Request, clinic: Clinic, status: HTTPStatus, reason: str) -> HTMLResponse:
    with clinic.database.writing() as session:
        detail = {"by": "single sign-on", "from": client_address(request)}
        now = datetime.now(UTC)
        audit.record(session, "unknown", Action.FAIL_SIGN_IN, "session", detail, now)
    return _refused(status, reason)


def _refused(status: HTTPStatus, reason: str) -> HTMLResponse:
    return _page("Not signed in", f"{reason[0].upper()}{reason[1:]}.", status)


def _signed_in(token: str) -> HTMLResponse:
    # The page reloads by itself. A redirect would still belong to the other site's navigation, and
    # the browser would not send the SameSite=Strict cookie.
    response = _page("Signed in", "One moment.", HTTPStatus.OK, _RELOAD)
    response.set_cookie(COOKIE, token, secure=True, httponly=True, samesite="strict", path="/")
    response.delete_cookie(BROWSER_COOKIE, secure=True, httponly=True, samesite="lax", path="/")
    return response


def _page(title: str, text: str, status: HTTPStatus, head: str = "") -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{head}{style_links()}'
        '<meta name="viewport" content="width=device-width"><title>pneumoscope</title></head>'
        f'<body><main class="entrance"><p class="mark">pneumoscope</p><h1>{title}</h1>'
        f'<p>{escape(text)}</p><p><a href="/">Continue</a></p></main></body></html>',
        status,
    )
