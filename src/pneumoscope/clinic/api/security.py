"""Authentication of requests, and authorization by role."""

import hmac
from collections.abc import Awaitable, Callable, Container, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from ipaddress import ip_address
from typing import Annotated

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session
from starlette.requests import HTTPConnection

from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.rate_limits import RateLimits
from pneumoscope.clinic.identity.accounts import Actor, Role, uses_single_sign_on
from pneumoscope.clinic.identity.credentials import (
    Browser,
    actor_of_session,
    actor_of_token,
    digest,
    touch,
)
from pneumoscope.clinic.identity.second_factor import is_active
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import Study
from pneumoscope.clinic.worklist.visibility import Visibility, Withheld, visibility_of

COOKIE = "__Host-pneumoscope"
CSRF_HEADER = "X-CSRF-Token"

STAFF_ROLES = (Role.CLINICIAN, Role.REVIEWER, Role.ADMINISTRATOR)
"""Roles of people; ``service`` is another program."""

_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_WITHHELD = {
    Withheld.SHADOW_MODE: "readings of this site are not displayed yet; it is in shadow mode",
    Withheld.OPINION_FIRST: (
        "this site shows a reading after your own opinion; save it for each image of the study"
    ),
}
_CHALLENGE = {"WWW-Authenticate": "Bearer"}


# FastAPI runs each plain function in a thread of its own. Dependencies that neither wait nor
# compute are coroutines, so that a request takes two threads: authentication and answer.
async def get_clinic(request: Request) -> Clinic:
    """Return the clinic that the server was started with."""
    clinic: Clinic = request.app.state.clinic
    return clinic


ClinicDep = Annotated[Clinic, Depends(get_clinic)]


def client_address(request: HTTPConnection) -> str:
    """Return the IP address of a client, or "unknown" if a proxy named something else."""
    try:
        return str(ip_address(request.client.host if request.client else ""))[:45]
    except ValueError:
        return "unknown"


def client_browser(request: Request) -> Browser:
    """Return the address and user agent by which people recognise the browser of a session."""
    agent = "".join(filter(str.isprintable, request.headers.get("user-agent", "")))
    return Browser(client_address(request), agent[:200])


def limit_rate(request: Request) -> None:
    """Answer 429 if an address tries to sign in too often."""
    rate_limits: RateLimits = request.app.state.rate_limits
    rate_limits.count_attempt(client_address(request))


@dataclass(frozen=True, slots=True)
class Caller:
    """Authenticated sender of a request, with the credential that was used."""

    actor: Actor
    token_digest: str
    """Digest of the session's token or the API token. Connections that stay open use it to check
    that the credential is still valid."""
    csrf: str | None = None
    """CSRF token of a browser's session; None with an API token."""
    touch_due: bool = False
    """Whether the session's last use has to be recorded."""


def authenticate(request: Request, clinic: ClinicDep) -> Caller:
    """Return the sender of a request, by API token or by session cookie.

    The user's identifier is kept with the request, for the log of refused requests. The answer is
    401 if nobody is signed in; 403 if a browser would change something without the CSRF header,
    which no other site can send; 429 if the account exceeds its rate limit.
    """
    now = datetime.now(UTC)
    authorization = request.headers.get("authorization")
    if authorization is not None:
        caller = _authenticate_token(clinic, authorization, now)
        _count_request(request, caller.actor)
        return caller
    token = request.cookies.get(COOKIE)
    if token is None:
        raise ProblemError(HTTPStatus.UNAUTHORIZED, "sign in first", _CHALLENGE)
    with clinic.database.reading() as session:
        signed_in = actor_of_session(session, token, now)
    if signed_in is None:
        raise ProblemError(HTTPStatus.UNAUTHORIZED, "signed out; sign in again", _CHALLENGE)
    _count_request(request, signed_in.actor)
    if request.method not in _SAFE_METHODS:
        sent = request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(sent.encode(), signed_in.csrf.encode()):
            raise ProblemError(
                HTTPStatus.FORBIDDEN, f"the header {CSRF_HEADER} is missing or of another session"
            )
    return Caller(signed_in.actor, digest(token), signed_in.csrf, signed_in.touch_due)


def _count_request(request: Request, actor: Actor) -> None:
    request.state.user_id = actor.user_id
    rate_limits: RateLimits = request.app.state.rate_limits
    rate_limits.count_request(actor.user_id)


