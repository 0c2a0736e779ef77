"""What is refused is in the log and counted, with whom and from where, not what was sent."""

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
def somewhere(anonymous: TestClient) -> TestClient:
    """Return a client whose address is known."""
    return TestClient(anonymous.app, base_url="https://clinic.test", client=(ADDRESS, 50_000))


def refused(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged of refusals since the last look."""
    lines = [one.getMessage() for one in caplog.records if one.name.endswith(".refusal_log")]
    caplog.clear()
    return lines


def test_who_has_no_access_is_in_the_log(
    somewhere: TestClient, as_: As, clinic: Clinic, caplog: pytest.LogCaptureFixture
) -> None:
    with clinic.database.reading() as session:
        user = session.scalars(select(User.id).where(User.name == "a clinician")).one()
    study = "/v1/studies/" + "0" * 32
    somewhere.get(study)
    somewhere.get(study, headers={"Authorization": "Bearer pns_secret"})
    somewhere.headers["Authorization"] = as_(Role.CLINICIAN).headers["Authorization"]
    somewhere.delete(f"/v1/users/{'0' * 32}/second-factor")
    del somewhere.headers["Authorization"]
    somewhere.post("/v1/session", json={"name": "a clinician", "password": PASSWORD})
    somewhere.post("/v1/studies/search", json={})
    somewhere.cookies.clear()
    somewhere.cookies.set(COOKIE, "secret")
    somewhere.get("/v1/users")
    route = "DELETE /v1/users/{user_id}/second-factor"
    assert refused(caplog) == [
        f"refused: 401 GET /v1/studies/{{study_id}} without a sign-in from {ADDRESS}",
        f"refused: 401 GET /v1/studies/{{study_id}} with a token from {ADDRESS}",
        f"refused: 403 {route} with a token of user {user} from {ADDRESS}",
        f"refused: 403 POST /v1/studies/search with a session of user {user} from {ADDRESS}",
        f"refused: 401 GET /v1/users with a session from {ADDRESS}",
    ]


def test_what_is_not_in_order_is_in_the_log_and_nothing_of_it(
    somewhere: TestClient, clinic: Clinic, caplog: pytest.LogCaptureFixture
) -> None:
    somewhere.post("/v1/session", json={"name": ["SECRET"]})
    somewhere.post("/v1/session", content=b"{SECRET", headers={"Content-Type": "application/json"})
    somewhere.put("/v1/session?SECRET=1")
    somewhere.get("/SECRET%0Arefused:")
    somewhere.post("/v1/readings", content=b"x" * (clinic.settings.max_request_bytes + 1))
    somewhere.request("SECRET", "/v1/session")
    lines = refused(caplog)
    assert [line.removesuffix(f" without a sign-in from {ADDRESS}") for line in lines] == [
        "refused: 422 POST /v1/session",
        "refused: 422 POST /v1/session",
        "refused: 405 PUT /v1/session",
        "refused: 404 GET an unknown route",
        "refused: 413 POST an unknown route",
        "refused: 405 another method /v1/session",
    ]


def test_what_is_refused_is_counted(somewhere: TestClient, as_: As) -> None:
    service = as_(Role.SERVICE)
    for password in ("wrong", "wrong again", PASSWORD):
        somewhere.post("/v1/session", json={"name": "a clinician", "password": password})
    service.get("/v1/users")
    service.get("/v1/SECRET")
    service.request("SECRET", f"/v1/studies/{'0' * 32}")
    counted = {
        tuple(sample.labels[name] for name in ("status", "method", "route")): sample.value
        for family in text_string_to_metric_families(service.get("/metrics").text)
        for sample in family.samples
        if sample.name == "pneumoscope_refused_requests_total"
    }
    assert counted == {
        ("401", "POST", "/v1/session"): 2,
        ("403", "GET", "/v1/users"): 1,
        ("404", "GET", "an unknown route"): 1,
        ("405", "another method", "/v1/studies/{study_id}"): 1,
    }


def test_what_is_answered_is_not(somewhere: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    assert somewhere.get("/health").status_code == 200
    assert refused(caplog) == []


def test_the_trail_says_from_where_somebody_signed_in_or_failed_to(
    somewhere: TestClient, clinic: Clinic
) -> None:
    for password in ("wrong", PASSWORD):
        somewhere.post("/v1/session", json={"name": "a clinician", "password": password})
    with clinic.database.reading() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.number)).all()
    assert [(one.action, json.loads(one.detail)) for one in entries] == [
        ("fail to sign in", {"from": ADDRESS}),
        ("sign in", {"from": ADDRESS}),
    ]
