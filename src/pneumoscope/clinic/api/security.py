"""Who sends a request, and whether that role may do what it asks for."""

import hmac
from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from ipaddress import ip_address
from typing import Annotated

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.rate_limits import Quotas
from pneumoscope.clinic.identity.accounts import Actor, Role, has_identity
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

COOKIE = "__Host-pneumoscope"
CSRF_HEADER = "X-CSRF-Token"

PEOPLE = (Role.CLINICIAN, Role.REVIEWER, Role.ADMINISTRATOR)

_SAFE = {"GET", "HEAD", "OPTIONS"}
_CHALLENGE = {"WWW-Authenticate": "Bearer"}


# FastAPI sends each function that is no coroutine through a thread of its own; what neither waits
# nor computes is therefore one, and a request goes through two threads: who asks, and the answer.
async def clinic_of(request: Request) -> Clinic:
    """Return the clinic that the server was started with."""
    clinic: Clinic = request.app.state.clinic
    return clinic


TheClinic = Annotated[Clinic, Depends(clinic_of)]


def address_of(request: HTTPConnection) -> str:
    """Return from where a request comes; a proxy may have named what is no address."""
    try:
        return str(ip_address(request.client.host if request.client else ""))[:45]
    except ValueError:
        return "unknown"


def browser_of(request: Request) -> Browser:
    """Return by what people know the browser again that sends a request."""
    agent = "".join(filter(str.isprintable, request.headers.get("user-agent", "")))
    return Browser(address_of(request), agent[:200])


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request, and by what."""

    actor: Actor
    proof: str
    """Digest of the session's or API token: what is long open must look whether it still holds."""
    csrf: str | None = None
    """Of a browser's session."""
    touch_due: bool = False


def identified(request: Request, clinic: TheClinic) -> Caller:
    """Return who sends a request, by its API token or its browser's session.

    Who it is stays with the request, for what is logged of it.

    Raises
    ------
    ProblemError
        401 if nobody is signed in; 403 if a browser would change something without the header that
        no other site can send; 429 if it is too much of one account.
    """
    now = datetime.now(UTC)
    authorization = request.headers.get("authorization")
    if authorization is not None:
        caller = _by_token(clinic, authorization, now)
        _count(request, caller.actor)
        return caller
    token = request.cookies.get(COOKIE)
    if token is None:
        raise ProblemError(HTTPStatus.UNAUTHORIZED, "sign in first", _CHALLENGE)
    with clinic.database.reading() as session:
        found = actor_of_session(session, token, now)
    if found is None:
        raise ProblemError(HTTPStatus.UNAUTHORIZED, "signed out; sign in again", _CHALLENGE)
    _count(request, found.actor)
    if request.method not in _SAFE:
        sent = request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(sent.encode(), found.csrf.encode()):
            raise ProblemError(
                HTTPStatus.FORBIDDEN, f"the header {CSRF_HEADER} is missing or of another session"
            )
    return Caller(found.actor, digest(token), found.csrf, found.touch_due)


def _count(request: Request, actor: Actor) -> None:
    request.state.user_id = actor.user_id
    quotas: Quotas = request.app.state.quotas
    quotas.count_request(actor.user_id)


def _by_token(clinic: Clinic, authorization: str, now: datetime) -> Caller:
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    actor = None
    if scheme.lower() == "bearer":
        with clinic.database.reading() as session:
            actor = actor_of_token(session, token, now)
    if actor is None:
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED, "this token does not hold; ask for a new one", _CHALLENGE
        )
    return Caller(actor, digest(token))


TheCaller = Annotated[Caller, Depends(identified)]


async def signed_in(request: Request, caller: TheCaller, clinic: TheClinic) -> Actor:
    """Return who sends a request, and write down that their session was used."""
    if caller.touch_due:
        await run_in_threadpool(_touch, clinic, request.cookies[COOKIE])
    return caller.actor


def _touch(clinic: Clinic, token: str) -> None:
    with clinic.database.writing() as session:
        touch(session, token, datetime.now(UTC))


def require_role(*roles: Role) -> Callable[[Actor], Awaitable[Actor]]:
    """Return what lets some roles pass and stops all others with 403."""

    async def allowed(actor: Annotated[Actor, Depends(signed_in)]) -> Actor:
        check_role(actor, roles)
        return actor

    return allowed


def check_role(actor: Actor, roles: Container[Role]) -> None:
    """Stop who has none of some roles.

    Raises
    ------
    ProblemError
        403.
    """
    if actor.role not in roles:
        raise ProblemError(
            HTTPStatus.FORBIDDEN, f"a {actor.role} may not do this; ask an administrator"
        )


def sees_hidden_readings(actor: Actor) -> bool:
    """Whether someone sees readings of sites in shadow mode: who watches over it, not who treats.

    Examples
    --------
    >>> [sees_hidden_readings(Actor("", "", role)) for role in Role]
    [False, True, True, False]
    """
    return actor.role in (Role.REVIEWER, Role.ADMINISTRATOR)


def require_shown(study: Study, actor: Actor) -> None:
    """Stop who may not see a study's readings.

    Raises
    ------
    ProblemError
        403 while its site is in shadow mode, for those who treat.
    """
    if not (study.site.displayed or sees_hidden_readings(actor)):
        raise ProblemError(
            HTTPStatus.FORBIDDEN, "readings of this site are not shown yet; it is in shadow mode"
        )


def require_kept(purged: datetime | None) -> None:
    """Stop who asks for what was purged.

    Raises
    ------
    ProblemError
        410, with the day.
    """
    if purged is not None:
        raise ProblemError(
            HTTPStatus.GONE, f"this was purged on {purged:%Y-%m-%d} and is not to be had any more"
        )


def require_administrator(
    actor: Annotated[Actor, Depends(require_role(Role.ADMINISTRATOR))],
    caller: TheCaller,
    clinic: TheClinic,
) -> Actor:
    """Return who administers, with a second factor if the server asks for it in browsers.

    Raises
    ------
    ProblemError
        403 for who has none and does not come by the single sign-on, which has its own.
    """
    if clinic.settings.second_factor and caller.csrf is not None:
        with clinic.database.reading() as session:
            safe = is_active(session, actor.user_id) or has_identity(session, actor.user_id)
        if not safe:
            raise ProblemError(
                HTTPStatus.FORBIDDEN,
                "here administrators need a second factor; set one up under your account",
            )
    return actor


Anyone = Annotated[Actor, Depends(signed_in)]
Person = Annotated[Actor, Depends(require_role(*PEOPLE))]
Administrator = Annotated[Actor, Depends(require_administrator)]
