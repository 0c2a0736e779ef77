"""What every request passes: limits of size and time, and the headers that browsers are told."""

import asyncio
import time
from contextlib import suppress
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pneumoscope.clinic.api.problems import problem

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
"""A radiograph must not stay in a cache, nor a page of ours stand in another's frame.

The pointers that Cornerstone3D draws are pictures at ``blob:`` addresses; the page needs nothing
else that is not a file of this server, and evaluates no text as code.
"""

GRACE = 10.0
"""Seconds that a body may be waited for, however little of it has come."""

SLOWEST = 16_000
"""Bytes of it that allow a second more."""

LONGEST = 3600.0
"""Seconds in all. In each, what the server itself does meanwhile does not count."""

_CLOSE = {"connection": "close"}


class SecurityHeaders:
    """Adds `HEADERS` to every answer that does not say otherwise."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = {name.lower() for name, _ in message["headers"]}
                more = [(name, value) for name, value in HEADERS.items() if name not in said]
                message["headers"] = [*message["headers"], *more]
            await send(message)

        await self._app(scope, receive, with_headers)


class LimitBody:
    """Refuses requests that are larger or slower than allowed, as soon as that is known.

    Parameters
    ----------
    app
        That is guarded.
    most_bytes
        Of a body, whatever its header says of its length.
    """

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app = app
        self._most = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive, self._most)
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self._most:
            await body.too_large()(scope, receive, send)
            return
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            # What the application makes of the error is not what the sender must know.
            if body.refusal is None:
                begun = True
                await send(message)

        with suppress(_RefusedError):
            await self._app(scope, body.receive, watched)
        if body.refusal is not None and not begun:
            await body.refusal(scope, receive, send)


class _Body:
    """What comes of a request's body; ``refusal`` is the answer if it is not taken."""

    def __init__(self, receive: Receive, most_bytes: int) -> None:
        self._receive = receive
        self._most = most_bytes
        self._came = 0
        self._waited = 0.0
        self._ended = False
        self.refusal: Response | None = None

    async def receive(self) -> Message:
        if self._ended:  # from now on it is waited for the sender to go away
            return await self._receive()
        began = time.monotonic()
        left = min(LONGEST, GRACE + self._came / SLOWEST) - self._waited
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, left))
        except TimeoutError:
            self.refusal = problem(
                HTTPStatus.REQUEST_TIMEOUT,
                "the request came too slowly; send fewer files at a time, or over a better line",
                _CLOSE,
            )
            raise _RefusedError from None
        self._waited += time.monotonic() - began
        self._came += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        if self._came > self._most:
            self.refusal = self.too_large()
            raise _RefusedError
        return message

    def too_large(self) -> Response:
        return problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"a request may have {self._most:,} bytes here; send fewer files at a time",
            _CLOSE,
        )


class _RefusedError(Exception):
    """The rest of a body is not waited for."""
