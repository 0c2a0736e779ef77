"""Client of the clinic's API, against a real server and against failing transports."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from pneumoscope import client as module
from pneumoscope.client import Client
from pneumoscope.clinic.api.request_metadata import RequestMetadata
from pneumoscope.clinic.api.schemas import StudySearch
from pneumoscope.support.errors import ClinicError

from .clinic.running import Server, sign_in, start


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = start(tmp_path / "clinic")
    yield running
    running.process.kill()
    running.process.wait()


@pytest.fixture
def token(server: Server) -> str:
    administrator = sign_in(server)
    new = {"name": "modality", "role": "service"}
    user = administrator.post("/v1/users", json=new).json()["id"]
    site = administrator.get("/v1/sites").json()[0]["id"]
    administrator.patch(f"/v1/sites/{site}", json={"displayed": True}).raise_for_status()
    issued = administrator.post(f"/v1/users/{user}/tokens", json={"name": "one"})
    return str(issued.json()["token"])


def test_from_files_to_readings_and_a_report(
    server: Server,
    token: str,
    phantom_dataset: Path,
) -> None:
    files = sorted(phantom_dataset.rglob("*.png"))[:3]
    with Client(server.address, token) as clinic:
        metadata = RequestMetadata(patient_id="P-1")
        submission = clinic.create_readings(files, metadata, idempotency_key="one")
        assert clinic.create_readings(files, metadata, idempotency_key="one") == submission
        images = list(clinic.wait_for_readings(submission.job))
        assert {image.name for image in images} == {file.name for file in files}
        for image in images:
            assert image.reading is not None
            unread = image.reading.status == "outside"  # phantoms are unlike most radiographs
            assert (image.reading.probability is None) == unread
            assert (image.reading.refusal is not None) == unread
        assert clinic.get_reading(images[0].id) == images[0]
        page = clinic.search_studies(StudySearch(text="P-1", limit=2))
        assert (len(page.studies), page.next is not None) == (2, True)
        assert json.loads(clinic.get_study_report(page.studies[0].id))["resourceType"] == "Bundle"
        with pytest.raises(ClinicError, match="404: there is no such image"):
            clinic.get_reading("0" * 32)
    with Client(server.address, "pns_wrong") as clinic, pytest.raises(ClinicError, match="token"):
        clinic.search_studies()


def failing(times: int, answers: Callable[[httpx.Request], httpx.Response]) -> httpx.MockTransport:
    """Return a transport that fails the given number of times, and then answers."""
    failures = times

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal failures
        request.read()
        failures -= 1
        if failures >= 0:
            if failures % 2:
                raise httpx.ConnectError("refused")
            return httpx.Response(503)
        return answers(request)

    return httpx.MockTransport(answer)


def test_failed_requests_are_retried_whole_with_the_same_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0.0)
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(
            202, json={"job": "j", "images": [], "refused": [], "already_here": []}
        )

    file = tmp_path / "chest.png"
    file.write_bytes(b"all of it" * 1000)
    with Client("https://clinic.test", "t", transport=failing(3, answer)) as clinic:
        clinic.create_readings([file], idempotency_key="mine")
    assert requests[0].headers["idempotency-key"] == "mine"
    assert b"all of it" * 1000 in requests[0].content
    with (
        Client("https://clinic.test", "t", transport=failing(4, answer)) as clinic,
        pytest.raises(ClinicError, match=r"503|cannot be reached"),
    ):
        clinic.create_readings([file])
    assert len(requests) == 1


def test_retries_wait_as_long_as_the_server_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(module.time, "sleep", pauses.append)
    job = {"id": "j", "created": "2026-11-26T00:00:00Z", "images": 1, "waiting": 0, "by_status": {}}
    answers = [
        httpx.Response(429, headers={"Retry-After": "60"}),
        httpx.Response(503, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        httpx.Response(200, json=job),
    ]
    transport = httpx.MockTransport(lambda _: answers.pop(0))
    with Client("https://clinic.test", "t", transport=transport) as clinic:
        assert clinic.get_job("j").images == 1
    assert pauses == [60.0, 1.0]
