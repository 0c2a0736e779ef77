"""The real server: its processes, over a real port."""

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

from .running import PATIENCE, Server, sign_in, start, wait_until


def hand_in(client: httpx.Client, content: bytes) -> str:
    answer = client.post("/v1/readings", files=[("files", ("a.png", content, "image/png"))])
    answer.raise_for_status()
    return str(answer.json()["images"][0]["id"])


def state(client: httpx.Client, image: str) -> str:
    return str(client.get(f"/v1/readings/{image}").json()["state"])


def test_from_the_first_start_to_a_reading_and_to_the_end(
    server: Server, phantoms: list[bytes]
) -> None:
    client = sign_in(server)
    again = client.post(
        "/v1/setup",
        json={"name": "second", "password": "four words and a number 8", "token": server.setup},
    )
    assert again.status_code == 400  # the token works once
    image = hand_in(client, phantoms[0])
    wait_until(lambda: state(client, image) == "done")
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(PATIENCE) in (0, -signal.SIGTERM)


def test_killed_at_any_moment_nothing_accepted_is_lost_and_nothing_read_twice(
    server: Server, phantoms: list[bytes]
) -> None:
    client = sign_in(server)
    images = [hand_in(client, content) for content in phantoms[:3]]
    for worker in server.workers:
        os.kill(worker, signal.SIGKILL)
    images += [hand_in(client, content) for content in phantoms[3:5]]
    server.process.kill()
    server.process.wait()
    cookie = {name: client.headers[name] for name in ("Cookie", "X-CSRF-Token")}

    restarted = start(server.data, first=False)
    try:
        with httpx.Client(base_url=restarted.address, headers=cookie, timeout=60) as other:
            # What was taken by the killed worker comes back when its lease has run out.
            deadline = time.monotonic() + 200
            while any(state(other, image) != "done" for image in images):
                assert time.monotonic() < deadline
                time.sleep(0.5)
    finally:
        restarted.process.kill()
        restarted.process.wait()


def test_a_server_ends_though_somebody_listens(server: Server) -> None:
    client = sign_in(server)
    with client.stream("GET", "/v1/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: worklist"
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert [line for line in lines if line.startswith("event")] == []
        assert server.process.wait(PATIENCE) in (0, -signal.SIGTERM)
    assert time.monotonic() - began < 30


def test_a_server_does_not_wait_for_headers_that_trickle(server: Server) -> None:
    host, port = server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as slow:
        slow.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nX: ")
        slow.settimeout(1)
        began = time.monotonic()
        while not closed(slow, b"x"):
            assert time.monotonic() - began < 30
        assert time.monotonic() - began > 5


def closed(connection: socket.socket, more: bytes) -> bool:
    """Send a little more; tell whether there is nobody any more."""
    try:
        connection.sendall(more)
        return connection.recv(100) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_a_port_that_is_taken_is_named(server: Server, tmp_path: Path) -> None:
    port = server.address.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "pneumoscope", "serve", "--data", str(tmp_path / "other")]
    second = subprocess.run([*command, "--port", port], capture_output=True, text=True)
    assert second.returncode == 1
    assert f":{port}: cannot be listened on" in second.stderr


def test_answers_do_not_wait_for_the_client_to_acknowledge_their_headers() -> None:
    with _listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_trail_of_a_server_verifies_and_a_change_is_found(
    server: Server, phantoms: list[bytes]
) -> None:
    hand_in(sign_in(server), phantoms[0])
    verify = [sys.executable, "-m", "pneumoscope", "audit", "verify", "--data", str(server.data)]
    said = subprocess.run(verify, capture_output=True, text=True)
    assert (said.returncode, "3 entries, unbroken" in said.stdout) == (0, True), said.stdout
    with sqlite3.connect(server.data / "clinic.db") as connection:
        connection.execute("UPDATE audit_entry SET actor = 'nobody' WHERE number = 2")
    said = subprocess.run(verify, capture_output=True, text=True)
    assert (said.returncode, "Broken at entry 2" in said.stdout) == (1, True)


def test_a_database_may_be_named_in_the_environment(tmp_path: Path) -> None:
    """Where no other user of the machine reads its password."""
    file = tmp_path / "elsewhere.db"
    Database(f"sqlite:///{file}").close()
    verify = [sys.executable, "-m", "pneumoscope", "audit", "verify", "--data", str(tmp_path)]
    named = os.environ | {"PNEUMOSCOPE_DATABASE": f"sqlite:///{file}"}
    said = subprocess.run(verify, capture_output=True, text=True, env=named)
    assert (said.returncode, "0 entries" in said.stdout) == (0, True), said.stderr


def test_a_folder_without_a_clinic_is_named(tmp_path: Path) -> None:
    verify = [sys.executable, "-m", "pneumoscope", "audit", "verify", "--data", str(tmp_path)]
    said = subprocess.run(verify, capture_output=True, text=True)
    assert said.returncode == 1
    assert "holds no clinic" in said.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_server_purges_when_it_starts(server: Server, phantoms: list[bytes]) -> None:
    client = sign_in(server)
    image = hand_in(client, phantoms[0])
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
        with httpx.Client(base_url=restarted.address, headers=cookie, timeout=60) as other:
            wait_until(lambda: other.get(f"/v1/images/{image}/file").status_code == 410)
            assert state(other, image) == "done"
    finally:
        restarted.process.kill()
        restarted.process.wait()


def test_who_waits_for_a_page_goes_before_the_next_radiograph(server: Server) -> None:
    of_server = os.getpriority(os.PRIO_PROCESS, server.process.pid)

    def below(pid: int) -> bool:
        return os.getpriority(os.PRIO_PROCESS, pid) > of_server

    wait_until(lambda: bool(server.workers) and all(map(below, server.workers)))