def _authenticate_token(clinic: Clinic, authorization: str, now: datetime) -> Caller:
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    actor = None
    if scheme.lower() == "bearer":
        with clinic.database.reading() as session:
            actor = actor_of_token(session, token, now)
    if actor is None:
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED,
            "invalid or expired API token; ask an administrator for a new one",
            _CHALLENGE,
        )
    return Caller(actor, digest(token))


CallerDep = Annotated[Caller, Depends(authenticate)]


async def get_current_actor(request: Request, caller: CallerDep, clinic: ClinicDep) -> Actor:
    """Return the user who sends a request, and record that their session was used."""
    if caller.touch_due:
        await run_in_threadpool(_touch_session, clinic, request.cookies[COOKIE])
    return caller.actor


def _touch_session(clinic: Clinic, token: str) -> None:
    with clinic.database.writing() as session:
        touch(session, token, datetime.now(UTC))


def require_role(*roles: Role) -> Callable[[Actor], Awaitable[Actor]]:
    """Return a dependency that answers 403 to every role but the given ones."""

    async def require(actor: Annotated[Actor, Depends(get_current_actor)]) -> Actor:
        check_role(actor, roles)
        return actor

    return require


def check_role(actor: Actor, roles: Container[Role]) -> None:
    """Answer 403 unless a user has one of some roles."""
    if actor.role not in roles:
        raise ProblemError(
            HTTPStatus.FORBIDDEN, f"the role {actor.role} may not do this; ask an administrator"
        )


def sees_hidden_readings(actor: Actor) -> bool:
    """Return whether a user sees readings of sites in shadow mode: overseers do, clinicians do not.

    Examples
    --------
    >>> [sees_hidden_readings(Actor("", "", role)) for role in Role]
    [False, True, True, False]
    """
    return actor.role in (Role.REVIEWER, Role.ADMINISTRATOR)


def visibility(session: Session, actor: Actor, studies: Iterable[Study]) -> Visibility:
    """Return what a user may see of the readings of some studies."""
    return visibility_of(session, actor, studies, sees_hidden=sees_hidden_readings(actor))


def require_visible(session: Session, study: Study, actor: Actor) -> None:
    """Answer 403 if the findings of a study are withheld from a user."""
    withheld = visibility(session, actor, [study]).withheld(study)
    if withheld is None:
        return
    if withheld is Withheld.OPINION_FIRST and actor.role is Role.SERVICE:
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "this site shows readings to programs once a person has judged each image of the study",
        )
    raise ProblemError(HTTPStatus.FORBIDDEN, _WITHHELD[withheld])


def require_not_purged(purged: datetime | None) -> None:
    """Answer 410, with the date, if a study or an image was purged."""
    if purged is not None:
        raise ProblemError(
            HTTPStatus.GONE, f"this was purged on {purged:%Y-%m-%d} and cannot be restored"
        )


def require_not_withdrawn(withdrawn: datetime | None) -> None:
    """Answer 410, with the date, if an image or all images of a study were withdrawn."""
    if withdrawn is not None:
        raise ProblemError(
            HTTPStatus.GONE,
            f"this was withdrawn on {withdrawn:%Y-%m-%d}, as sent by mistake or moved to another "
            "study; go back to the worklist",
        )


def require_no_conflict(study: Study) -> None:
    """Answer 409, with the reason, if a person must check first whose study it is."""
    if study.conflict is not None:
        raise ProblemError(
            HTTPStatus.CONFLICT,
            f"needs a person: {study.conflict}; a reviewer must check whose study it is first",
        )


def require_administrator(
    actor: Annotated[Actor, Depends(require_role(Role.ADMINISTRATOR))],
    caller: CallerDep,
    clinic: ClinicDep,
) -> Actor:
    """Return the administrator who sends a request; in a browser with a second factor, if required.

    The answer is 403 for other roles; and for administrators in a browser who have neither a second
    factor nor sign in by single sign-on, if the server requires one.
    """
    if clinic.settings.require_second_factor and caller.csrf is not None:
        with clinic.database.reading() as session:
            safe = is_active(session, actor.user_id) or uses_single_sign_on(session, actor.user_id)
        if not safe:
            raise ProblemError(
                HTTPStatus.FORBIDDEN,
                "administrators need a second factor here; set one up under your account",
            )
    return actor


CurrentActor = Annotated[Actor, Depends(get_current_actor)]
StaffMember = Annotated[Actor, Depends(require_role(*STAFF_ROLES))]
Overseer = Annotated[Actor, Depends(require_role(Role.REVIEWER, Role.ADMINISTRATOR))]
Administrator = Annotated[Actor, Depends(require_administrator)]
