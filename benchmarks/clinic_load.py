"""Load test of a clinic's server: clinicians browse while radiographs arrive."""

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
    POLL_SECONDS,
    Outcome,
    count_outcome,
    count_queued,
    reading_rate,
    wait_until_read,
)
from benchmarks.clinic_radiographs import (
    PHANTOM_SIDE,
    SMALLEST_PHANTOM_SIDE,
    distinct_radiographs,
)
from benchmarks.clinic_server import (
    DATABASES,
    ClinicServer,
    People,
    clinic_server,
    create_accounts,
)
from benchmarks.clinic_traffic import THINK_SECONDS, Arrivals, Clinician, Requests, connect
from benchmarks.report import Cell, Table, option_parser, publish
from pneumoscope.clinic.storage.database import Database
from pneumoscope.reader import load
from pneumoscope.support.host import usable_cores

SENDERS = 4
"""Number of uploads at once; each sender starts the next when one is accepted."""

IMAGES_PER_UPLOAD = 10
"""An archive sends several radiographs at once, and the queue has to fill."""

N_BASELINE_FILES = 1_000
"""Number of files that the reader alone is timed on, the first of those that are sent."""

SMALLEST_THINK_SECONDS = (0.05, 0.2)
_MAX_DRAIN_SECONDS = 7200.0

OUTCOME_NOTE = """\
Ten radiographs in an upload. Accepted: answered 202. By the API: images of the jobs that have a
reading. In the database: files whose SHA-256 has one image, with one reading."""

REQUESTS_NOTE = """\
Milliseconds from the request to the whole answer, measured by the load generator, which runs on the
same cores as the server and its workers. A clinician searches the worklist (50 studies), waits 2 to
8 s, opens a study with pixels, heat map and judgements at once, and judges a quarter of them.
Required: the 95th percentile under 300 ms. Faults: error answers and missing answers."""

QUEUE_NOTE = """\
Images a second, and the longest queue. Read in all: from the first upload to the last reading,
while clinicians browse and the same cores take the files in. After the last upload: images still
queued when all files had been accepted, while clinicians browse.
The reader alone: as many processes of one thread as there are workers, on the same files (the first
1,000), in this run, before the server was started.
Other load: the host's load average over the minute before the run, near 0 if the host was idle."""

MEMORY_NOTE = "Peak resident memory (VmHWM) in MB of the server and of its largest worker."


@dataclass(frozen=True)
class Load:
    """Measurements of a server under load.

    Parameters
    ----------
    requests
        Durations and faults of the requests.
    outcome
        Outcome of the radiographs.
    start
        Time of the first upload.
    accepted
        Time at which the last radiograph was accepted.
    rates
        Images read a second, since the start and since the last was accepted.
    longest_queue
        Largest number of images in the queue.
    peaks
        Peak memory in MB of the server and of its largest worker.
    """

    requests: Requests
    outcome: Outcome
    start: datetime
    accepted: datetime
    rates: tuple[float, float]
    longest_queue: int
    peaks: tuple[float, float]


def reader_rate(files: Sequence[Path], processes: int) -> float:
    """Return the files a second that a number of processes read, each with one thread."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        parts = [files[first::processes] for first in range(processes)]
        durations = list(pool.map(read_all, parts))
    return sum(len(part) / seconds for part, seconds in zip(parts, durations, strict=True))


def read_all(files: Sequence[Path]) -> float:
    """Read files, and return the seconds, those of the reader's start left out."""
    reader = load(threads=1)
    reader.read(files[0].read_bytes())
    start = time.perf_counter()
    for file in files:
        reader.read(file.read_bytes())
    return time.perf_counter() - start


