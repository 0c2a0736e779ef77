"""Middleware of every request: limits of body size and time, and security headers."""

import asyncio
import time
from contextlib import suppress
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pneumoscope.clinic.api.problems import problem_response

HEADERS = {
    b"content-security-policy": (
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        b"connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        b"require-trusted-types-for 'script'"
    ),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), microphone=(), geolocation=()",
    b"cache-control": b"no-store",
    b"strict-transport-security": b"max-age=31536000; includeSubDomains",
}
"""Security headers: no radiograph stays in a cache, and no page is framed by another site.

Cornerstone3D draws its pointers as images at ``blob:`` addresses. All else that the page loads is a
file of this server, and no text is evaluated as code.
"""

MIN_BODY_SECONDS = 10.0
"""Time that every body gets, in seconds, however little of it has arrived."""

MIN_BODY_RATE = 16_000
"""Bytes that extend this time by a second."""

MAX_BODY_SECONDS = 3600.0
"""Longest time of a body, in seconds. Only waiting for the client counts, not the server's work."""

_CLOSE = {"connection": "close"}


class SecurityHeaders:
    """Middleware that adds `HEADERS` to every response, except those that it already has."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                added = [(name, value) for name, value in HEADERS.items() if name not in present]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class LimitBody:
    """Middleware that refuses bodies that are too large or arrive too slowly, as early as possible.

    Their bytes are counted, whatever the Content-Length says.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive, self._max_bytes)
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self._max_bytes:
            await body.too_large()(scope, receive, send)
            return
        started = False

        async def send_unless_refused(message: Message) -> None:
            nonlocal started
            # Once the body is refused, the client gets the refusal, not the application's answer.
            if body.refusal is None:
                started = True
                await send(message)

        with suppress(_RefusedError):
            await self._app(scope, body.receive, send_unless_refused)
        if body.refusal is not None and not started:
            await body.refusal(scope, receive, send)


class _Body:
    """Body of a request as it arrives; ``refusal`` is the response if it is refused."""

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._received_bytes = 0
        self._waited_seconds = 0.0
        self._complete = False
        self.refusal: Response | None = None

    async def receive(self) -> Message:
        if self._complete:  # from here on the application waits for the client to disconnect
            return await self._receive()
        start = time.monotonic()
        allowed = min(MAX_BODY_SECONDS, MIN_BODY_SECONDS + self._received_bytes / MIN_BODY_RATE)
        try:
            message = await asyncio.wait_for(
                self._receive(), max(0.0, allowed - self._waited_seconds)
            )
        except TimeoutError:
            self.refusal = problem_response(
                HTTPStatus.REQUEST_TIMEOUT,
                "the request arrived too slowly; send fewer files at a time, or use a faster "
                "connection",
                _CLOSE,
            )
            raise _RefusedError from None
        self._waited_seconds += time.monotonic() - start
        self._received_bytes += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        if self._received_bytes > self._max_bytes:
            self.refusal = self.too_large()
            raise _RefusedError
        return message

    def too_large(self) -> Response:
        return problem_response(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"a request may have at most {self._max_bytes:,} bytes; send fewer files at a time",
            _CLOSE,
        )


class _RefusedError(Exception):
    """The rest of the body is not read."""
