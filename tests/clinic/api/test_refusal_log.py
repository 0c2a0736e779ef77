"""Refused requests are logged and counted, with user and address, without their content."""

import json
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select

from pneumoscope.clinic.api.security import COOKIE
from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import AuditEntry, User

from .conftest import PASSWORD

As = Callable[[Role], TestClient]

ADDRESS = "2001:db8::7"


@pytest.fixture
def client(anonymous: TestClient) -> TestClient:
    """Return a client with a known address."""
    return TestClient(anonymous.app, base_url="https://clinic.test", client=(ADDRESS, 50_000))


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the new log lines of refused requests."""
    lines = [
        record.getMessage() for record in caplog.records if record.name.endswith(".refusal_log")
    ]
    caplog.clear()
    return lines


def test_refused_access_is_logged(
    client: TestClient, as_: As, clinic: Clinic, caplog: pytest.LogCaptureFixture
) -> None:
    with clinic.database.reading() as session:
        user = session.scalars(select(User.id).where(User.name == "a clinician")).one()
    study = "/v1/studies/" + "0" * 32
    client.get(study)
    client.get(study, headers={"Authorization": "Bearer pns_secret"})
    client.headers["Authorization"] = as_(Role.CLINICIAN).headers["Authorization"]
    client.delete(f"/v1/users/{'0' * 32}/second-factor")
    del client.headers["Authorization"]
    client.post("/v1/session", json={"name": "a clinician", "password": PASSWORD})
    client.post("/v1/studies/search", json={})
    client.cookies.clear()
    client.cookies.set(COOKIE, "secret")
    client.get("/v1/users")
    route = "DELETE /v1/users/{user_id}/second-factor"
    assert refusals(caplog) == [
        f"refused: 401 GET /v1/studies/{{study_id}} without a sign-in from {ADDRESS}",
        f"refused: 401 GET /v1/studies/{{study_id}} with a token from {ADDRESS}",
        f"refused: 403 {route} with a token of user {user} from {ADDRESS}",
        f"refused: 403 POST /v1/studies/search with a session of user {user} from {ADDRESS}",
        f"refused: 401 GET /v1/users with a session from {ADDRESS}",
    ]


def test_invalid_requests_are_logged_without_their_content(
    client: TestClient, clinic: Clinic, caplog: pytest.LogCaptureFixture
) -> None:
    client.post("/v1/session", json={"name": ["SECRET"]})
    client.post("/v1/session", content=b"{SECRET", headers={"Content-Type": "application/json"})
    client.put("/v1/session?SECRET=1")
    client.get("/SECRET%0Arefused:")
    client.post("/v1/readings", content=b"x" * (clinic.settings.max_request_bytes + 1))
    client.request("SECRET", "/v1/session")
    lines = refusals(caplog)
    assert [line.removesuffix(f" without a sign-in from {ADDRESS}") for line in lines] == [
        "refused: 422 POST /v1/session",
        "refused: 422 POST /v1/session",
        "refused: 405 PUT /v1/session",
        "refused: 404 GET an unknown route",
        "refused: 413 POST an unknown route",
        "refused: 405 another method /v1/session",
    ]


def test_refusals_are_counted(client: TestClient, as_: As) -> None:
    service = as_(Role.SERVICE)
    for password in ("wrong", "wrong again", PASSWORD):
        client.post("/v1/session", json={"name": "a clinician", "password": password})
    service.get("/v1/users")
    service.get("/v1/SECRET")
    service.request("SECRET", f"/v1/studies/{'0' * 32}")
    counts = {
        tuple(sample.labels[name] for name in ("status", "method", "route")): sample.value
        for family in text_string_to_metric_families(service.get("/metrics").text)
        for sample in family.samples
        if sample.name == "pneumoscope_refused_requests_total"
    }
    assert counts == {
        ("401", "POST", "/v1/session"): 2,
        ("403", "GET", "/v1/users"): 1,
        ("404", "GET", "an unknown route"): 1,
        ("405", "another method", "/v1/studies/{study_id}"): 1,
    }


def test_answered_requests_are_not_logged(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    assert client.get("/health").status_code == 200
    assert refusals(caplog) == []


def test_the_audit_trail_has_the_address_of_sign_ins(client: TestClient, clinic: Clinic) -> None:
    for password in ("wrong", PASSWORD):
        client.post("/v1/session", json={"name": "a clinician", "password": password})
    with clinic.database.reading() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.number)).all()
    assert [(entry.action, json.loads(entry.detail)) for entry in entries] == [
        ("fail to sign in", {"from": ADDRESS}),
        ("sign in", {"from": ADDRESS}),
    ]
