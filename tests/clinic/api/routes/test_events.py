"""Live updates over a real port: who learns what, when they begin and when they end."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from threading import Thread

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError

from pneumoscope.clinic.api.app import create_app
from pneumoscope.clinic.api.security import COOKIE
from pneumoscope.clinic.identity.accounts import Role, list_users, set_role
from pneumoscope.clinic.identity.credentials import digest, revoke_token, tokens_of
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import AuditEntry, Site, UserSession
from pneumoscope.clinic.worklist import listeners

from ...serving import served
from ..conftest import PASSWORD

As = Callable[[Role], TestClient]

SOON = 10.0
"""Seconds within which something comes."""

LOOK_EVERY = listeners._POLL_SECONDS
HURRIED = 0.2
"""Seconds between two looks here, so that most tests wait for less."""

NEVER = 5 * HURRIED
"""Seconds in which what would come has come."""


class Stream:
    """What comes from the server, in a thread, line by line; None at its end."""

    def __init__(self, answer: httpx.Response) -> None:
        self.status = answer.status_code
        self.lines: list[str] = []
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._thread = Thread(target=self._read, args=(answer,), daemon=True)
        self._thread.start()

    def _read(self, answer: httpx.Response) -> None:
        try:
            for line in answer.iter_lines():
                self.lines.append(line)
                if line.startswith("event:"):
                    self._queue.put(line)
        except (httpx.TransportError, httpx.StreamError):
            pass
        self._queue.put(None)

    def changes(self) -> bool:
        """Wait for a change; False at the end."""
        return self._queue.get(timeout=SOON) is not None

    def stays_silent(self) -> bool:
        try:
            self._queue.get(timeout=NEVER)
        except Empty:
            return True
        return False


@pytest.fixture
def port(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(listeners, "_POLL_SECONDS", HURRIED)
    with served(create_app(clinic), timeout_graceful_shutdown=1) as taken:
        yield taken


@pytest.fixture
def listen(port: int) -> Iterator[Callable[[dict[str, str]], Stream]]:
    """Return what opens a stream with some headers; all are closed in the end."""
    with ExitStack() as stack:

        def opened(headers: dict[str, str]) -> Stream:
            client = stack.enter_context(httpx.Client(timeout=60))
            url = f"http://127.0.0.1:{port}/v1/events"
            return Stream(stack.enter_context(client.stream("GET", url, headers=headers)))

        yield opened


Listen = Callable[[dict[str, str]], Stream]


def of(client: TestClient) -> dict[str, str]:
    return {"Authorization": client.headers["Authorization"]}


def shadow(clinic: Clinic) -> None:
    with clinic.database.writing() as session:
        session.scalars(select(Site)).one().displayed = False


def hand_in(client: TestClient, content: bytes) -> str:
    answer = client.post("/v1/readings", files=[("files", ("Okafor.png", content, "image/png"))])
    return str(answer.json()["images"][0]["id"])


def test_an_upload_a_reading_and_a_judgement_are_told(
    listen: Listen, as_: As, phantoms: list[bytes], read_all: Callable[[], int]
) -> None:
    clinician, service = as_(Role.CLINICIAN), as_(Role.SERVICE)
    stream = listen(of(clinician))
    assert stream.changes()  # what is there at first
    assert stream.stays_silent()
    image = hand_in(service, phantoms[0])
    assert stream.changes()
    assert stream.stays_silent()
    read_all()
    assert stream.changes()
    assert stream.stays_silent()
    clinician.post(f"/v1/images/{image}/judgements", json={"answer": "agree"})
    assert stream.changes()
    assert [line for line in stream.lines if line] == [
        word for number in range(1, 5) for word in ("event: worklist", f"data: {number}")
    ]


def test_the_same_request_once_more_is_no_change(
    listen: Listen, as_: As, phantoms: list[bytes]
) -> None:
    service = as_(Role.SERVICE)
    service.headers["Idempotency-Key"] = "7"
    hand_in(service, phantoms[0])
    stream = listen(of(as_(Role.CLINICIAN)))
    assert stream.changes()
    hand_in(service, phantoms[0])
    assert stream.stays_silent()


def test_in_shadow_mode_clinicians_do_not_learn_that_there_is_a_reading(
    listen: Listen, as_: As, clinic: Clinic, phantoms: list[bytes], read_all: Callable[[], int]
) -> None:
    shadow(clinic)
    reviewer, administrator = as_(Role.REVIEWER), as_(Role.ADMINISTRATOR)
    clinicians, reviewers = listen(of(as_(Role.CLINICIAN))), listen(of(reviewer))
    image = hand_in(as_(Role.SERVICE), phantoms[0])
    for stream in (clinicians, reviewers):
        assert stream.changes()
    while not (clinicians.stays_silent() and reviewers.stays_silent()):
        pass  # the upload may have come with what was there at first, or after it
    read_all()
    assert reviewers.changes()
    assert clinicians.stays_silent()
    reviewer.post(f"/v1/images/{image}/judgements", json={"answer": "agree"})
    assert reviewers.changes()
    assert clinicians.stays_silent()
    site = administrator.get("/v1/sites").json()[0]["id"]
    administrator.patch(f"/v1/sites/{site}", json={"displayed": True})
    assert clinicians.changes()


def test_a_change_through_another_server_on_the_same_database_is_told(
    listen: Listen, as_: As, clinic: Clinic, phantoms: list[bytes]
) -> None:
    stream = listen(of(as_(Role.CLINICIAN)))
    assert stream.changes()
    other = Clinic.open(clinic.settings)
    try:
        client = TestClient(create_app(other), "https://clinic.test")
        client.headers["Authorization"] = as_(Role.SERVICE).headers["Authorization"]
        hand_in(client, phantoms[0])
    finally:
        other.close()
    assert stream.changes()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_all_who_listen_share_one_look_a_second(
    listen: Listen, as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    def look(self: listeners.Listeners, proofs: set[str]) -> object:
        looked.append(len(proofs))
        return original(self, proofs)

    original = listeners.Listeners._query
    monkeypatch.setattr(listeners.Listeners, "_query", look)
    monkeypatch.setattr(listeners, "_POLL_SECONDS", LOOK_EVERY)
    headers = [of(as_(role)) for role in (Role.CLINICIAN, Role.REVIEWER)]
    streams = [listen(headers[number % 2]) for number in range(12)]
    assert all(stream.changes() for stream in streams)
    before, started = len(looked), time.monotonic()
    time.sleep(3)
    assert 1 <= len(looked) - before <= time.monotonic() - started + 1
    assert looked[-1] == 2  # each token once


def test_an_account_listens_in_ten_windows_at_most(listen: Listen, as_: As) -> None:
    headers = of(as_(Role.CLINICIAN))
    for _ in range(10):
        assert listen(headers).status == 200
    assert listen(headers).status == 429
    assert listen(of(as_(Role.CLINICIAN))).status == 429  # by another token of the same account
    assert listen(of(as_(Role.REVIEWER))).status == 200


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_window_that_is_closed_makes_room(port: int, as_: As) -> None:
    headers = of(as_(Role.CLINICIAN))
    url = f"http://127.0.0.1:{port}/v1/events"
    for _ in range(2):
        with ExitStack() as stack:
            for _ in range(10):
                client = stack.enter_context(httpx.Client())
                answer = stack.enter_context(client.stream("GET", url, headers=headers))
                assert answer.status_code == 200
        deadline = time.monotonic() + SOON
        while httpx_status(url, headers) == 429:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def httpx_status(url: str, headers: dict[str, str]) -> int:
    with httpx.stream("GET", url, headers=headers) as answer:
        return answer.status_code


@contextmanager
def browser(port: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        account = {"name": "a clinician", "password": PASSWORD}
        signed = client.post("/v1/session", json=account)
        client.headers["Cookie"] = signed.headers["set-cookie"].split(";")[0]
        client.headers["X-CSRF-Token"] = signed.json()["csrf"]
        yield client


def test_a_browser_listens_until_it_signs_out(port: int, listen: Listen) -> None:
    with browser(port) as client:
        stream = listen({"Cookie": client.headers["Cookie"]})
        assert stream.changes()
        assert client.delete("/v1/session").status_code == 204
        assert not stream.changes()
        assert listen({"Cookie": client.headers["Cookie"]}).status == 401


def test_to_listen_does_not_keep_a_session(port: int, listen: Listen, clinic: Clinic) -> None:
    with browser(port) as client:
        cookie = client.headers["Cookie"]
        nearly = datetime.now(UTC) - timedelta(minutes=15) + timedelta(seconds=6)
        with clinic.database.writing() as session:
            session.execute(update(UserSession).values(last_seen=nearly))
        stream = listen({"Cookie": cookie})
        assert stream.changes()
        assert not stream.changes()
        with clinic.database.reading() as session:
            kept = session.get_one(UserSession, digest(cookie.removeprefix(f"{COOKIE}=")))
            assert kept.last_seen == nearly


@pytest.mark.parametrize("how", ["revoked", "deactivated"])
def test_who_is_let_in_no_more_learns_no_more(
    listen: Listen, as_: As, clinic: Clinic, how: str
) -> None:
    stream, stays = listen(of(as_(Role.CLINICIAN))), listen(of(as_(Role.REVIEWER)))
    assert stream.changes()
    with clinic.database.writing() as session:
        user = next(one for one in list_users(session) if one.role == Role.CLINICIAN)
        if how == "revoked":
            revoke_token(session, tokens_of(session, user.id)[0].id, datetime.now(UTC))
        else:
            user.active = False
    assert not stream.changes()
    assert stays.changes()
    assert stays.stays_silent()


def test_another_role_sees_from_then_on_what_it_may(
    listen: Listen, as_: As, clinic: Clinic, phantoms: list[bytes], read_all: Callable[[], int]
) -> None:
    shadow(clinic)
    hand_in(as_(Role.SERVICE), phantoms[0])
    stream = listen(of(as_(Role.REVIEWER)))
    assert stream.changes()
    with clinic.database.writing() as session:
        user = next(one for one in list_users(session) if one.role == Role.REVIEWER)
        set_role(session, user.id, Role.CLINICIAN)
    while not stream.stays_silent():
        pass
    read_all()
    assert stream.stays_silent()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_no_connection_is_for_ever(
    listen: Listen, as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listeners, "MAX_LISTENING_SECONDS", 2.0)
    began = time.monotonic()
    stream = listen(of(as_(Role.CLINICIAN)))
    assert stream.changes()
    assert not stream.changes()
    assert 1.5 < time.monotonic() - began < SOON


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_silence_is_filled_so_that_no_proxy_ends_it(
    listen: Listen, as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.2)
    stream = listen(of(as_(Role.CLINICIAN)))
    assert stream.changes()
    time.sleep(1)
    assert len([line for line in stream.lines if line.startswith(":")]) >= 2


def test_listening_leaves_nothing_in_the_trail(listen: Listen, as_: As, clinic: Clinic) -> None:
    assert listen(of(as_(Role.CLINICIAN))).changes()
    with clinic.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(AuditEntry)) == 0


def test_a_database_that_is_lost_ends_all(
    listen: Listen, as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = of(as_(Role.CLINICIAN))
    stream = listen(headers)
    assert stream.changes()
    with monkeypatch.context() as broken:

        def lost(*_: object) -> None:
            raise OperationalError("", {}, Exception())

        broken.setattr(listeners, "count_changes", lost)
        assert not stream.changes()
    assert listen(headers).changes()  # and who comes again is served again
