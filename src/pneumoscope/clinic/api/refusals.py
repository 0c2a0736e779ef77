"""What is refused is logged: what was asked for, as whom and from where; never what was sent."""

import logging

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pneumoscope.clinic.api.problems import route_of
from pneumoscope.clinic.api.security import COOKIE, address_of

log = logging.getLogger(__name__)


class LogRefusals:
    """Logs every answer of 4xx: who has no access, what is not in order, what is too much."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start" and 400 <= message["status"] < 500:
                log.warning("refused: %s", _told(HTTPConnection(scope), message["status"]))
            await send(message)

        await self._app(scope, receive, noting)


def _told(request: HTTPConnection, status: int) -> str:
    """Return a line that no sender has a word in, but for the kind of the request."""
    if "authorization" in request.headers:
        proof = "with a token"
    elif COOKIE in request.cookies:
        proof = "with a session"
    else:
        proof = "without a sign-in"
    user = getattr(request.state, "user_id", None)
    known = f" of user {user}" if user else ""
    method, route = request.scope["method"], route_of(request)
    return f"{status} {method} {route} {proof}{known} from {address_of(request)}"
