"""Live updates over a real port."""

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
from sqlalchemy.orm import Session

from pneumoscope.clinic.api.app import create_app
from pneumoscope.clinic.api.security import COOKIE
from pneumoscope.clinic.identity.accounts import Role, list_users, set_role
from pneumoscope.clinic.identity.credentials import digest, revoke_token, tokens_of
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import AuditEntry, Site, UserSession
from pneumoscope.clinic.worklist import listeners
from pneumoscope.clinic.worklist.changes import SiteChanges, count_changes, note_new_reading

from ...conftest import on_both_databases
from ...running import wait_until
from ...serving import served
from ..conftest import PASSWORD

As = Callable[[Role], TestClient]

EVENT_SECONDS = 10.0
"""Time in which an expected event arrives, in seconds."""

POLL_SECONDS = listeners._POLL_SECONDS
TEST_POLL_SECONDS = 0.1

TRANSPORT_SECONDS = 0.2
"""Time that an event takes from the server to the stream, in seconds."""


class Polls:
    """Number of polls of the database that have begun."""

    def __init__(self) -> None:
        self.begun = 0

    def wait(self) -> None:
        """Wait until the listeners know what is in the database now.

        A poll that begins after this call sees it, and has told the listeners when the next begins.
        """
        last = self.begun + 2
        wait_until(lambda: self.begun >= last)


class Stream:
    """Event stream of the server, read line by line in a thread."""

    def __init__(self, answer: httpx.Response, polls: Polls) -> None:
        self.status = answer.status_code
        self._polls = polls
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
        """Wait for an event; return False at the end of the stream."""
        return self._queue.get(timeout=EVENT_SECONDS) is not None

    def stays_silent(self) -> bool:
        """Wait until the listeners know all changes; return whether there was no event.

        Wait for each expected event first: one that is late is not told from one too many.
        """
        self._polls.wait()
        try:
            self._queue.get(timeout=TRANSPORT_SECONDS)
        except Empty:
            return True
        return False


@pytest.fixture
def polls(monkeypatch: pytest.MonkeyPatch) -> Polls:
    counted = Polls()
    original = listeners.Listeners._query

    def query(self: listeners.Listeners, digests: set[str]) -> object:
        counted.begun += 1
        return original(self, digests)

    monkeypatch.setattr(listeners.Listeners, "_query", query)
    return counted


