"""Outcome of the radiographs that a clinic's server accepted, by its API and by its database."""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import httpx
from sqlalchemy import func, select

from benchmarks.report import Cell
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.tables import Image, StoredReading, Task

POLL_SECONDS = 1.0
"""Seconds between two queries of the queue's length."""

_CONCURRENT_REQUESTS = 8


@dataclass(frozen=True)
class Outcome:
    """Counts of the accepted radiographs, their images and their readings.

    Parameters
    ----------
    accepted
        Accepted files.
    by_api
        Images of their jobs that have a reading, by the API.
    once
        Files that the database has as one image with one reading.
    images, readings
        All images and readings in the database.
    queued
        Images still in the queue.
    failed
        Readings with the status "failed".
    """

    accepted: int
    by_api: int
    once: int
    images: int
    readings: int
    queued: int
    failed: int

    @property
    def complete(self) -> bool:
        """Whether each file has exactly one reading and the database holds nothing else."""
        counts = {self.accepted, self.by_api, self.once, self.images, self.readings}
        return len(counts) == 1 and self.queued == self.failed == 0

    def row(self) -> dict[str, Cell]:
        """Return the counts as a row of a table."""
        return {
            "accepted": self.accepted,
            "one reading, by the API": self.by_api,
            "one reading, in the database": self.once,
            "images": self.images,
            "readings": self.readings,
            "still queued": self.queued,
            "failed": self.failed,
        }


async def wait_until_read(database: Database, max_seconds: float) -> None:
    """Wait until the queue is empty.

    Raises
    ------
    TimeoutError
        If that takes longer than ``max_seconds``.
    """
    async with asyncio.timeout(max_seconds):
        while await asyncio.to_thread(count_queued, database):
            await asyncio.sleep(POLL_SECONDS)


async def count_outcome(
    database: Database, client: httpx.AsyncClient, jobs: Mapping[str, Sequence[Path]]
) -> Outcome:
    """Count images and readings of files, by the jobs as which they were accepted."""
    remaining = iter(jobs)
    files = [file for upload in jobs.values() for file in upload]
    counts = (_count_read(client, remaining) for _ in range(_CONCURRENT_REQUESTS))
    by_api = sum(await asyncio.gather(*counts))
    digests = [sha256(file.read_bytes()).hexdigest() for file in files]
    with database.reading() as session:
        rows = session.execute(
            select(Image.sha256, StoredReading.id).outerjoin(
                StoredReading, StoredReading.image_id == Image.id
            )
        ).all()
        failed = select(func.count()).where(StoredReading.status == "failed")
        return Outcome(
            accepted=len(files),
            by_api=by_api,
            once=_count_once(digests, [(digest, reading) for digest, reading in rows]),
            images=session.scalar(select(func.count()).select_from(Image)) or 0,
            readings=session.scalar(select(func.count()).select_from(StoredReading)) or 0,
            queued=count_queued(database),
            failed=session.scalar(failed) or 0,
        )


def reading_rate(database: Database, since: datetime) -> float:
    """Return the readings stored per second, from a moment to the last reading; NaN if none."""
    stored = select(func.count(), func.max(StoredReading.created))
    with database.reading() as session:
        count, last = session.execute(stored.where(StoredReading.created > since)).one()
    return count / (last - since).total_seconds() if count else float("nan")


async def _count_read(client: httpx.AsyncClient, jobs: Iterator[str]) -> int:
    """Count the images of jobs that have a reading; a job's images are at most a page."""
    read = 0
    for job in jobs:
        answer = (await client.get(f"/v1/jobs/{job}/images")).raise_for_status()
        read += sum(image["reading"] is not None for image in answer.json()["images"])
    return read


def _count_once(digests: Collection[str], rows: Sequence[tuple[str, str | None]]) -> int:
    """Count the files that have one image with one reading.

    Examples
    --------
    >>> _count_once(["a", "b", "c", "d"], [("a", "1"), ("b", None), ("d", "2"), ("d", "3")])
    1
    """
    readings: dict[str, list[str | None]] = {digest: [] for digest in digests}
    for digest, reading in rows:
        readings[digest].append(reading)
    return sum(len(of_file) == 1 and of_file[0] is not None for of_file in readings.values())


def count_queued(database: Database) -> int:
    """Return the number of images in the queue."""
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(Task)) or 0
