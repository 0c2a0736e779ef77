"""What became of the radiographs that a clinic's server accepted: asked of it, and looked up."""

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

LOOK_EVERY = 1.0
"""Seconds between two looks at the queue."""

_AT_ONCE = 8


@dataclass(frozen=True)
class Outcome:
    """How many radiographs were accepted, and what is known of them."""

    accepted: int
    by_api: int
    """Images of their jobs that have a reading, as the API says."""
    once: int
    """Files that the database has in one image with one reading."""
    images: int
    readings: int
    waiting: int
    failed: int
    """Readings that say that the image could not be read."""

    @property
    def complete(self) -> bool:
        """Whether each has exactly one reading and there is nothing else."""
        counts = {self.accepted, self.by_api, self.once, self.images, self.readings}
        return len(counts) == 1 and self.waiting == self.failed == 0

    def row(self) -> dict[str, Cell]:
        """Return it as a row of a table."""
        return {
            "accepted": self.accepted,
            "one reading, by the API": self.by_api,
            "one reading, in the database": self.once,
            "images": self.images,
            "readings": self.readings,
            "still waiting": self.waiting,
            "failed": self.failed,
        }


async def drained(database: Database, patience: float) -> None:
    """Wait until nothing waits to be read.

    Raises
    ------
    TimeoutError
        If it takes longer than the patience.
    """
    async with asyncio.timeout(patience):
        while await asyncio.to_thread(waiting, database):
            await asyncio.sleep(LOOK_EVERY)


async def outcome(
    database: Database, client: httpx.AsyncClient, jobs: Mapping[str, Sequence[Path]]
) -> Outcome:
    """Find out what became of files, by the jobs that they were accepted as."""
    asking = iter(jobs)
    files = [file for sent in jobs.values() for file in sent]
    by_api = sum(await asyncio.gather(*(_read_jobs(client, asking) for _ in range(_AT_ONCE))))
    digests = [sha256(file.read_bytes()).hexdigest() for file in files]
    with database.reading() as session:
        found = session.execute(
            select(Image.sha256, StoredReading.id).outerjoin(
                StoredReading, StoredReading.image_id == Image.id
            )
        ).all()
        failed = select(func.count()).where(StoredReading.status == "failed")
        return Outcome(
            accepted=len(files),
            by_api=by_api,
            once=_once(digests, [(digest, reading) for digest, reading in found]),
            images=session.scalar(select(func.count()).select_from(Image)) or 0,
            readings=session.scalar(select(func.count()).select_from(StoredReading)) or 0,
            waiting=waiting(database),
            failed=session.scalar(failed) or 0,
        )


def read_each_second(database: Database, since: datetime) -> float:
    """Return how many readings a second were stored from a moment on to the last; NaN if none."""
    stored = select(func.count(), func.max(StoredReading.created))
    with database.reading() as session:
        count, last = session.execute(stored.where(StoredReading.created > since)).one()
    return count / (last - since).total_seconds() if count else float("nan")


async def _read_jobs(client: httpx.AsyncClient, jobs: Iterator[str]) -> int:
    """Count the images of jobs, of a page at most each, that have a reading."""
    read = 0
    for job in jobs:
        answer = (await client.get(f"/v1/jobs/{job}/images")).raise_for_status()
        read += sum(image["reading"] is not None for image in answer.json()["images"])
    return read


def _once(digests: Collection[str], found: Sequence[tuple[str, str | None]]) -> int:
    """Count the files that have one image, with one reading.

    Examples
    --------
    >>> _once(["a", "b", "c", "d"], [("a", "1"), ("b", None), ("d", "2"), ("d", "3")])
    1
    """
    readings: dict[str, list[str | None]] = {digest: [] for digest in digests}
    for digest, reading in found:
        readings[digest].append(reading)
    return sum(len(one) == 1 and one[0] is not None for one in readings.values())


def waiting(database: Database) -> int:
    """Return how many images wait to be read."""
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(Task)) or 0
