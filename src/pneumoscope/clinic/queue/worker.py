"""Worker that leases queued images, reads them and stores each reading once."""

import logging
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from pneumoscope.clinic.queue.patient_age import age_of_image
from pneumoscope.clinic.queue.readings import store_readings
from pneumoscope.clinic.queue.stated_age import StatedAge
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
from pneumoscope.clinic.storage.tables import Image, Study
from pneumoscope.clinic.storage.unknown_age import UnknownAge
from pneumoscope.radiograph import decode_radiograph, preprocess
from pneumoscope.reader import (
    AUTO,
    AnyReader,
    AutomaticReader,
    Reading,
    Status,
    open_reader,
    shipped_bundles,
)
from pneumoscope.reader.quality_gate import QualityFinding, Severity
from pneumoscope.reader.source import Source
from pneumoscope.support.errors import StorageError, UnreadableRadiographError

MAX_READING_SECONDS = 60.0
"""Longest time to read an image, half a lease; after that its decoder counts as hung."""

MAX_LEASED_IMAGES = 16
"""Images leased at a time, so that the cost of the transactions is spread over many."""

log = logging.getLogger(__name__)


def open_readers(bundle: str, *, abstain: bool = False) -> dict[UnknownAge, AnyReader]:
    """Open a bundle, or all shipped ones; return the reader for each setting of a site.

    With ``auto`` the readers share their bundles. One bundle reads whatever the setting. On demand
    they abstain (see `Reader`).
    """
    if bundle != AUTO:
        return dict.fromkeys(UnknownAge, open_reader(bundle, threads=1, abstain=abstain))
    readers = [open_reader(name, threads=1, abstain=abstain) for name in shipped_bundles()]
    return {
        setting: AutomaticReader(readers, threads=1, unknown_age=setting.population)
        for setting in UnknownAge
    }


class Worker:
    """Reads waiting images, each as its site's setting for unknown ages says.

    The name of a worker must be unique among all workers.
    """

    def __init__(
        self,
        database: Database,
        store: FileStore,
        readers: Mapping[UnknownAge, AnyReader],
        operating_point: str,
        name: str,
    ) -> None:
        self._database = database
        self._store = store
        self._readers = readers
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
            images = _leased_images(session, leases)
        readings: dict[str, Reading] = {}
        try:
            for lease in leases:
                readings[lease.image_id] = self._read(lease, images[lease.image_id])
        except BaseException:
            # Except the image being read: if it stops the program, its attempt must count.
            unread = [lease.image_id for lease in leases[len(readings) + 1 :]]
            with self._database.writing() as session:
                release_tasks(session, unread, self._name, datetime.now(UTC))
            raise
        finally:
            self._store_readings(readings)
        return len(leases)

    def _read(self, lease: Lease, image: "_LeasedImage") -> Reading:
        reader = self._readers[image.unknown_age]
        if lease.attempts > MAX_ATTEMPTS:
            reason = f"reading it stopped the program {MAX_ATTEMPTS} times"
            return _failed_reading(reader, "stopped_program", reason)
        try:
            content = self._store.read(image.sha256)
        except StorageError as error:
            log.error("%s", error)
            reason = "its file on the server is missing or damaged; send it again"
            return _failed_reading(reader, "file_missing", reason)
        with _time_limit(MAX_READING_SECONDS):
            start = time.perf_counter()
            source = _with_stated_age(content, image.stated_age, reader)
            milliseconds = 1000 * (time.perf_counter() - start)
            reading = reader.read(source)
        return replace(reading, milliseconds=milliseconds + reading.milliseconds)

    def _store_readings(self, readings: Mapping[str, Reading]) -> None:
        with self._database.writing() as session:
            completed = complete_tasks(session, readings.keys(), self._name)
            to_store = {
                image_id: readings[image_id] for image_id in readings if image_id in completed
            }
            store_readings(session, to_store, self._point, datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class _LeasedImage:
    """Leased image, with what decides which bundle may read it."""

    sha256: str
    stated_age: StatedAge
    unknown_age: UnknownAge


def _leased_images(session: Session, leases: Sequence[Lease]) -> dict[str, _LeasedImage]:
    """Return the leased images by identifier."""
    rows = session.scalars(
        select(Image)
        .where(Image.id.in_([lease.image_id for lease in leases]))
        .options(joinedload(Image.study).joinedload(Study.site))
    )
    return {
        image.id: _LeasedImage(
            image.sha256, age_of_image(image), UnknownAge(image.study.site.unknown_age)
        )
        for image in rows
    }


def _with_stated_age(content: bytes, age: StatedAge, reader: AnyReader) -> Source:
    """Return a file, or the radiograph in it with the age that the sender stated."""
    if age == StatedAge():
        return content
    size = max(bundle.record.input.size for bundle in reader.bundles)
    try:
        return age.apply_to(decode_radiograph(content, "the bytes", preprocess.OVERSAMPLING * size))
    except UnreadableRadiographError:  # the reader gives the reason
        return content


def _failed_reading(reader: AnyReader, code: str, reason: str) -> Reading:
    finding = QualityFinding(code, Severity.REJECT, reason)
    return Reading(Status.FAILED, reader.bundles[0].identity, (reason,), quality=(finding,))


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
