"""The real server with its processes, over a real port."""

import os
import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from pneumoscope.clinic.serve import _listen
from pneumoscope.clinic.storage.database import Database

from .running import TIMEOUT_SECONDS, Server, sign_in, start, wait_until


def upload(client: httpx.Client, content: bytes) -> str:
    answer = client.post("/v1/readings", files=[("files", ("a.png", content, "image/png"))])
    answer.raise_for_status()
    return str(answer.json()["images"][0]["id"])


def state(client: httpx.Client, image: str) -> str:
    return str(client.get(f"/v1/readings/{image}").json()["state"])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Yield a server for tests that leave it as it is."""
    running = start(tmp_path_factory.mktemp("running") / "clinic")
    yield running
    running.process.kill()
    running.process.wait()


@pytest.fixture(scope="module")
def browser(running: Server) -> httpx.Client:
    """Return a client of that server, signed in as its first administrator."""
    return sign_in(running)


def test_a_server_reads_and_its_setup_token_works_once(
    running: Server, browser: httpx.Client, phantoms: list[bytes]
) -> None:
    again = browser.post(
        "/v1/setup",
        json={"name": "second", "password": "four words and a number 8", "token": running.setup},
    )
    assert again.status_code == 400
    image = upload(browser, phantoms[0])
    wait_until(lambda: state(browser, image) == "done")


@contextmanager
def restarted(server: Server, client: httpx.Client) -> Iterator[tuple[Server, httpx.Client]]:
    """Yield the server, started again, and a client with the same session."""
    again = start(server.data, first=False)
    cookie = {name: client.headers[name] for name in ("Cookie", "X-CSRF-Token")}
    try:
        with httpx.Client(base_url=again.address, headers=cookie, timeout=60) as browser:
            yield again, browser
    finally:
        again.process.kill()
        again.process.wait()


def test_a_killed_server_loses_no_accepted_image_and_reads_none_twice(
    server: Server, phantoms: list[bytes]
) -> None:
    """It also purges at its start, and stops although a client listens."""
    client = sign_in(server)
    images = [upload(client, content) for content in phantoms[:3]]
    wait_until(lambda: state(client, images[0]) == "done")
    client.put("/v1/retention", json={"pixels_days": 30, "studies_days": None}).raise_for_status()
    for worker in server.workers:
        os.kill(worker, signal.SIGKILL)
    images += [upload(client, content) for content in phantoms[3:5]]
    server.process.kill()
    server.process.wait()
    make_older(server.data, images[0])
    end_leases(server.data)
    with restarted(server, client) as (again, browser):
        wait_until(lambda: all(state(browser, image) == "done" for image in images))
        wait_until(lambda: browser.get(f"/v1/images/{images[0]}/file").status_code == 410)
        assert browser.get(f"/v1/images/{images[1]}/file").status_code == 200
        check_end(again, browser)


def make_older(data: Path, image: str) -> None:
    """Let an image have been received and read years ago."""
    with sqlite3.connect(data / "clinic.db") as connection:
        for table, column, key in [
            ("study", "received", "id = (SELECT study_id FROM image WHERE id = ?)"),
            ("image", "received", "id = ?"),
            ("reading", "created", "image_id = ?"),
        ]:
            change = f"UPDATE {table} SET {column} = '2020-01-01 00:00:00.000000' WHERE {key}"
            assert connection.execute(change, [image]).rowcount == 1


def end_leases(data: Path) -> None:
    """Let the leases of the killed worker, which last two minutes, have begun years ago."""
    with sqlite3.connect(data / "clinic.db") as connection:
        connection.execute("UPDATE task SET available = '2020-01-01 00:00:00.000000'")


def check_end(server: Server, client: httpx.Client) -> None:
    """Check that a server ends when it is told to, although a client listens."""
    with client.stream("GET", "/v1/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: worklist"
        start_time = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert [line for line in lines if line.startswith("event")] == []
        assert server.process.wait(TIMEOUT_SECONDS) in (0, -signal.SIGTERM)
    assert time.monotonic() - start_time < 30


def test_a_server_times_out_slow_headers(running: Server) -> None:
    host, port = running.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as slow:
        slow.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nX: ")
        slow.settimeout(1)
        start_time = time.monotonic()
        while not is_closed(slow, b"x"):
            assert time.monotonic() - start_time < 30
        assert time.monotonic() - start_time > 5


def is_closed(connection: socket.socket, content: bytes) -> bool:
    """Send some bytes; return whether the server has closed the connection."""
    try:
        connection.sendall(content)
        return connection.recv(100) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_a_taken_port_is_an_error_that_names_it(
    running: Server, pneumoscope: Callable, tmp_path: Path
) -> None:
    port = running.address.rsplit(":", 1)[1]
    outcome = pneumoscope("serve", "--data", tmp_path / "other", "--port", port)
    assert (outcome.code, f"cannot listen on 127.0.0.1:{port}" in outcome.err) == (1, True)


def test_responses_do_not_wait_for_acknowledged_headers() -> None:
    with _listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_command_line_verifies_a_trail_and_detects_a_change(
    running: Server, browser: httpx.Client, pneumoscope: Callable
) -> None:
    browser.get("/v1/session").raise_for_status()
    outcome = pneumoscope("audit", "verify", "--data", running.data)
    assert (outcome.code, "entries, unbroken" in outcome.out) == (0, True), outcome
    with sqlite3.connect(running.data / "clinic.db") as connection:
        (actor,) = connection.execute("SELECT actor FROM audit_entry WHERE number = 2").fetchone()
    change = "UPDATE audit_entry SET actor = ? WHERE number = 2"
    with sqlite3.connect(running.data / "clinic.db") as connection:
        connection.execute(change, ["nobody"])
    outcome = pneumoscope("audit", "verify", "--data", running.data)
    assert (outcome.code, "Broken at entry 2" in outcome.out) == (1, True)
    with sqlite3.connect(running.data / "clinic.db") as connection:
        connection.execute(change, [actor])


def test_the_database_url_may_come_from_the_environment(
    pneumoscope: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other users of the host cannot read a password there."""
    file = tmp_path / "elsewhere.db"
    Database(f"sqlite:///{file}").close()
    monkeypatch.setenv("PNEUMOSCOPE_DATABASE", f"sqlite:///{file}")
    outcome = pneumoscope("audit", "verify", "--data", tmp_path)
    assert (outcome.code, "0 entries" in outcome.out) == (0, True), outcome


def test_a_folder_without_a_clinic_is_an_error_that_names_it(
    pneumoscope: Callable, tmp_path: Path
) -> None:
    outcome = pneumoscope("audit", "verify", "--data", tmp_path)
    assert (outcome.code, "not the data folder of a clinic" in outcome.err) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_workers_run_at_lower_priority_than_the_server(running: Server) -> None:
    server_nice = os.getpriority(os.PRIO_PROCESS, running.process.pid)

    def has_lower_priority(pid: int) -> bool:
        return os.getpriority(os.PRIO_PROCESS, pid) > server_nice

    wait_until(lambda: bool(running.workers) and all(map(has_lower_priority, running.workers)))
