"""Listeners for changes of the worklist; one poll of the database serves all of a process."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

from pneumoscope.clinic.identity.accounts import Actor
from pneumoscope.clinic.identity.credentials import users_of_tokens
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.worklist.changes import SiteChanges, count_changes, visible_changes
from pneumoscope.support.errors import ClinicError

MAX_LISTENERS_PER_ACCOUNT = 10
"""Number of windows in which an account may listen at once, per process."""

MAX_LISTENING_SECONDS = 3600.0
"""Longest time of a connection; browsers then reconnect by themselves."""

_POLL_SECONDS = 1.0
"""Time between two polls of the database."""

log = logging.getLogger(__name__)


class TooManyListenersError(ClinicError):
    """An account has reached its limit of listening windows."""


class Listener:
    """Window of a user that listens for changes, with the digest of the user's token."""

    def __init__(self, actor: Actor, token_digest: str) -> None:
        self.actor = actor
        self.token_digest = token_digest
        self._last_visible: tuple[object, ...] | None = None
        self._wake = asyncio.Event()
        self._ended = False

    def notify(self, visible: tuple[object, ...]) -> None:
        """Wake the listener if the visible changes differ from the last ones."""
        if self._last_visible != visible:
            self._last_visible = visible
            self._wake.set()

    def end(self) -> None:
        """End the listening."""
        self._ended = True
        self._wake.set()

    async def changes(self) -> AsyncIterator[int]:
        """Yield a number for each change, from 1 on; the first stands for the initial state."""
        end = asyncio.get_running_loop().time() + MAX_LISTENING_SECONDS
        number = 0
        while (remaining := end - asyncio.get_running_loop().time()) > 0:
            try:
                await asyncio.wait_for(self._wake.wait(), remaining)
            except TimeoutError:
                return
            if self._ended:
                return
            self._wake.clear()
            number += 1
            yield number


class Listeners:
    """Listeners of this process; a function decides who sees readings of sites in shadow mode."""

    def __init__(self, database: Database, sees_hidden: Callable[[Actor], bool]) -> None:
        self._database = database
        self._sees_hidden = sees_hidden
        self._listeners: set[Listener] = set()
        self._poll_task: asyncio.Task[None] | None = None
        self._closed = False

    @contextmanager
    def listen(self, actor: Actor, token_digest: str) -> Iterator[Listener]:
        """Yield a listener, which listens until the block ends.

        TooManyListenersError is raised if the account has `MAX_LISTENERS_PER_ACCOUNT` already.
        """
        per_account = Counter(listener.actor.user_id for listener in self._listeners)
        if per_account[actor.user_id] >= MAX_LISTENERS_PER_ACCOUNT:
            raise TooManyListenersError(
                f"this account has {MAX_LISTENERS_PER_ACCOUNT} open windows already; close one"
            )
        listener = Listener(actor, token_digest)
        self._listeners.add(listener)
        if self._closed:
            listener.end()
        elif self._poll_task is None or self._poll_task.done():
            self._poll_task = asyncio.create_task(self._poll())
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def close(self) -> None:
        """End all listeners, and those to come."""
        self._closed = True
        for listener in self._listeners:
            listener.end()

    async def _poll(self) -> None:
        try:
            while self._listeners and not self._closed:
                digests = {listener.token_digest for listener in self._listeners}
                actors, sites = await asyncio.to_thread(self._query, digests)
                for listener in self._listeners:
                    if listener.token_digest in digests:  # the others came meanwhile
                        self._update(listener, actors, sites)
                await asyncio.sleep(_POLL_SECONDS)
        except SQLAlchemyError as error:
            # Nobody's sign-in can be verified, so all clients must reconnect.
            log.error("live updates failed: %s", type(error).__name__)
            for listener in self._listeners:
                listener.end()

    def _query(self, digests: set[str]) -> tuple[dict[str, Actor], list[SiteChanges]]:
        with self._database.reading() as session:
            # The users come last: they must not get to know changes made after they lost a role.
            sites = count_changes(session)
            return users_of_tokens(session, digests, datetime.now(UTC)), sites

    def _update(
        self, listener: Listener, actors: dict[str, Actor], sites: list[SiteChanges]
    ) -> None:
        actor = actors.get(listener.token_digest)
        if actor is None:  # signed out
            listener.end()
        else:
            listener.notify(visible_changes(sites, sees_hidden=self._sees_hidden(actor)))
