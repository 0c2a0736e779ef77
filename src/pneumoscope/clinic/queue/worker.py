"""Worker that leases queued images, reads them and stores each reading once."""

import logging
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import select

from pneumoscope.clinic.queue.readings import store_readings
from pneumoscope.clinic.queue.tasks import (
    MAX_ATTEMPTS,
    Lease,
    complete_tasks,
    count_waiting,
    lease_tasks,
    release_tasks,
)
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.file_store import FileStore
from pneumoscope.clinic.storage.tables import Image
from pneumoscope.reader import Reader, Reading, Status
from pneumoscope.support.errors import StorageError

MAX_READING_SECONDS = 60.0
"""Longest time to read an image, half a lease; after that its decoder counts as hung."""

MAX_LEASED_IMAGES = 16
"""Images leased at a time, so that the cost of the transactions is spread over many."""

log = logging.getLogger(__name__)


class Worker:
    """Reads waiting images; its name must be unique among all workers."""

    def __init__(
        self, database: Database, store: FileStore, reader: Reader, operating_point: str, name: str
    ) -> None:
        self._database = database
        self._store = store
        self._reader = reader
        self._point = operating_point
        self._name = name

    def step(self) -> int:
        """Lease some images, read them and store the readings; return the number of images.

        The readings are stored together, since a transaction for each takes as long as reading. A
        process killed at any moment has stored all or none of them; if none, another worker leases
        the images after the lease expires.
        """
        with self._database.reading() as session:  # blocks no writer
            waiting = count_waiting(session, datetime.now(UTC), 2 * MAX_LEASED_IMAGES)
        if not waiting:
            return 0
        with self._database.writing() as session:
            # At most half of what waits, to leave some for the other workers.
            leases = lease_tasks(session, self._name, max(1, waiting // 2), datetime.now(UTC))
            leased = Image.id.in_([lease.image_id for lease in leases])
            images = session.execute(select(Image.id, Image.sha256).where(leased))
            hashes = {image.id: image.sha256 for image in images}
        readings: dict[str, Reading] = {}
        try:
            for lease in leases:
                readings[lease.image_id] = self._read(lease, hashes[lease.image_id])
        except BaseException:
            # Except the image being read: if it stops the program, its attempt must count.
            unread = [lease.image_id for lease in leases[len(readings) + 1 :]]
            with self._database.writing() as session:
                release_tasks(session, unread, self._name, datetime.now(UTC))
            raise
        finally:
            self._store_readings(readings)
        return len(leases)

    def _read(self, lease: Lease, sha256: str) -> Reading:
        if lease.attempts > MAX_ATTEMPTS:
            return self._failed_reading(f"reading it stopped the program {MAX_ATTEMPTS} times")
        try:
            content = self._store.read(sha256)
        except StorageError as error:
            log.error("%s", error)
            return self._failed_reading(
                "its file on the server is missing or damaged; send it again"
            )
        with _time_limit(MAX_READING_SECONDS):
            return self._reader.read(content)

    def _failed_reading(self, reason: str) -> Reading:
        return Reading(Status.FAILED, self._reader.bundle.identity, (reason,))

    def _store_readings(self, readings: Mapping[str, Reading]) -> None:
        with self._database.writing() as session:
            completed = complete_tasks(session, readings.keys(), self._name)
            to_store = {
                image_id: readings[image_id] for image_id in readings if image_id in completed
            }
            store_readings(session, to_store, self._point, datetime.now(UTC))


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Have the system end this process if the block takes longer.

    A hung decoder hangs in C code, which no Python exception interrupts. The attempt then counts
    against the image, and another process replaces this one.
    """
    previous = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *previous)
