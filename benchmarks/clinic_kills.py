"""Crash recovery: ``kill -9`` of a clinic's server and workers under load; each image read once."""

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.clinic_outcome import Outcome, count_outcome, wait_until_read
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
    kill_worker,
)
from benchmarks.clinic_traffic import UPLOAD, Arrivals, Clinician, Requests, connect
from benchmarks.report import Cell, Table, option_parser, publish
from pneumoscope.clinic.queue.tasks import LEASE_DURATION
from pneumoscope.clinic.storage.database import Database

WORKERS = 2
KILL_INTERVAL_SECONDS = (0.5, 3.0)
"""Shortest and longest load between a kill, or the restart after it, and the next kill."""

_SENDERS = 2
_THINK_SECONDS = (0.2, 1.0)
_MAX_DRAIN_SECONDS = 3600.0

NOTE = f"""\
SIGKILL at random moments to the server's process, which takes its workers with it, or to one
worker, while radiographs arrive and clinicians browse. The server is then started again on the same
data; a killed worker is replaced by the server. Each radiograph has an Idempotency-Key and is sent
until it is accepted. Images that a killed worker had claimed are read again after
{LEASE_DURATION.seconds} s. Repeated: uploads without an answer. The audit trail is verified in the
end."""


@dataclass
class Killer:
    """Kills of the server and its workers at random moments.

    Parameters
    ----------
    server
        Running server.
    rng
        Random numbers for the moments and the victims.
    """

    server: ClinicServer
    rng: random.Random
    killed: Counter[str] = field(default_factory=Counter)

    async def kill(self, times: int) -> None:
        """Kill the server and a worker in turn, at random moments, either first."""
        victims = ["server", "worker"] * times
        for victim in victims[self.rng.randrange(2) :][:times]:
            await asyncio.sleep(self.rng.uniform(*KILL_INTERVAL_SECONDS))
            if victim == "worker":
                kill_worker(self.rng.choice(self.server.worker_ids()))
            else:
                self.server.kill()
                await asyncio.to_thread(self.server.start)
            self.killed[victim] += 1


async def kill_under_load(
    server: ClinicServer, people: People, files: Sequence[Path], database: Database, kills: int
) -> tuple[Outcome, Killer, Requests]:
    """Send files and browse while the server is killed; return the outcome of the files."""
    requests = Requests()
    killer = Killer(server, random.Random(kills))
    async with AsyncExitStack() as stack:
        sender, *clients = [
            await stack.enter_async_context(connect(server.address, headers))
            for headers in (people.sender, *people.clinicians)
        ]
        browsing = [
            asyncio.create_task(
                Clinician(client, requests, random.Random(seed), _THINK_SECONDS).browse()
            )
            for seed, client in enumerate(clients)
        ]
        arrivals = Arrivals(files, 1, requests)
        killing = asyncio.create_task(killer.kill(kills))
        await arrivals.send(sender, _SENDERS, until=killing)
        await killing
        await wait_until_read(database, _MAX_DRAIN_SECONDS)
        for task in browsing:
            task.cancel()
        await asyncio.gather(*browsing, return_exceptions=True)
        return await count_outcome(database, sender, arrivals.jobs), killer, requests


def measure(
    kind: str,
    source: Path | None,
    kills: int,
    max_images: int,
    clinicians: int,
    phantom_side: int = PHANTOM_SIDE,
) -> Table:
    """Kill a server on a database of a kind a number of times.

    Parameters
    ----------
    kind
        Kind of database, one of `DATABASES`.
    source
        Folder of JPEG files to repeat; None for phantoms.
    kills
        Number of kills.
    max_images
        Number of radiographs made beforehand; they are sent until the last kill.
    clinicians
        Number of clinicians who browse meanwhile.
    phantom_side
        Side of the phantoms in pixels.

    Raises
    ------
    RuntimeError
        If a radiograph has no reading or two, or the audit trail is broken.
    """
    with tempfile.TemporaryDirectory() as scratch:
        files = distinct_radiographs(source, Path(scratch) / "files", max_images, phantom_side)
        clinic = Path(scratch) / "clinic"
        clinic.mkdir()
        with clinic_server(kind, clinic, WORKERS) as server:
            database = Database(server.database_url)
            people = create_accounts(database, clinicians)
            server.start()
            outcome, killer, requests = asyncio.run(
                kill_under_load(server, people, files, database, kills)
            )
            database.close()
            server.stop()
            trail = server.verify_audit_trail()
    if not outcome.complete:
        raise RuntimeError(f"not every radiograph has one reading: {outcome}")
    row: dict[str, Cell] = {
        "killed servers": killer.killed["server"],
        "killed workers": killer.killed["worker"],
        **outcome.row(),
        "repeated": requests.faults[UPLOAD],
        "audit trail": trail.splitlines()[0],
    }
    return Table(f"Kills, on {kind}", [row], NOTE)


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument(
        "source", type=Path, nargs="?", help="folder of JPEG files to repeat (default: phantoms)"
    )
    parser.add_argument(
        "--database",
        choices=DATABASES,
        nargs="*",
        default=DATABASES,
        help="databases to measure on (default: both)",
    )
    parser.add_argument(
        "--kills", type=int, default=20, help="number of kills (default: %(default)s)"
    )
    parser.add_argument(
        "--max-images",
        type=int,
        default=2_000,
        help="number of radiographs made beforehand (default: %(default)s)",
    )
    arguments = parser.parse_args()
    size = (arguments.kills, arguments.max_images, 5, PHANTOM_SIDE)
    if arguments.smallest:
        size = (2, 60, 2, SMALLEST_PHANTOM_SIDE)
    tables = [measure(kind, arguments.source, *size) for kind in arguments.database]
    publish("clinic_kills", tables, arguments.out)


if __name__ == "__main__":
    main()