@pytest.fixture
def port(clinic: Clinic, polls: Polls, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(listeners, "_POLL_SECONDS", TEST_POLL_SECONDS)
    with served(create_app(clinic), timeout_graceful_shutdown=1) as port:
        yield port


@pytest.fixture
def listen(port: int, polls: Polls) -> Iterator[Callable[[dict[str, str]], Stream]]:
    """Return a function that opens a stream with given headers; all are closed at the end."""
    with ExitStack() as stack:

        def open_stream(headers: dict[str, str]) -> Stream:
            client = stack.enter_context(httpx.Client(timeout=60))
            url = f"http://127.0.0.1:{port}/v1/events"
            return Stream(stack.enter_context(client.stream("GET", url, headers=headers)), polls)

        yield open_stream


Listen = Callable[[dict[str, str]], Stream]


def authorization(client: TestClient) -> dict[str, str]:
    return {"Authorization": client.headers["Authorization"]}


def shadow(clinic: Clinic) -> None:
    with clinic.database.writing() as session:
        session.scalars(select(Site)).one().displayed = False


def submit(client: TestClient, content: bytes) -> str:
    answer = client.post("/v1/readings", files=[("files", ("Okafor.png", content, "image/png"))])
    return str(answer.json()["images"][0]["id"])


def test_uploads_readings_and_judgements_are_events(
    listen: Listen, as_: As, phantoms: list[bytes], read_all: Callable[[], int]
) -> None:
    clinician, service = as_(Role.CLINICIAN), as_(Role.SERVICE)
    stream = listen(authorization(clinician))
    assert stream.changes()  # the first event
    assert stream.stays_silent()
    image = submit(service, phantoms[0])
    assert stream.changes()
    assert stream.stays_silent()
    read_all()
    assert stream.changes()
    assert stream.stays_silent()
    clinician.post(f"/v1/images/{image}/judgements", json={"study_version": 1, "answer": "agree"})
    assert stream.changes()
    assert [line for line in stream.lines if line] == [
        word for number in range(1, 5) for word in ("event: worklist", f"data: {number}")
    ]


def test_a_repeated_request_is_no_event(listen: Listen, as_: As, phantoms: list[bytes]) -> None:
    service = as_(Role.SERVICE)
    service.headers["Idempotency-Key"] = "7"
    submit(service, phantoms[0])
    stream = listen(authorization(as_(Role.CLINICIAN)))
    assert stream.changes()
    submit(service, phantoms[0])
    assert stream.stays_silent()


def test_shadow_mode_hides_events_of_readings(
    listen: Listen, as_: As, clinic: Clinic, phantoms: list[bytes], read_all: Callable[[], int]
) -> None:
    shadow(clinic)
    reviewer, administrator = as_(Role.REVIEWER), as_(Role.ADMINISTRATOR)
    clinicians, reviewers = (
        listen(authorization(as_(Role.CLINICIAN))),
        listen(authorization(reviewer)),
    )
    for stream in (clinicians, reviewers):
        assert stream.changes()  # the first event
    image = submit(as_(Role.SERVICE), phantoms[0])
    for stream in (clinicians, reviewers):
        assert stream.changes()
    read_all()
    assert reviewers.changes()
    assert clinicians.stays_silent()
    reviewer.post(f"/v1/images/{image}/judgements", json={"study_version": 1, "answer": "agree"})
    assert reviewers.changes()
    assert clinicians.changes()  # of the status, which everybody sees
    site = administrator.get("/v1/sites").json()[0]["id"]
    administrator.patch(f"/v1/sites/{site}", json={"displayed": True})
    assert clinicians.changes()


@on_both_databases
def test_changes_by_another_server_are_events(
    listen: Listen, as_: As, clinic: Clinic, phantoms: list[bytes]
) -> None:
    stream = listen(authorization(as_(Role.CLINICIAN)))
    assert stream.changes()
    other = Clinic.open(clinic.settings)
    try:
        client = TestClient(create_app(other), "https://clinic.test")
        client.headers["Authorization"] = as_(Role.SERVICE).headers["Authorization"]
        submit(client, phantoms[0])
    finally:
        other.close()
    assert stream.changes()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_all_listeners_share_one_query_per_second(
    listen: Listen, as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries: list[int] = []

    def count_query(self: listeners.Listeners, proofs: set[str]) -> object:
        queries.append(len(proofs))
        return original(self, proofs)

    original = listeners.Listeners._query
    monkeypatch.setattr(listeners.Listeners, "_query", count_query)
    monkeypatch.setattr(listeners, "_POLL_SECONDS", POLL_SECONDS)
    headers = [authorization(as_(role)) for role in (Role.CLINICIAN, Role.REVIEWER)]
    streams = [listen(headers[number % 2]) for number in range(12)]
    assert all(stream.changes() for stream in streams)
    before, started = len(queries), time.monotonic()
    time.sleep(3)
    assert 1 <= len(queries) - before <= time.monotonic() - started + 1
    assert queries[-1] == 2  # each token once


def test_an_account_has_at_most_ten_listeners(listen: Listen, as_: As) -> None:
    headers = authorization(as_(Role.CLINICIAN))
    for _ in range(10):
        assert listen(headers).status == 200
    assert listen(headers).status == 429
    assert listen(authorization(as_(Role.CLINICIAN))).status == 429  # another token
    assert listen(authorization(as_(Role.REVIEWER))).status == 200


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_closed_listener_makes_room(port: int, as_: As) -> None:
    headers = authorization(as_(Role.CLINICIAN))
    url = f"http://127.0.0.1:{port}/v1/events"
    for _ in range(2):
        with ExitStack() as stack:
            for _ in range(10):
                client = stack.enter_context(httpx.Client())
                answer = stack.enter_context(client.stream("GET", url, headers=headers))
                assert answer.status_code == 200
        deadline = time.monotonic() + EVENT_SECONDS
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


def test_signing_out_ends_the_stream(port: int, listen: Listen) -> None:
    with browser(port) as client:
        stream = listen({"Cookie": client.headers["Cookie"]})
        assert stream.changes()
        assert client.delete("/v1/session").status_code == 204
        assert not stream.changes()
        assert listen({"Cookie": client.headers["Cookie"]}).status == 401


def test_listening_does_not_extend_a_session(
    port: int, polls: Polls, listen: Listen, clinic: Clinic
) -> None:
    with browser(port) as client:
        cookie = client.headers["Cookie"]
        earlier = datetime.now(UTC) - timedelta(minutes=10)
        with clinic.database.writing() as session:
            session.execute(update(UserSession).values(last_seen=earlier))
        stream = listen({"Cookie": cookie})
        assert stream.changes()
        polls.wait()
        with clinic.database.writing() as session:
            row = session.get_one(UserSession, digest(cookie.removeprefix(f"{COOKIE}=")))
            assert row.last_seen == earlier
            row.last_seen -= timedelta(minutes=5)
        assert not stream.changes()


def test_losing_access_ends_the_stream(listen: Listen, as_: As, clinic: Clinic) -> None:
    roles = (Role.CLINICIAN, Role.REVIEWER, Role.ADMINISTRATOR)
    revoked, deactivated, stays = (listen(authorization(as_(role))) for role in roles)
    for stream in (revoked, deactivated, stays):
        assert stream.changes()
    with clinic.database.writing() as session:
        users = {user.role: user for user in list_users(session)}
        token = tokens_of(session, users[Role.CLINICIAN].id)[0]
        revoke_token(session, token.id, datetime.now(UTC))
        users[Role.REVIEWER].active = False
    assert not revoked.changes()
    assert not deactivated.changes()
    assert stays.stays_silent()


@on_both_databases
def test_a_changed_role_applies_to_open_streams(
    listen: Listen, as_: As, clinic: Clinic, phantoms: list[bytes], read_all: Callable[[], int]
) -> None:
    shadow(clinic)
    submit(as_(Role.SERVICE), phantoms[0])
    stream = listen(authorization(as_(Role.REVIEWER)))
    assert stream.changes()
    with clinic.database.writing() as session:
        user = next(user for user in list_users(session) if user.role == Role.REVIEWER)
        set_role(session, user.id, Role.CLINICIAN)
    assert stream.changes()  # what the software did is hidden now
    read_all()
    assert stream.stays_silent()


@on_both_databases
def test_a_role_lost_during_a_poll_applies_to_its_changes(
    as_: As, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = as_(Role.REVIEWER).headers["Authorization"].removeprefix("Bearer ")

    def count_later(session: Session) -> list[SiteChanges]:
        with clinic.database.writing() as other:
            user = next(user for user in list_users(other) if user.role == Role.REVIEWER)
            set_role(other, user.id, Role.CLINICIAN)
            note_new_reading(other, other.scalars(select(Site.id)).one())
        return count_changes(session)

    monkeypatch.setattr(listeners, "count_changes", count_later)
    asked = listeners.Listeners(clinic.database, lambda actor: actor.role == Role.REVIEWER)
    actors, (site,) = asked._query({digest(token)})
    assert site.outcomes == 1
    assert actors[digest(token)].role == Role.CLINICIAN


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_streams_have_a_time_limit(
    listen: Listen, as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listeners, "MAX_LISTENING_SECONDS", 2.0)
    start = time.monotonic()
    stream = listen(authorization(as_(Role.CLINICIAN)))
    assert stream.changes()
    assert not stream.changes()
    assert 1.5 < time.monotonic() - start < EVENT_SECONDS


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_silent_streams_send_comments_for_proxies(
    listen: Listen, as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.2)
    stream = listen(authorization(as_(Role.CLINICIAN)))
    assert stream.changes()
    time.sleep(1)
    assert len([line for line in stream.lines if line.startswith(":")]) >= 2


def test_listening_is_not_recorded(listen: Listen, as_: As, clinic: Clinic) -> None:
    assert listen(authorization(as_(Role.CLINICIAN))).changes()
    with clinic.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(AuditEntry)) == 0


@on_both_databases
def test_a_lost_database_ends_all_streams(
    listen: Listen, as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = authorization(as_(Role.CLINICIAN))
    stream = listen(headers)
    assert stream.changes()
    with monkeypatch.context() as broken:

        def lost(*_: object) -> None:
            raise OperationalError("", {}, Exception())

        broken.setattr(listeners, "count_changes", lost)
        assert not stream.changes()
    assert listen(headers).changes()  # new streams are served again
