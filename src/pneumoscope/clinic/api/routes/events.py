"""Live updates: server-sent events that tell that the worklist has changed, and nothing else."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from pneumoscope.clinic.api.problems import ProblemError
from pneumoscope.clinic.api.security import PEOPLE, TheCaller, check_role
from pneumoscope.clinic.worklist.listeners import Listener, Listeners, TooManyListenersError

router = APIRouter(prefix="/v1", tags=["worklist"])


async def listening(request: Request, caller: TheCaller) -> AsyncIterator[Listener]:
    """Yield a listener for who asks; to listen is not to use a session, which may run out.

    Raises
    ------
    ProblemError
        429 if the account listens in too many windows; 403 for a program.
    """
    check_role(caller.actor, PEOPLE)
    listeners: Listeners = request.app.state.listeners
    try:
        with listeners.listening(caller.actor, caller.proof) as listener:
            yield listener
    except TooManyListenersError as error:
        raise ProblemError(HTTPStatus.TOO_MANY_REQUESTS, str(error)) from error


@router.get("/events", response_class=EventSourceResponse)
async def events(
    listener: Annotated[Listener, Depends(listening)],
) -> AsyncIterator[ServerSentEvent]:
    """Tell, as ``worklist``, whenever the worklist has changed that one may see; and at first."""
    async for number in listener.changes():
        yield ServerSentEvent(event="worklist", data=number)
