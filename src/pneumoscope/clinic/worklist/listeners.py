"""Those who wait for changes of the worklist: one look at the database serves all of a process."""

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
from pneumoscope.clinic.worklist.changes import SiteCount, counts, visible
from pneumoscope.support.errors import ClinicError

MOST_PER_ACCOUNT = 10
"""Windows that one account may listen in at once, in one process."""

LONGEST = 3600.0
"""Seconds that one may listen for; browsers then connect anew by themselves."""

_LOOK_EVERY = 1.0
"""Seconds between two looks at the database."""

log = logging.getLogger(__name__)


class TooManyListenersError(ClinicError):
    """An account listens in as many windows as it may."""


class Listener:
    """One who waits.

    Parameters
    ----------
    actor
        Who it is.
    proof
        Digest of the token by which they are signed in.
    """

    def __init__(self, actor: Actor, proof: str) -> None:
        self.actor = actor
        self.proof = proof
        self._seen: tuple[object, ...] | None = None
        self._woken = asyncio.Event()
        self._ended = False

    def tell(self, now_visible: tuple[object, ...]) -> None:
        """Wake the listener if what it may see is not what it saw last."""
        if self._seen != now_visible:
            self._seen = now_visible
            self._woken.set()

    def end(self) -> None:
        """Have the listener wait no longer."""
        self._ended = True
        self._woken.set()

    async def changes(self) -> AsyncIterator[int]:
        """Yield a number for each change, from 1 on; the first one is what there is at first."""
        end = asyncio.get_running_loop().time() + LONGEST
        number = 0
        while (left := end - asyncio.get_running_loop().time()) > 0:
            try:
                await asyncio.wait_for(self._woken.wait(), left)
            except TimeoutError:
                return
            if self._ended:
                return
            self._woken.clear()
            number += 1
            yield number


class Listeners:
    """All who listen in this process.

    Parameters
    ----------
    database
        The clinic's.
    sees_hidden
        Whether someone sees readings of sites in shadow mode.
    """

    def __init__(self, database: Database, sees_hidden: Callable[[Actor], bool]) -> None:
        self._database = database
        self._sees_hidden = sees_hidden
        self._listening: set[Listener] = set()
        self._looking: asyncio.Task[None] | None = None
        self._closed = False

    @contextmanager
    def listening(self, actor: Actor, proof: str) -> Iterator[Listener]:
        """Yield a listener, which listens until the block ends.

        Raises
        ------
        TooManyListenersError
            If the account has `MOST_PER_ACCOUNT` already.
        """
        per_account = Counter(one.actor.user_id for one in self._listening)
        if per_account[actor.user_id] >= MOST_PER_ACCOUNT:
            raise TooManyListenersError(
                f"this account listens in {MOST_PER_ACCOUNT} windows already; close one"
            )
        listener = Listener(actor, proof)
        self._listening.add(listener)
        if self._closed:
            listener.end()
        elif self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_out())
        try:
            yield listener
        finally:
            self._listening.discard(listener)

    def close(self) -> None:
        """End all, also those who come later."""
        self._closed = True
        for listener in self._listening:
            listener.end()

    async def _look_out(self) -> None:
        try:
            while self._listening and not self._closed:
                proofs = {listener.proof for listener in self._listening}
                signed_in, sites = await asyncio.to_thread(self._look, proofs)
                for listener in self._listening:
                    self._tell(listener, proofs, signed_in, sites)
                await asyncio.sleep(_LOOK_EVERY)
        except SQLAlchemyError as error:
            # Who is still signed in is not known: all have to ask again.
            log.error("live updates: %s", type(error).__name__)
            for listener in self._listening:
                listener.end()

    def _look(self, proofs: set[str]) -> tuple[dict[str, Actor], list[SiteCount]]:
        with self._database.reading() as session:
            return users_of_tokens(session, proofs, datetime.now(UTC)), counts(session)

    def _tell(
        self,
        listener: Listener,
        asked: set[str],
        signed_in: dict[str, Actor],
        sites: list[SiteCount],
    ) -> None:
        actor = signed_in.get(listener.proof)
        if actor is not None:
            listener.tell(visible(sites, sees_hidden=self._sees_hidden(actor)))
        elif listener.proof in asked:
            listener.end()
