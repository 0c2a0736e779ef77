"""A clinic's server under test: its processes, its database, and accounts that are signed in."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx

from pneumoscope.clinic.api.routes.readings import DEFAULT_SITE
from pneumoscope.clinic.api.security import COOKIE, CSRF_HEADER
from pneumoscope.clinic.identity.accounts import Role, create_user
from pneumoscope.clinic.identity.credentials import issue_token, open_session
from pneumoscope.clinic.storage.database import Database
from pneumoscope.clinic.storage.tables import Site
from tests.postgres import create_database, find_postgres, postgres_server

DATABASES = ("sqlite", "postgresql")

_MAX_START_SECONDS = 600.0
"""Longest time from a server's start to its first answer, and from SIGTERM to its end."""


@dataclass(frozen=True)
class People:
    """HTTP headers of the server's users: signed-in clinicians, and a program that uploads."""

    clinicians: Sequence[dict[str, str]]
    sender: dict[str, str]


@dataclass
class ClinicServer:
    """`pneumoscope serve` on a fixed port, so that it can be started again.

    Parameters
    ----------
    data
        Folder of the clinic's data.
    database_url
        SQLAlchemy URL of the database.
    workers
        Number of reading processes.
    """

    data: Path
    database_url: str
    workers: int
    _port: int = field(default_factory=lambda: _free_port())
    _process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Base URL of the server."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises
        ------
        RuntimeError
            If it does not answer in time.
        """
        command = [sys.executable, "-m", "pneumoscope", "serve", "--data", str(self.data)]
        command += ["--database", self.database_url, "--port", str(self._port)]
        command += ["--workers", str(self.workers), "--bundle", "default"]
        with (self.data / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + _MAX_START_SECONDS
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                if httpx.get(f"{self.address}/health").is_success:
                    return
            time.sleep(0.1)
        last = (self.data / "server.log").read_text().splitlines()[-1:]
        raise RuntimeError(f"the server does not answer; last line of its log: {last}")

    def kill(self) -> None:
        """End the server's own process with SIGKILL; its workers notice and end."""
        process = self._running()
        process.kill()
        process.wait()

    def stop(self) -> None:
        """Stop the server with SIGTERM, and wait for its end."""
        process = self._running()
        process.send_signal(signal.SIGTERM)
        process.wait(_MAX_START_SECONDS)

    def worker_ids(self) -> list[int]:
        """Return the process IDs of the current workers."""
        # Linux lists the children of each thread.
        threads = Path(f"/proc/{self._running().pid}/task").glob("*/children")
        children = [child for thread in threads for child in thread.read_text().split()]
        return [int(child) for child in children if b"spawn_main" in _command_line(child)]

    def peaks_mb(self) -> tuple[float, float]:
        """Return the peak resident memory of the server and of its largest worker."""
        workers = [_peak_mb(worker) for worker in self.worker_ids()]
        return _peak_mb(self._running().pid), max(workers)

    def verify_audit_trail(self) -> str:
        """Return the output of ``pneumoscope audit verify``.

        Raises
        ------
        RuntimeError
            If the trail is broken.
        """
        command = [sys.executable, "-m", "pneumoscope", "audit", "verify", "--data", str(self.data)]
        done = subprocess.run(
            [*command, "--database", self.database_url], capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        return done.stdout.strip()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the server was not started")
        return self._process


@contextmanager
def clinic_server(kind: str, folder: Path, workers: int) -> Iterator[ClinicServer]:
    """Yield a server, not yet started, on an empty database; kill it in the end.

    Parameters
    ----------
    kind
        Kind of database, one of `DATABASES`.
    folder
        Folder for the clinic's data.
    workers
        Number of reading processes.

    Raises
    ------
    RuntimeError
        If PostgreSQL is not installed.
    """
    with ExitStack() as stack:
        url = f"sqlite:///{folder / 'clinic.db'}"
        if kind == "postgresql":
            programs = find_postgres()
            if programs is None:
                raise RuntimeError("PostgreSQL is not installed (Debian: postgresql)")
            url = create_database(
                stack.enter_context(postgres_server(programs, durable=True)), "clinic"
            )
        server = ClinicServer(folder, url, workers)
        try:
            yield server
        finally:
            if server._process is not None:
                server.kill()


def create_accounts(database: Database, clinicians: int) -> People:
    """Create a displayed site, signed-in clinicians, and a program with an API token."""
    now = datetime.now(UTC)
    with database.writing() as session:
        session.add(Site(name=DEFAULT_SITE, displayed=True))
        headers = []
        for number in range(clinicians):
            actor = create_user(session, f"clinician {number}", Role.CLINICIAN, None, now)
            token, csrf = open_session(session, actor, now)
            headers.append({"Cookie": f"{COOKIE}={token}", CSRF_HEADER: csrf})
        program = create_user(session, "archive", Role.SERVICE, None, now)
        session.flush()
        _, token = issue_token(session, program.user_id, "archive", now, days=1)
    return People(headers, {"Authorization": f"Bearer {token}"})


def kill_worker(process: int) -> None:
    """End a worker with SIGKILL, unless it has ended already."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def _command_line(process: str) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:  # it has ended meanwhile
        return b""


def _peak_mb(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    kibibytes = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(kibibytes) * 1024 / 1e6
