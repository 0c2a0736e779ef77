"""Live updates: server-sent events when the worklist changes; they carry no patient data."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.security import STAFF_ROLES, CallerDep, check_role
from pneumoscope.clinic.worklist.listeners import Listener, Listeners, TooManyListenersError

router = APIRouter(prefix="/v1", tags=["worklist"])


async def open_listener(request: Request, caller: CallerDep) -> AsyncIterator[Listener]:
    """Yield a listener for a user; listening does not count as use of the session, which may idle.

    The answer is 429 if the account listens in too many windows, and 403 for a program.
    """
    check_role(caller.actor, STAFF_ROLES)
    listeners: Listeners = request.app.state.listeners
    try:
        with listeners.listen(caller.actor, caller.token_digest) as listener:
            yield listener
    except TooManyListenersError as error:
        raise ProblemError(HTTPStatus.TOO_MANY_REQUESTS, str(error)) from error


@router.get("/events", response_class=EventSourceResponse)
async def stream_events(
    listener: Annotated[Listener, Depends(open_listener)],
) -> AsyncIterator[ServerSentEvent]:
    """Stream an event ``worklist`` at first and whenever the user's worklist changes."""
    async for number in listener.changes():
        yield ServerSentEvent(event="worklist", data=number)
