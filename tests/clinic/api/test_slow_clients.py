"""Clients that send little by little, over raw sockets: none is waited for without end."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from fastapi.testclient import TestClient

from pneumoscope.clinic.api import middleware, slow_clients
from pneumoscope.clinic.api.app import create_app
from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.settings import Clinic

from ..serving import served

pytestmark = pytest.mark.parametrize("url", ["sqlite"], indirect=True)

As = Callable[[Role], TestClient]

HEADERS = b"GET /health HTTP/1.1\r\nHost: clinic.test\r\n"
SHORT_SECONDS = 2.0
TIMEOUT_SECONDS = 20.0


@pytest.fixture
def connect(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], socket.socket]]:
    """Return what connects to a server that is less patient than a real one."""
    monkeypatch.setattr(slow_clients, "HEADER_SECONDS", SHORT_SECONDS)
    monkeypatch.setattr(middleware, "MIN_BODY_SECONDS", SHORT_SECONDS)
    app = create_app(clinic)
    with served(app, http=slow_clients.SlowClientTimeout, timeout_graceful_shutdown=1) as port:
        yield lambda: socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)


@contextmanager
def between(least: float, most: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert least <= time.monotonic() - began <= most


def trickle(connection: socket.socket, content: bytes) -> bytes:
    """Send a byte each tenth of a second until something comes back, or all is sent."""
    connection.settimeout(0.1)
    for place in range(len(content)):
        try:
            connection.sendall(content[place : place + 1])
            return connection.recv(65536)
        except TimeoutError:
            continue
        except ConnectionError:
            return b""
    connection.settimeout(TIMEOUT_SECONDS)
    return connection.recv(65536)


def answered(connection: socket.socket) -> bytes:
    """Return a whole answer in JSON, in however many parts it comes."""
    came = b""
    while not came.endswith(b"}"):
        part = connection.recv(65536)
        assert part, came
        came += part
    return came


def rest(connection: socket.socket) -> bytes:
    connection.settimeout(TIMEOUT_SECONDS)
    came = b""
    try:
        while part := connection.recv(65536):
            came += part
    except ConnectionError:
        pass
    return came


def test_silence_from_the_start(connect: Callable[[], socket.socket]) -> None:
    with connect() as connection, between(SHORT_SECONDS - 0.5, TIMEOUT_SECONDS / 2):
        assert rest(connection) == b""


def test_headers_that_trickle(connect: Callable[[], socket.socket]) -> None:
    with connect() as connection, between(SHORT_SECONDS - 0.5, TIMEOUT_SECONDS / 2):
        connection.sendall(HEADERS + b"X: ")
        assert trickle(connection, b"x" * 300) == b""


def test_headers_that_trickle_after_a_first_request(connect: Callable[[], socket.socket]) -> None:
    with connect() as connection:
        connection.sendall(HEADERS + b"\r\n")
        assert answered(connection).startswith(b"HTTP/1.1 200")
        with between(SHORT_SECONDS - 0.5, TIMEOUT_SECONDS / 2):
            assert trickle(connection, HEADERS + b"X: " + b"x" * 300) == b""


def test_a_body_that_trickles_in_though_its_answer_was_given(
    connect: Callable[[], socket.socket],
) -> None:
    with connect() as connection:
        connection.sendall(HEADERS + b"Content-Length: 300\r\n\r\n")
        assert answered(connection).startswith(b"HTTP/1.1 200")
        with between(SHORT_SECONDS - 0.5, TIMEOUT_SECONDS / 2):
            assert trickle(connection, b"x" * 300) == b""


def search(client: TestClient, length: int) -> bytes:
    return (
        "POST /v1/studies/search HTTP/1.1\r\nHost: clinic.test\r\n"
        f"Authorization: {client.headers['Authorization']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


@pytest.mark.parametrize("bytes_", [0, 300])
def test_a_body_that_trickles_or_stays_away(
    connect: Callable[[], socket.socket], as_: As, bytes_: int
) -> None:
    with connect() as connection, between(SHORT_SECONDS - 0.5, TIMEOUT_SECONDS / 2):
        connection.sendall(search(as_(Role.CLINICIAN), 1000))
        answer = trickle(connection, b" " * bytes_) + rest(connection)  # and then it is closed
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408")
    assert b"application/problem+json" in head
    assert "too slowly" in json.loads(body)["detail"]


def test_a_body_that_comes_slowly_but_comes(connect: Callable[[], socket.socket], as_: As) -> None:
    content = b" " * 200_000 + b"{}"  # in about four seconds, twice as long as nothing may come
    with connect() as connection, between(SHORT_SECONDS + 1, TIMEOUT_SECONDS):
        connection.sendall(search(as_(Role.CLINICIAN), len(content)))
        for start in range(0, len(content), 5000):
            connection.sendall(content[start : start + 5000])
            time.sleep(0.1)
        assert answered(connection).startswith(b"HTTP/1.1 200")


def test_no_body_takes_for_ever_however_much_came(
    connect: Callable[[], socket.socket], as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "MAX_BODY_SECONDS", 3.0)
    connection = connect()
    answer = b""
    with connection, between(2.5, TIMEOUT_SECONDS):
        connection.sendall(search(as_(Role.CLINICIAN), 1_900_000))
        connection.settimeout(0.1)
        while not answer:
            try:
                connection.sendall(b" " * 5000)
                answer = connection.recv(65536)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408")


def test_an_answer_may_take_longer_than_a_request(
    connect: Callable[[], socket.socket], as_: As
) -> None:
    authorization = as_(Role.CLINICIAN).headers["Authorization"].encode()
    with connect() as connection:
        connection.sendall(
            HEADERS.replace(b"/health", b"/v1/events")
            + b"Authorization: " + authorization + b"\r\n\r\n"
        )  # fmt: skip
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.settimeout(0.2)
        ends = time.monotonic() + 2 * SHORT_SECONDS
        while time.monotonic() < ends:
            try:
                assert connection.recv(65536) != b""
            except TimeoutError:
                continue
