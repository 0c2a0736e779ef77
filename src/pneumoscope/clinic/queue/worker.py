"""A worker: takes images off the queue, reads them and stores what the reader says, each once."""

import logging
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from pneumoscope.clinic.queue.readings import store_readings
from pneumoscope.clinic.queue.tasks import MOST_ATTEMPTS, Lease, finish, give_back, take, waiting
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.file_store import FileStore
from pneumoscope.clinic.storage.tables import Image
from pneumoscope.reader import Reader, Reading, Status
from pneumoscope.support.errors import StorageError

LONGEST = 60.0
"""Seconds that an image may be read for, a fraction of a lease; what takes longer hangs."""

MOST_TAKEN = 16
"""Images that a worker takes at a time: what is done once for all of them is then a small part."""

log = logging.getLogger(__name__)


class Worker:
    """Reads what waits.

    Parameters
    ----------
    database, store
        The clinic's.
    reader
        To read with.
    operating_point
        At which a finding is made.
    name
        Unlike that of any other worker.
    """

    def __init__(
        self, database: Database, store: FileStore, reader: Reader, operating_point: str, name: str
    ) -> None:
        self._database = database
        self._store = store
        self._reader = reader
        self._point = operating_point
        self._name = name

    def step(self) -> int:
        """Take some images, read them and store the readings; return how many that were.

        They are stored together, since a transaction of its own for each takes as long as reading.
        A process that is killed at any moment has stored all of them or none; if none, another
        takes the images when the lease has run out.
        """
        with self._database.reading() as session:  # which hinders no writer
            found = waiting(session, datetime.now(UTC), 2 * MOST_TAKEN)
        if not found:
            return 0
        with self._database.writing() as session:
            # No more than half of what waits, so that the other workers have something to do too.
            leases = take(session, self._name, max(1, found // 2), datetime.now(UTC))
            files = _files(session, leases)
        readings: dict[str, Reading] = {}
        try:
            for lease in leases:
                readings[lease.image_id] = self._read(lease, files[lease.image_id])
        except BaseException:
            # Not the one that was begun with: what stops the program must not do so for ever.
            self._give_back(leases[len(readings) + 1 :])
            raise
        finally:
            self._keep(readings)
        return len(leases)

    def _read(self, lease: Lease, sha256: str) -> Reading:
        if lease.attempts > MOST_ATTEMPTS:
            return self._failed(f"reading it stopped the program {MOST_ATTEMPTS} times")
        try:
            content = self._store.read(sha256)
        except StorageError as error:
            log.error("%s", error)
            return self._failed("its file is missing or damaged here; send it again")
        with _ended_after(LONGEST):
            return self._reader.read(content)

    def _failed(self, reason: str) -> Reading:
        return Reading(Status.FAILED, self._reader.bundle.identity, (reason,))

    def _keep(self, readings: Mapping[str, Reading]) -> None:
        with self._database.writing() as session:
            ours = finish(session, readings.keys(), self._name)
            kept = {image_id: one for image_id, one in readings.items() if image_id in ours}
            store_readings(session, kept, self._point, datetime.now(UTC))

    def _give_back(self, leases: Sequence[Lease]) -> None:
        with self._database.writing() as session:
            give_back(session, [one.image_id for one in leases], self._name, datetime.now(UTC))


@contextmanager
def _ended_after(seconds: float) -> Iterator[None]:
    """Have the system end this process if the block takes longer, wherever it is.

    A decoder that hangs does so in C, where no exception of Python's reaches it. The image then
    counts as one that stopped the program, and another process takes the place of this one.
    """
    before = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *before)


def _files(session: Session, leases: Sequence[Lease]) -> dict[str, str]:
    """Return the SHA-256 of each image's file."""
    taken = Image.id.in_([lease.image_id for lease in leases])
    return {
        row.id: row.sha256 for row in session.execute(select(Image.id, Image.sha256).where(taken))
    }
