"""HTTP as uvicorn speaks it, but not to those who never come to the end of what they say."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

WITHIN = 10.0
"""Seconds for a request's line and headers, from their first byte, and for the first byte."""


class SlowClientTimeout(H11Protocol):
    """Closes connections that keep the server waiting, whether they are silent or trickle.

    Bodies are the application's to wait for (`pneumoscope.clinic.api.middleware.LimitBody`), but
    for what is still sent of one when its answer has been given.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take what came, and wait for the rest of it."""
        super().data_received(data)
        answered = self.cycle is not None and self.cycle.response_complete
        if self.conn.their_state is h11.IDLE or (
            self.conn.their_state is h11.SEND_BODY and answered
        ):
            self._wait()
        else:
            self._wait_no_longer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._wait_no_longer()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._end is None:
            self._end = self.loop.call_later(WITHIN, self.transport.close)

    def _wait_no_longer(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None
