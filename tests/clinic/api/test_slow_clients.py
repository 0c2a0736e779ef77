"""Timeouts of slow clients, over raw sockets."""

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
    """Return a function that connects to a server with short timeouts."""
    monkeypatch.setattr(slow_clients, "HEADER_SECONDS", SHORT_SECONDS)
    monkeypatch.setattr(middleware, "MIN_BODY_SECONDS", SHORT_SECONDS)
    app = create_app(clinic)
    with served(app, http=slow_clients.SlowClientTimeout, timeout_graceful_shutdown=1) as port:
        yield lambda: socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)


@contextmanager
def takes_between(low: float, high: float) -> Iterator[None]:
    start = time.monotonic()
    yield
    assert low <= time.monotonic() - start <= high


def trickle(connection: socket.socket, content: bytes) -> bytes:
    """Send a byte every tenth of a second until an answer arrives or all is sent."""
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


def read_answer(connection: socket.socket) -> bytes:
    """Return a whole JSON answer, in however many parts it arrives."""
    received = b""
    while not received.endswith(b"}"):
        part = connection.recv(65536)
        assert part, received
        received += part
    return received


def read_rest(connection: socket.socket) -> bytes:
    connection.settimeout(TIMEOUT_SECONDS)
    received = b""
    try:
        while part := connection.recv(65536):
            received += part
    except ConnectionError:
        pass
    return received


def test_a_silent_client_is_disconnected(connect: Callable[[], socket.socket]) -> None:
    with connect() as connection, takes_between(SHORT_SECONDS - 0.5, TIMEOUT_SECONDS / 2):
        assert read_rest(connection) == b""


def test_trickling_headers_time_out(connect: Callable[[], socket.socket]) -> None:
    with connect() as connection, takes_between(SHORT_SECONDS - 0.5, TIMEOUT_SECONDS / 2):
        connection.sendall(HEADERS + b"X: ")
        assert trickle(connection, b"x" * 300) == b""


def test_trickling_headers_of_a_second_request_time_out(
    connect: Callable[[], socket.socket],
) -> None:
    with connect() as connection:
        connection.sendall(HEADERS + b"\r\n")
        assert read_answer(connection).startswith(b"HTTP/1.1 200")
        with takes_between(SHORT_SECONDS - 0.5, TIMEOUT_SECONDS / 2):
            assert trickle(connection, HEADERS + b"X: " + b"x" * 300) == b""


def test_a_body_trickling_in_after_its_answer_times_out(
    connect: Callable[[], socket.socket],
) -> None:
    with connect() as connection:
        connection.sendall(HEADERS + b"Content-Length: 300\r\n\r\n")
        assert read_answer(connection).startswith(b"HTTP/1.1 200")
        with takes_between(SHORT_SECONDS - 0.5, TIMEOUT_SECONDS / 2):
            assert trickle(connection, b"x" * 300) == b""


def search_request(client: TestClient, length: int) -> bytes:
    return (
        "POST /v1/studies/search HTTP/1.1\r\nHost: clinic.test\r\n"
        f"Authorization: {client.headers['Authorization']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


@pytest.mark.parametrize("bytes_", [0, 300])
def test_a_missing_or_trickling_body_times_out(
    connect: Callable[[], socket.socket], as_: As, bytes_: int
) -> None:
    with connect() as connection, takes_between(SHORT_SECONDS - 0.5, TIMEOUT_SECONDS / 2):
        connection.sendall(search_request(as_(Role.CLINICIAN), 1000))
        answer = trickle(connection, b" " * bytes_) + read_rest(
            connection
        )  # until the server closes it
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408")
    assert b"application/problem+json" in head
    assert "too slowly" in json.loads(body)["detail"]


def test_a_slow_but_steady_body_is_accepted(connect: Callable[[], socket.socket], as_: As) -> None:
    content = b" " * 200_000 + b"{}"  # in about four seconds, twice the timeout
    with connect() as connection, takes_between(SHORT_SECONDS + 1, TIMEOUT_SECONDS):
        connection.sendall(search_request(as_(Role.CLINICIAN), len(content)))
        for start in range(0, len(content), 5000):
            connection.sendall(content[start : start + 5000])
            time.sleep(0.1)
        assert read_answer(connection).startswith(b"HTTP/1.1 200")


def test_a_body_has_a_total_time_limit(
    connect: Callable[[], socket.socket], as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "MAX_BODY_SECONDS", 3.0)
    connection = connect()
    answer = b""
    with connection, takes_between(2.5, TIMEOUT_SECONDS):
        connection.sendall(search_request(as_(Role.CLINICIAN), 1_900_000))
        connection.settimeout(0.1)
        while not answer:
            try:
                connection.sendall(b" " * 5000)
                answer = connection.recv(65536)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408")


def test_answers_have_no_time_limit(connect: Callable[[], socket.socket], as_: As) -> None:
    authorization = as_(Role.CLINICIAN).headers["Authorization"].encode()
    with connect() as connection:
        connection.sendall(
            HEADERS.replace(b"/health", b"/v1/events")
            + b"Authorization: " + authorization + b"\r\n\r\n"
        )  # fmt: skip
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.settimeout(0.2)
        end = time.monotonic() + 2 * SHORT_SECONDS
        while time.monotonic() < end:
            try:
                assert connection.recv(65536) != b""
            except TimeoutError:
                continue
