"""Clinicians who browse a clinic's server while radiographs arrive: nothing lost, how fast."""

import argparse
import asyncio
import multiprocessing
import os
import random
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np

from benchmarks.clinic_outcome import (
    LOOK_EVERY,
    Outcome,
    drained,
    outcome,
    read_each_second,
    waiting,
)
from benchmarks.clinic_radiographs import distinct_radiographs
from benchmarks.clinic_server import DATABASES, ClinicServer, People, admit, clinic_server
from benchmarks.clinic_traffic import THINK, Arrivals, Clinician, Requests, connect
from benchmarks.report import Cell, Table, option_parser, publish
from pneumoscope.clinic.storage.database import Database
from pneumoscope.reader import load
from pneumoscope.support.host import usable_cores

SENDERS = 4
"""Requests on their way at once; each sender begins with the next when one is accepted."""

TOGETHER = 10
"""Radiographs in a request: a department's archive sends several, and the queue has to fill."""

ALONE = 1_000
"""Files that the reader alone is timed on, the first of those that are sent."""

SMALLEST_THINK = (0.05, 0.2)
_PATIENCE = 7200.0

LOST_NOTE = """\
Ten radiographs in a request. Accepted: answered 202. By the API: images of the jobs that have a
reading. In the database: files whose SHA-256 has one image, with one reading."""

PAGES_NOTE = """\
Milliseconds from the request to the whole answer, as the load generator sees them, which runs on
the same cores as the server and its workers. A clinician searches the worklist (50 studies), thinks
2 to 8 s, opens a study with pixels, heat map and judgements at once, judges a quarter of them.
Required: the 95th percentile under 300 ms. Faults: answers of errors, and none."""

DRAIN_NOTE = """\
Images a second, and how many waited. Read in all: from the first request to the last reading, while
clinicians browse and the same cores take the files in. After the last came: of what still waited
when all files had been accepted, while clinicians browse.
The reader alone: as many processes of one thread as there are workers, on the same files (the first
1,000), in this run, before the server was started; nothing else of this run took its share then.
Others' load: how many processes wanted a core in the minute before the run began, near 0 if the
machine was idle."""

MEMORY_NOTE = "The largest resident memory (VmHWM) in MB of the server and of one of its workers."


@dataclass(frozen=True)
class Load:
    """What is asked of the server, and what it did."""

    requests: Requests
    outcome: Outcome
    began: datetime
    accepted: datetime
    """When the last radiograph was."""
    read: tuple[float, float]
    """Images a second since it began, and since the last was accepted."""
    longest: int
    """Images that waited at once, at most."""
    peaks: tuple[float, float]


