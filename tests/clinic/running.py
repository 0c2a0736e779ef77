"""A clinic server in a process of its own, started from the command line."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

TIMEOUT_SECONDS = 90


@dataclass
class Server:
    """Running ``pneumoscope serve``, with its address and the setup token that it printed."""

    process: subprocess.Popen[str]
    data: Path
    address: str
    setup: str | None

    @property
    def workers(self) -> list[int]:
        """Process ids of its workers, found by their command lines."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        lines = {int(p): Path(f"/proc/{p}/cmdline") for p in children.read_text().split()}
        return [pid for pid, line in lines.items() if b"spawn_main" in line.read_bytes()]


def start(data: Path, *, first: bool = True) -> Server:
    command = [sys.executable, "-m", "pneumoscope", "serve", "--data", str(data), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--workers", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    address = re.search(r"http://\S+", process.stdout.readline())
    assert address is not None
    setup = None
    if first:
        while "First start" not in (line := process.stdout.readline()):
            assert line
        setup = process.stdout.readline().strip().split("#")[1]
    server = Server(process, data, address[0], setup)
    wait_until(lambda: _is_healthy(server))
    return server


def _is_healthy(server: Server) -> bool:
    try:
        return httpx.get(f"{server.address}/health").json()["status"] == "ok"
    except httpx.TransportError:
        return False


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def sign_in(server: Server) -> httpx.Client:
    """Create the first administrator and return a client that is signed in as them."""
    client = httpx.Client(base_url=server.address, timeout=60)
    account = {"name": "first", "password": "four words and a number 7"}
    setup = {"token": server.setup, "unknown_age": "children"}
    client.post("/v1/setup", json=account | setup).raise_for_status()
    session = client.post("/v1/session", json=account)
    session.raise_for_status()
    # By hand: httpx sends no secure cookie over plain HTTP, as browsers do on the same host.
    client.headers["Cookie"] = session.headers["set-cookie"].split(";")[0]
    client.headers["X-CSRF-Token"] = session.json()["csrf"]
    return client
