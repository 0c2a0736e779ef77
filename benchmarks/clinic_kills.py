"""kill -9 of a clinic's server and its workers under load: every radiograph has one reading."""

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.clinic_outcome import Outcome, drained, outcome
from benchmarks.clinic_radiographs import distinct_radiographs
from benchmarks.clinic_server import (
    DATABASES,
    ClinicServer,
    People,
    admit,
    clinic_server,
    kill_worker,
)
from benchmarks.clinic_traffic import Arrivals, Clinician, Requests, connect
from benchmarks.report import Cell, Table, option_parser, publish
from pneumoscope.clinic.queue.tasks import LEASE
from pneumoscope.clinic.storage.database import Database

WORKERS = 2
BETWEEN = (0.5, 3.0)
"""Seconds of load between a kill, or the restart after it, and the next."""

_SENDERS = 2
_THINK = (0.2, 1.0)
_PATIENCE = 3600.0

NOTE = f"""\
SIGKILL at random moments to the server's process, which takes its workers with it, or to one
worker, while radiographs arrive and clinicians browse; the server is started again on the same
data, a worker is replaced by the server. Each radiograph has an Idempotency-Key and is sent until
it is accepted. What a killed worker had taken comes back after {LEASE.seconds} s. Repeated:
requests of radiographs that were not answered. The audit trail is verified in the end."""


@dataclass
class Killer:
    """Kills, and starts again, so many times.

    Parameters
    ----------
    server
        That runs.
    rng
        Decides when and what.
    """

    server: ClinicServer
    rng: random.Random
    killed: Counter[str] = field(default_factory=Counter)

    async def kill(self, times: int) -> None:
        """Kill the server and workers in turn, beginning with either, at random moments."""
        victims = ["server", "worker"] * times
        for victim in victims[self.rng.randrange(2) :][:times]:
            await asyncio.sleep(self.rng.uniform(*BETWEEN))
            if victim == "worker":
                kill_worker(self.rng.choice(self.server.worker_ids()))
            else:
                self.server.kill()
                await asyncio.to_thread(self.server.start)
            self.killed[victim] += 1


async def under_fire(
    server: ClinicServer, people: People, files: Sequence[Path], database: Database, kills: int
) -> tuple[Outcome, Killer, Requests]:
    """Send files and browse while the server is killed; return what became of the files."""
    requests = Requests()
    killer = Killer(server, random.Random(kills))
    async with AsyncExitStack() as stack:
        sender, *clients = [
            await stack.enter_async_context(connect(server.address, headers))
            for headers in (people.sender, *people.clinicians)
        ]
        browsing = [
            asyncio.create_task(Clinician(one, requests, random.Random(seed), _THINK).browse())
            for seed, one in enumerate(clients)
        ]
        arrivals = Arrivals(files, 1, requests)
        killing = asyncio.create_task(killer.kill(kills))
        await arrivals.send(sender, _SENDERS, until=killing)
        await killing
        await drained(database, _PATIENCE)
        for task in browsing:
            task.cancel()
        await asyncio.gather(*browsing, return_exceptions=True)
        return await outcome(database, sender, arrivals.jobs), killer, requests


def measure(kind: str, source: Path | None, kills: int, most: int, clinicians: int) -> Table:
    """Kill a server on a database of a kind so many times.

    Parameters
    ----------
    kind
        Of the database.
    source
        JPEG files to repeat; None for phantoms.
    kills
        How many.
    most
        Radiographs made beforehand; as many of them are sent as the kills take time for.
    clinicians
        Who browse meanwhile.

    Raises
    ------
    RuntimeError
        If a radiograph has no reading or two, or the audit trail is broken.
    """
    with tempfile.TemporaryDirectory() as scratch:
        files = distinct_radiographs(source, Path(scratch) / "files", most)
        clinic = Path(scratch) / "clinic"
        clinic.mkdir()
        with clinic_server(kind, clinic, WORKERS) as server:
            database = Database(server.database_url)
            people = admit(database, clinicians)
            server.start()
            found, killer, requests = asyncio.run(
                under_fire(server, people, files, database, kills)
            )
            database.close()
            server.stop()
            trail = server.audit()
    if not found.complete:
        raise RuntimeError(f"not every radiograph has one reading: {found}")
    row: dict[str, Cell] = {
        "killed servers": killer.killed["server"],
        "killed workers": killer.killed["worker"],
        **found.row(),
        "repeated": requests.faults["hand in"],
        "audit trail": trail.splitlines()[0],
    }
    return Table(f"Killed, on {kind}", [row], NOTE)


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument("source", type=Path, nargs="?", help="JPEG files to repeat; else phantoms")
    parser.add_argument("--database", choices=DATABASES, nargs="*", default=DATABASES)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--most", type=int, default=2_000, help="radiographs made beforehand")
    given = parser.parse_args()
    kills, most, clinicians = (2, 100, 2) if given.smallest else (given.kills, given.most, 5)
    measured = [measure(kind, given.source, kills, most, clinicians) for kind in given.database]
    publish("clinic_kills", measured, given.out)


if __name__ == "__main__":
    main()