def reader_rate(files: Sequence[Path], processes: int) -> float:
    """Return how many files a second some processes read, each with one thread."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        parts = [files[place::processes] for place in range(processes)]
        seconds = list(pool.map(read_all, parts))
    return sum(len(part) / spent for part, spent in zip(parts, seconds, strict=True))


def read_all(files: Sequence[Path]) -> float:
    """Read files, and return the seconds without those of the start."""
    reader = load(threads=1)
    reader.read(files[0].read_bytes())
    began = time.perf_counter()
    for file in files:
        reader.read(file.read_bytes())
    return time.perf_counter() - began


async def put_under_load(
    server: ClinicServer,
    database: Database,
    people: People,
    files: Sequence[Path],
    think: tuple[float, float],
) -> Load:
    """Have clinicians browse until all files are accepted and read."""
    requests = Requests()
    async with AsyncExitStack() as stack:

        async def client(headers: dict[str, str]) -> httpx.AsyncClient:
            return await stack.enter_async_context(connect(server.address, headers))

        sender = await client(people.sender)
        clinicians = [
            Clinician(await client(headers), requests, random.Random(number), think)
            for number, headers in enumerate(people.clinicians)
        ]
        browsing = [asyncio.create_task(one.browse()) for one in clinicians]
        arrivals = Arrivals(files, TOGETHER, requests)
        began = datetime.now(UTC)
        longest: list[int] = []
        browsing.append(asyncio.create_task(_watch(database, longest)))
        await arrivals.send(sender, SENDERS)
        accepted = datetime.now(UTC)
        await drained(database, _PATIENCE)
        for task in browsing:
            task.cancel()
        await asyncio.gather(*browsing, return_exceptions=True)
        found = await outcome(database, sender, arrivals.jobs)
        read = read_each_second(database, began), read_each_second(database, accepted)
        return Load(requests, found, began, accepted, read, max(longest), server.peaks_mb())


async def _watch(database: Database, lengths: list[int]) -> None:
    """Note again and again how many images wait."""
    while True:
        lengths.append(await asyncio.to_thread(waiting, database))
        await asyncio.sleep(LOOK_EVERY)


def tables(load: Load, alone: float, workers: int, others: float) -> list[Table]:
    """Return what was measured."""
    pages = [
        _percentiles(kind, seconds, load.requests.faults[kind])
        for kind, seconds in load.requests.seconds.items()
    ]
    drain: list[dict[str, Cell]] = [
        {
            "workers": workers,
            "accepted": load.outcome.accepted / (load.accepted - load.began).total_seconds(),
            "waited at most": load.longest,
            "read in all": load.read[0],
            "read after the last came": load.read[1],
            "the reader alone": alone,
            "ratio in all": load.read[0] / alone,
            "ratio after": load.read[1] / alone,
            "others' load": others,
        }
    ]
    peaks: list[dict[str, Cell]] = [{"server": load.peaks[0], "worker": load.peaks[1]}]
    return [
        Table("Nothing lost", [load.outcome.row()], LOST_NOTE),
        Table("Requests", pages, PAGES_NOTE),
        Table("The queue", drain, DRAIN_NOTE),
        Table("Memory", peaks, MEMORY_NOTE),
    ]


def _percentiles(kind: str, seconds: Sequence[float], faults: int) -> dict[str, Cell]:
    at = np.percentile(seconds, [50, 95, 99]) * 1000
    return {
        "request": kind,
        "answered": len(seconds),
        "faults": faults,
        **{f"p{rank} ms": float(value) for rank, value in zip((50, 95, 99), at, strict=True)},
    }


def measure(
    kind: str,
    source: Path | None,
    images: int,
    clinicians: int,
    workers: int,
    think: tuple[float, float],
) -> list[Table]:
    """Start a server on a database of a kind, put it under load, and stop it."""
    others = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch:
        files = distinct_radiographs(source, Path(scratch) / "files", images)
        alone = reader_rate(files[:ALONE], workers)
        clinic = Path(scratch) / "clinic"
        clinic.mkdir()
        with clinic_server(kind, clinic, workers) as server:
            database = Database(server.database_url)
            people = admit(database, clinicians)
            server.start()
            load = asyncio.run(put_under_load(server, database, people, files, think))
            database.close()
            server.stop()
            server.audit()
    if not load.outcome.complete:
        raise RuntimeError(f"not every radiograph has one reading: {load.outcome}")
    return tables(load, alone, workers, others)


def options() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = option_parser(__doc__)
    parser.add_argument("source", type=Path, nargs="?", help="JPEG files to repeat; else phantoms")
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--images", type=int, default=5_000)
    parser.add_argument("--clinicians", type=int, default=50)
    parser.add_argument("--workers", type=int, default=usable_cores())
    return parser


def main() -> None:
    """Run from the command line."""
    given = options().parse_args()
    images, clinicians = (40, 3) if given.smallest else (given.images, given.clinicians)
    think = SMALLEST_THINK if given.smallest else THINK
    measured = measure(given.database, given.source, images, clinicians, given.workers, think)
    publish("clinic_load", measured, given.out)


if __name__ == "__main__":
    main()
