"""What every request passes: limits of size, and the headers that browsers are told."""

from contextlib import suppress
from http import HTTPStatus

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
    b"strict-transport-security": b"max-age=31536000",
}
"""A radiograph must not stay in a cache, nor a page of ours stand in another's frame.

The pointers that Cornerstone3D draws are pictures at ``blob:`` addresses; the page needs nothing
else that is not a file of this server, and evaluates no text as code.
"""


class TellBrowsers:
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
    """Refuses requests that are larger than allowed, as soon as that is known.

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
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self._most:
            await self._refuse(scope, receive, send)
            return
        came, begun = 0, False

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > self._most:
                raise _TooLargeError
            return message

        async def watched(message: Message) -> None:
            nonlocal begun
            # What the application makes of the error is not what the sender must know.
            if came <= self._most:
                begun = True
                await send(message)

        with suppress(_TooLargeError):
            await self._app(scope, counted, watched)
        if came > self._most and not begun:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"a request may have {self._most:,} bytes here; send fewer files at a time",
            {"connection": "close"},
        )
        await answer(scope, receive, send)


class _TooLargeError(Exception):
    """More came than is allowed."""