async def put_under_load(
    server: ClinicServer,
    database: Database,
    people: People,
    files: Sequence[Path],
    think: tuple[float, float],
) -> Load:
    """Let clinicians browse until all files are accepted and read."""
    requests = Requests()
    async with AsyncExitStack() as stack:

        async def client(headers: dict[str, str]) -> httpx.AsyncClient:
            return await stack.enter_async_context(connect(server.address, headers))

        sender = await client(people.sender)
        clinicians = [
            Clinician(await client(headers), requests, random.Random(number), think)
            for number, headers in enumerate(people.clinicians)
        ]
        tasks = [asyncio.create_task(clinician.browse()) for clinician in clinicians]
        arrivals = Arrivals(files, IMAGES_PER_UPLOAD, requests)
        start = datetime.now(UTC)
        lengths: list[int] = []
        tasks.append(asyncio.create_task(_record_queue(database, lengths)))
        await arrivals.send(sender, SENDERS)
        accepted = datetime.now(UTC)
        await wait_until_read(database, _MAX_DRAIN_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        outcome = await count_outcome(database, sender, arrivals.jobs)
        rates = reading_rate(database, start), reading_rate(database, accepted)
        return Load(requests, outcome, start, accepted, rates, max(lengths), server.peaks_mb())


async def _record_queue(database: Database, lengths: list[int]) -> None:
    """Append the length of the queue at regular intervals."""
    while True:
        lengths.append(await asyncio.to_thread(count_queued, database))
        await asyncio.sleep(POLL_SECONDS)


def make_tables(load: Load, baseline: float, workers: int, other_load: float) -> list[Table]:
    """Return the tables of the load test.

    Parameters
    ----------
    load
        Measurements under load.
    baseline
        Files a second of the reader alone.
    workers
        Number of the server's workers.
    other_load
        Load average of the host before the run.
    """
    percentiles = [
        _percentiles(kind, seconds, load.requests.faults[kind])
        for kind, seconds in load.requests.seconds.items()
    ]
    queue: list[dict[str, Cell]] = [
        {
            "workers": workers,
            "accepted": load.outcome.accepted / (load.accepted - load.start).total_seconds(),
            "longest queue": load.longest_queue,
            "read in all": load.rates[0],
            "read after the last upload": load.rates[1],
            "the reader alone": baseline,
            "ratio in all": load.rates[0] / baseline,
            "ratio after": load.rates[1] / baseline,
            "other load": other_load,
        }
    ]
    peaks: list[dict[str, Cell]] = [{"server": load.peaks[0], "worker": load.peaks[1]}]
    return [
        Table("Outcome", [load.outcome.row()], OUTCOME_NOTE),
        Table("Requests", percentiles, REQUESTS_NOTE),
        Table("The queue", queue, QUEUE_NOTE),
        Table("Memory", peaks, MEMORY_NOTE),
    ]


def _percentiles(kind: str, seconds: Sequence[float], faults: int) -> dict[str, Cell]:
    ranks = (50, 95, 99)
    milliseconds = np.percentile(seconds, ranks) * 1000
    return {
        "request": kind,
        "answered": len(seconds),
        "faults": faults,
        **{f"p{rank} ms": float(ms) for rank, ms in zip(ranks, milliseconds, strict=True)},
    }


def measure(
    kind: str,
    source: Path | None,
    images: int,
    clinicians: int,
    workers: int,
    think: tuple[float, float],
    phantom_side: int = PHANTOM_SIDE,
) -> list[Table]:
    """Start a server on a database of a kind, put it under load, and stop it."""
    other_load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch:
        files = distinct_radiographs(source, Path(scratch) / "files", images, phantom_side)
        baseline = reader_rate(files[:N_BASELINE_FILES], workers)
        clinic = Path(scratch) / "clinic"
        clinic.mkdir()
        with clinic_server(kind, clinic, workers) as server:
            database = Database(server.database_url)
            people = create_accounts(database, clinicians)
            server.start()
            load = asyncio.run(put_under_load(server, database, people, files, think))
            database.close()
            server.stop()
            server.verify_audit_trail()
    if not load.outcome.complete:
        raise RuntimeError(f"not every radiograph has one reading: {load.outcome}")
    return make_tables(load, baseline, workers, other_load)


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = option_parser(__doc__)
    parser.add_argument(
        "source", type=Path, nargs="?", help="folder of JPEG files to repeat (default: phantoms)"
    )
    parser.add_argument(
        "--database",
        choices=DATABASES,
        default="sqlite",
        help="kind of database (default: %(default)s)",
    )
    parser.add_argument(
        "--images", type=int, default=5_000, help="number of radiographs (default: %(default)s)"
    )
    parser.add_argument(
        "--clinicians", type=int, default=50, help="number of clinicians (default: %(default)s)"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=usable_cores(),
        help="number of reading processes (default: one for each core)",
    )
    return parser.parse_args()


def main() -> None:
    """Run from the command line."""
    arguments = parse_arguments()
    images, clinicians, workers = arguments.images, arguments.clinicians, arguments.workers
    think, phantom_side = THINK_SECONDS, PHANTOM_SIDE
    if arguments.smallest:
        images, clinicians, think = 40, 3, SMALLEST_THINK_SECONDS
        phantom_side = SMALLEST_PHANTOM_SIDE
    tables = measure(
        arguments.database, arguments.source, images, clinicians, workers, think, phantom_side
    )
    publish("clinic_load", tables, arguments.out)


if __name__ == "__main__":
    main()
