"""Log and count of refused requests (status 4xx); nothing that was sent is logged."""

import logging
from http import HTTPMethod

from prometheus_client import Counter
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pneumoscope.clinic.api.problems import route_path
from pneumoscope.clinic.api.security import COOKIE, client_address

log = logging.getLogger(__name__)


def refusal_counter() -> Counter:
    """Return a counter of refused requests since the server started."""
    return Counter(
        "pneumoscope_refused_requests",
        "Requests answered with status 4xx since the server started, by method, route and status.",
        ("method", "route", "status"),
        registry=None,
    )


class LogRefusals:
    """Middleware that logs and counts every answer of status 4xx."""

    def __init__(self, app: ASGIApp, refusals: Counter) -> None:
        self._app = app
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def send_and_log(message: Message) -> None:
            if message["type"] == "http.response.start" and 400 <= message["status"] < 500:
                request, status = HTTPConnection(scope), message["status"]
                log.warning("refused: %s", _describe(request, status))
                self._refusals.labels(_method(request), route_path(request), status).inc()
            await send(message)

        await self._app(scope, receive, send_and_log)


def _describe(request: HTTPConnection, status: int) -> str:
    """Return a log line without any text that the sender chose."""
    if "authorization" in request.headers:
        credential = "with a token"
    elif COOKIE in request.cookies:
        credential = "with a session"
    else:
        credential = "without a sign-in"
    user_id = getattr(request.state, "user_id", None)
    user = f" of user {user_id}" if user_id else ""
    target = f"{_method(request)} {route_path(request)}"
    return f"{status} {target} {credential}{user} from {client_address(request)}"


def _method(request: HTTPConnection) -> str:
    """Return the HTTP method, or one name for all others, which a sender could invent."""
    method: str = request.scope["method"]
    return method if method in HTTPMethod.__members__ else "another method"
