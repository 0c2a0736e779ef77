"""The real server with its processes, over a real port."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import httpx

from pneumoscope.clinic.serve import _listen
from pneumoscope.clinic.storage.database import Database

from .running import TIMEOUT_SECONDS, Server, sign_in, start, wait_until


def upload(client: httpx.Client, content: bytes) -> str:
    answer = client.post("/v1/readings", files=[("files", ("a.png", content, "image/png"))])
    answer.raise_for_status()
    return str(answer.json()["images"][0]["id"])


def state(client: httpx.Client, image: str) -> str:
    return str(client.get(f"/v1/readings/{image}").json()["state"])


def test_a_server_starts_reads_and_stops(server: Server, phantoms: list[bytes]) -> None:
    client = sign_in(server)
    again = client.post(
        "/v1/setup",
        json={"name": "second", "password": "four words and a number 8", "token": server.setup},
    )
    assert again.status_code == 400  # the token works once
    image = upload(client, phantoms[0])
    wait_until(lambda: state(client, image) == "done")
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(TIMEOUT_SECONDS) in (0, -signal.SIGTERM)


def test_a_killed_server_loses_no_accepted_image_and_reads_none_twice(
    server: Server, phantoms: list[bytes]
) -> None:
    client = sign_in(server)
    images = [upload(client, content) for content in phantoms[:3]]
    for worker in server.workers:
        os.kill(worker, signal.SIGKILL)
    images += [upload(client, content) for content in phantoms[3:5]]
    server.process.kill()
    server.process.wait()
    cookie = {name: client.headers[name] for name in ("Cookie", "X-CSRF-Token")}

    restarted = start(server.data, first=False)
    try:
        with httpx.Client(base_url=restarted.address, headers=cookie, timeout=60) as browser:
            # Images leased by the killed worker become available when the lease expires.
            deadline = time.monotonic() + 200
            while any(state(browser, image) != "done" for image in images):
                assert time.monotonic() < deadline
                time.sleep(0.5)
    finally:
        restarted.process.kill()
        restarted.process.wait()


def test_a_server_stops_although_a_client_listens(server: Server) -> None:
    client = sign_in(server)
    with client.stream("GET", "/v1/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: worklist"
        start_time = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert [line for line in lines if line.startswith("event")] == []
        assert server.process.wait(TIMEOUT_SECONDS) in (0, -signal.SIGTERM)
    assert time.monotonic() - start_time < 30


def test_a_server_times_out_slow_headers(server: Server) -> None:
    host, port = server.address.removeprefix("http://").split(":")
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


def test_a_taken_port_is_an_error_that_names_it(server: Server, tmp_path: Path) -> None:
    port = server.address.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "pneumoscope", "serve", "--data", str(tmp_path / "other")]
    second = subprocess.run([*command, "--port", port], capture_output=True, text=True)
    assert second.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in second.stderr


def test_responses_do_not_wait_for_acknowledged_headers() -> None:
    with _listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_command_line_verifies_a_trail_and_detects_a_change(
    server: Server, phantoms: list[bytes]
) -> None:
    upload(sign_in(server), phantoms[0])
    verify = [sys.executable, "-m", "pneumoscope", "audit", "verify", "--data", str(server.data)]
    result = subprocess.run(verify, capture_output=True, text=True)
    assert (result.returncode, "3 entries, unbroken" in result.stdout) == (0, True), result.stdout
    with sqlite3.connect(server.data / "clinic.db") as connection:
        connection.execute("UPDATE audit_entry SET actor = 'nobody' WHERE number = 2")
    result = subprocess.run(verify, capture_output=True, text=True)
    assert (result.returncode, "Broken at entry 2" in result.stdout) == (1, True)


def test_the_database_url_may_come_from_the_environment(tmp_path: Path) -> None:
    """Other users of the host cannot read a password there."""
    file = tmp_path / "elsewhere.db"
    Database(f"sqlite:///{file}").close()
    verify = [sys.executable, "-m", "pneumoscope", "audit", "verify", "--data", str(tmp_path)]
    environment = os.environ | {"PNEUMOSCOPE_DATABASE": f"sqlite:///{file}"}
    result = subprocess.run(verify, capture_output=True, text=True, env=environment)
    assert (result.returncode, "0 entries" in result.stdout) == (0, True), result.stderr


def test_a_folder_without_a_clinic_is_an_error_that_names_it(tmp_path: Path) -> None:
    verify = [sys.executable, "-m", "pneumoscope", "audit", "verify", "--data", str(tmp_path)]
    result = subprocess.run(verify, capture_output=True, text=True)
    assert result.returncode == 1
    assert "not the data folder of a clinic" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_server_purges_at_its_start(server: Server, phantoms: list[bytes]) -> None:
    client = sign_in(server)
    image = upload(client, phantoms[0])
    wait_until(lambda: state(client, image) == "done")
    client.put("/v1/retention", json={"pixels_days": 30, "studies_days": None}).raise_for_status()
    server.process.kill()
    server.process.wait()
    with sqlite3.connect(server.data / "clinic.db") as connection:
        for table, column in [("study", "received"), ("image", "received"), ("reading", "created")]:
            connection.execute(f"UPDATE {table} SET {column} = '2020-01-01 00:00:00.000000'")

    restarted = start(server.data, first=False)
    try:
        cookie = {name: client.headers[name] for name in ("Cookie", "X-CSRF-Token")}
        with httpx.Client(base_url=restarted.address, headers=cookie, timeout=60) as browser:
            wait_until(lambda: browser.get(f"/v1/images/{image}/file").status_code == 410)
            assert state(browser, image) == "done"
    finally:
        restarted.process.kill()
        restarted.process.wait()


def test_workers_run_at_lower_priority_than_the_server(server: Server) -> None:
    server_nice = os.getpriority(os.PRIO_PROCESS, server.process.pid)

    def has_lower_priority(pid: int) -> bool:
        return os.getpriority(os.PRIO_PROCESS, pid) > server_nice

    wait_until(lambda: bool(server.workers) and all(map(has_lower_priority, server.workers)))
