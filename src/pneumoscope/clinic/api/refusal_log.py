"""What is refused is logged and counted: what was asked for, as whom; never what was sent."""

import logging
from http import HTTPMethod

from prometheus_client import Counter
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pneumoscope.clinic.api.problems import route_of
from pneumoscope.clinic.api.security import COOKIE, address_of

log = logging.getLogger(__name__)


def counter() -> Counter:
    """Return what counts the refusals of one server since its start."""
    labels = ("method", "route", "status")
    return Counter("pneumoscope_refused_requests", "Answers of 4xx.", labels, registry=None)


class LogRefusals:
    """Logs and counts every answer of 4xx: who has no access, what is amiss, what is too much.

    Parameters
    ----------
    app
        That answers.
    refused
        See `counter`.
    """

    def __init__(self, app: ASGIApp, refused: Counter) -> None:
        self._app = app
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start" and 400 <= message["status"] < 500:
                request = HTTPConnection(scope)
                log.warning("refused: %s", _told(request, message["status"]))
                self._refused.labels(_method(request), route_of(request), message["status"]).inc()
            await send(message)

        await self._app(scope, receive, noting)


def _told(request: HTTPConnection, status: int) -> str:
    """Return a line that no sender has a word in."""
    if "authorization" in request.headers:
        proof = "with a token"
    elif COOKIE in request.cookies:
        proof = "with a session"
    else:
        proof = "without a sign-in"
    user = getattr(request.state, "user_id", None)
    known = f" of user {user}" if user else ""
    asked = f"{_method(request)} {route_of(request)}"
    return f"{status} {asked} {proof}{known} from {address_of(request)}"


def _method(request: HTTPConnection) -> str:
    """Return the method if it is one of HTTP: others are the sender's own words, of any number."""
    method: str = request.scope["method"]
    return method if method in HTTPMethod.__members__ else "another method"
