"""Authorization: every route with every role; and sign-in with passwords."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from sqlalchemy import select

from pneumoscope.clinic import audit
from pneumoscope.clinic.api.rate_limits import RateLimits
from pneumoscope.clinic.api.security import COOKIE
from pneumoscope.clinic.audit import Action
from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import AuditEntry, User
from pneumoscope.clinic.worklist import listeners

from ..conftest import on_both_databases
from .conftest import PASSWORD

As = Callable[[Role], TestClient]

NO_SIGN_IN = {
    ("POST", "/v1/setup"),
    ("POST", "/v1/session"),
    ("POST", "/v1/password"),
    ("GET", "/v1/oidc"),
    ("GET", "/v1/oidc/login"),
    ("GET", "/v1/oidc/callback"),
    ("GET", "/health"),
}
EVERY_ROLE = {
    ("GET", "/v1/session"),
    ("DELETE", "/v1/session"),
    ("POST", "/v1/readings"),
    ("GET", "/v1/readings/{image_id}"),
    ("GET", "/v1/jobs/{job_id}"),
    ("GET", "/v1/jobs/{job_id}/images"),
    ("POST", "/v1/studies/search"),
    ("GET", "/v1/studies/{study_id}"),
    ("GET", "/v1/studies/{study_id}/report"),
    ("GET", "/v1/studies/{study_id}/priors"),
    ("GET", "/v1/images/{image_id}/file"),
    ("GET", "/v1/images/{image_id}/header"),
    ("GET", "/v1/images/{image_id}/heatmap"),
    ("GET", "/v1/images/{image_id}/highlights"),
    ("GET", "/v1/images/{image_id}/pixels"),
    ("GET", "/v1/sites"),
    ("GET", "/v1/models"),
}
STAFF = {
    ("GET", "/v1/account"),
    ("PUT", "/v1/account/password"),
    ("POST", "/v1/account/sessions/end"),
    ("POST", "/v1/account/second-factor"),
    ("PUT", "/v1/account/second-factor"),
    ("POST", "/v1/account/second-factor/end"),
    ("GET", "/v1/events"),
    ("GET", "/v1/studies/{study_id}/version"),
    ("PUT", "/v1/studies/{study_id}/lease"),
    ("DELETE", "/v1/studies/{study_id}/lease"),
    ("GET", "/v1/images/{image_id}/judgements"),
    ("POST", "/v1/images/{image_id}/judgements"),
}
MONITORING = {
    ("GET", "/v1/monitoring"),
    ("GET", "/v1/monitoring/report"),
    ("GET", "/v1/monitoring/alerts"),
    ("POST", "/v1/monitoring/check"),
}
OPERATORS = {("GET", "/metrics")}
OVERSEERS = {
    ("POST", "/v1/exports"),
    ("PATCH", "/v1/studies/{study_id}/patient"),
    ("GET", "/v1/studies/{study_id}/corrections"),
    ("POST", "/v1/images/{image_id}/withdrawal"),
    ("DELETE", "/v1/images/{image_id}/withdrawal"),
}
ADMINISTRATORS = {
    ("GET", "/v1/users"),
    ("POST", "/v1/users"),
    ("PATCH", "/v1/users/{user_id}"),
    ("POST", "/v1/users/{user_id}/password-link"),
    ("DELETE", "/v1/users/{user_id}/second-factor"),
    ("GET", "/v1/users/{user_id}/tokens"),
    ("POST", "/v1/users/{user_id}/tokens"),
    ("DELETE", "/v1/tokens/{token_id}"),
    ("POST", "/v1/sites"),
    ("PATCH", "/v1/sites/{site_id}"),
    ("GET", "/v1/retention"),
    ("PUT", "/v1/retention"),
    ("POST", "/v1/patients/purge"),
    ("POST", "/v1/monitoring/alerts/{alert_id}/acknowledgement"),
}


@pytest.fixture(autouse=True)
def _short_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """End live updates at once; this client would wait for their end."""
    monkeypatch.setattr(listeners, "MAX_LISTENING_SECONDS", 0.0)


def routes(client: TestClient) -> set[tuple[str, str]]:
    paths = client.get("/v1/openapi.json").json()["paths"]
    return {(method.upper(), path) for path, methods in paths.items() for method in methods}


def status_of(client: TestClient, method: str, path: str) -> int:
    filled = re.sub(r"{\w+}", "0" * 32, path)
    return client.request(method, filled, json={} if method != "GET" else None).status_code


def test_every_route_has_a_role(anonymous: TestClient) -> None:
    listed = NO_SIGN_IN | EVERY_ROLE | STAFF | OPERATORS | MONITORING | OVERSEERS | ADMINISTRATORS
    assert routes(anonymous) == listed


def test_routes_need_a_sign_in(anonymous: TestClient) -> None:
    for method, path in EVERY_ROLE | STAFF | OPERATORS | MONITORING | OVERSEERS | ADMINISTRATORS:
        assert status_of(anonymous, method, path) == 401, (method, path)


def test_open_routes_need_no_sign_in(anonymous: TestClient, as_: As) -> None:
    for client in (anonymous, *map(as_, Role)):
        anonymous.app.state.rate_limits = RateLimits()  # all clients have one address
        for method, path in NO_SIGN_IN:
            # Without a single sign-on, its two routes answer 404.
            expected = 404 if "/oidc/" in path else 200 if method == "GET" else 422
            assert status_of(client, method, path) == expected, (method, path)


def test_no_single_sign_on_is_offered_without_a_provider(anonymous: TestClient) -> None:
    assert anonymous.get("/v1/oidc").json() == {"offered": False}


def test_every_role_may_use_the_common_routes(as_: As) -> None:
    for role in Role:
        for method, path in sorted(EVERY_ROLE):
            assert status_of(as_(role), method, path) not in (401, 403), (role, method, path)


def test_programs_may_not_use_the_routes_of_staff(as_: As) -> None:
    for role in Role:
        for method, path in sorted(STAFF):
            refused = status_of(as_(role), method, path) == 403
            assert refused is (role is Role.SERVICE), (role, method, path)


def test_monitoring_is_for_reviewers_and_administrators(as_: As) -> None:
    for role in Role:
        client = as_(role)
        for method, path in sorted(MONITORING):
            allowed = role in (Role.REVIEWER, Role.ADMINISTRATOR)
            assert status_of(client, method, path) == (200 if allowed else 403), (
                role,
                method,
                path,
            )


def test_metrics_are_for_administrators_and_programs(as_: As) -> None:
    for role in Role:
        allowed = role in (Role.ADMINISTRATOR, Role.SERVICE)
        assert as_(role).get("/metrics").status_code == (200 if allowed else 403)


def test_exports_and_corrections_are_for_reviewers_and_administrators(as_: As) -> None:
    for role in Role:
        allowed = role in (Role.REVIEWER, Role.ADMINISTRATOR)
        for method, path in sorted(OVERSEERS):
            assert (status_of(as_(role), method, path) == 403) is not allowed, (role, method, path)


def test_administration_is_for_administrators(as_: As) -> None:
    for role in Role:
        client = as_(role)
        for method, path in sorted(ADMINISTRATORS):
            status = status_of(client, method, path)
            if role is Role.ADMINISTRATOR:
                assert status not in (401, 403), (method, path)
            else:
                assert status == 403, (role, method, path)


@pytest.mark.parametrize(
    "header", [b"Bearer", b"Bearer pns_nothing", b"Basic YTpi", b"", b"Bearer \xc3\xa9"]
)
def test_invalid_tokens_are_refused(anonymous: TestClient, header: bytes) -> None:
    answer = anonymous.get("/v1/session", headers={b"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def sign_in(client: TestClient, name: str = "a clinician", password: str = PASSWORD) -> dict:
    answer = client.post("/v1/session", json={"name": name, "password": password})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_browser_signs_in_and_out(anonymous: TestClient) -> None:
    session = sign_in(anonymous)
    assert (session["name"], session["role"]) == ("a clinician", "clinician")
    cookie = next(iter(anonymous.cookies.jar))
    assert (cookie.name, cookie.secure, cookie.path) == (COOKIE, True, "/")
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "strict"
    assert anonymous.get("/v1/session").json() == session
    out = anonymous.delete("/v1/session", headers={"X-CSRF-Token": session["csrf"]})
    assert out.status_code == 204
    anonymous.cookies.set(COOKIE, cookie.value or "")
    assert anonymous.get("/v1/session").status_code == 401


def test_another_site_cannot_use_a_browsers_cookie(anonymous: TestClient) -> None:
    session = sign_in(anonymous)
    for sent in ({}, {"X-CSRF-Token": "guessed"}, {"X-CSRF-Token": ""}):
        answer = anonymous.post("/v1/studies/search", json={}, headers=sent)
        assert answer.status_code == 403
    csrf = {"X-CSRF-Token": session["csrf"]}
    assert anonymous.post("/v1/studies/search", json={}, headers=csrf).status_code == 200


def test_wrong_passwords_lock_the_account(anonymous: TestClient, clinic: Clinic) -> None:
    for name in ["a clinician"] * 5 + ["nobody"]:
        wrong = {"name": name, "password": "not the password at all"}
        answer = anonymous.post("/v1/session", json=wrong)
        assert answer.status_code == 401
        assert "locked" in answer.json()["detail"]  # the same message, whatever is wrong
    right = {"name": "a clinician", "password": PASSWORD}
    assert anonymous.post("/v1/session", json=right).status_code == 401
    with clinic.database.reading() as session:
        actions = session.scalars(select(AuditEntry.action)).all()
    assert actions.count("fail to sign in") == 7


def test_sign_in_attempts_per_address_are_limited(anonymous: TestClient) -> None:
    wrong = {"name": "nobody", "password": "x"}
    statuses = [anonymous.post("/v1/session", json=wrong).status_code for _ in range(22)]
    assert statuses == [401] * 20 + [429] * 2
    answer = anonymous.post("/v1/session", json=wrong)
    assert 1 <= int(answer.headers["retry-after"]) <= 60


def test_concurrent_sign_in_attempts_are_limited_too(anonymous: TestClient) -> None:
    wrong = {"name": "nobody", "password": "x"}
    barrier = Barrier(30)

    def attempt(_: int) -> int:
        barrier.wait()
        return anonymous.post("/v1/session", json=wrong).status_code

    with ThreadPoolExecutor(30) as pool:
        statuses = list(pool.map(attempt, range(30)))
    assert sorted(statuses) == [401] * 20 + [429] * 10


@on_both_databases
def test_hashing_a_password_blocks_no_writer(
    anonymous: TestClient, as_: As, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    administrator, hashed = as_(Role.ADMINISTRATOR), 0

    def write_first(original: Callable[..., Any]) -> Callable[..., Any]:
        def hash_while_another_writes(*args: object) -> object:
            nonlocal hashed
            hashed += 1
            with clinic.database.writing() as session:  # would wait for an open transaction
                for user in session.scalars(select(User).with_for_update(nowait=True)):
                    user.failures = user.failures
                audit.record(session, "another", Action.JUDGE, "x", {}, datetime.now(UTC))
            return original(*args)

        return hash_while_another_writes

    for name in ("hash", "verify"):
        monkeypatch.setattr(PasswordHasher, name, write_first(getattr(PasswordHasher, name)))
    sign_in(anonymous)
    for wrong in ({"name": "a clinician", "password": "x"}, {"name": "x", "password": "x"}):
        assert anonymous.post("/v1/session", json=wrong).status_code == 401
    new = {"name": "Berta", "role": "clinician"}
    user = administrator.post("/v1/users", json=new).json()["id"]
    token = administrator.post(f"/v1/users/{user}/password-link").json()["token"]
    chosen = {"token": token, "password": "a word of mine and 9 more"}
    anonymous.cookies.clear()
    assert anonymous.post("/v1/password", json=chosen).status_code == 204
    csrf = {"X-CSRF-Token": sign_in(anonymous, "berta", chosen["password"])["csrf"]}
    change = {"old": chosen["password"], "new": "another one of hers 99"}
    assert anonymous.put("/v1/account/password", json=change, headers=csrf).status_code == 204
    first = {"name": "x", "password": "a word of mine and 9 more", "token": "x"}
    assert anonymous.post("/v1/setup", json=first).status_code == 400
    assert hashed == 8


def test_the_audit_trail_has_actions_and_no_secrets(
    as_: As, anonymous: TestClient, clinic: Clinic
) -> None:
    administrator = as_(Role.ADMINISTRATOR)
    new = {"name": "Berta", "role": "clinician"}
    user = administrator.post("/v1/users", json=new).json()
    link = administrator.post(f"/v1/users/{user['id']}/password-link").json()["token"]
    chosen = {"token": link, "password": "a word of mine and 9 more"}
    anonymous.post("/v1/password", json=chosen)
    csrf = {"X-CSRF-Token": sign_in(anonymous, "berta", chosen["password"])["csrf"]}
    for old in ("no word of hers", chosen["password"]):
        change = {"old": old, "new": "another one of hers 99"}
        anonymous.put("/v1/account/password", json=change, headers=csrf)
    administrator.patch(f"/v1/users/{user['id']}", json={"role": "reviewer"})
    token = administrator.post(f"/v1/users/{user['id']}/tokens", json={"name": "x"}).json()
    assert administrator.delete(f"/v1/tokens/{token['id']}").status_code == 204
    with clinic.database.reading() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.number)).all()
    assert [entry.action for entry in entries] == [
        "make user",
        "make password link",
        "choose password",
        "sign in",
        "fail to prove",
        "change password",
        "change user",
        "issue token",
        "revoke token",
    ]
    details = " ".join(entry.detail for entry in entries)
    for secret in ("mine and 9", "hers", link, token["token"]):
        assert secret not in details


def test_a_deactivated_account_is_signed_out_at_once(as_: As, anonymous: TestClient) -> None:
    administrator = as_(Role.ADMINISTRATOR)
    sign_in(anonymous)
    service = as_(Role.CLINICIAN)
    users = administrator.get("/v1/users").json()
    clinician = next(user for user in users if user["role"] == "clinician")
    taken = administrator.patch(f"/v1/users/{clinician['id']}", json={"active": False})
    assert taken.json()["active"] is False
    assert service.get("/v1/session").status_code == 401
    assert anonymous.get("/v1/session").status_code == 401
    again = administrator.patch(f"/v1/users/{clinician['id']}", json={"active": True})
    assert again.status_code == 409


def test_the_last_administrator_cannot_be_removed(as_: As) -> None:
    administrator = as_(Role.ADMINISTRATOR)
    users = administrator.get("/v1/users").json()
    administrators = [user for user in users if user["role"] == "administrator"]
    for change in ({"active": False}, {"role": "clinician"}):
        answer = administrator.patch(f"/v1/users/{administrators[0]['id']}", json=change)
        assert answer.status_code == 400
        assert "administrator" in answer.json()["detail"]


@on_both_databases
def test_characters_that_cannot_be_stored_are_refused(as_: As) -> None:
    administrator = as_(Role.ADMINISTRATOR)
    for path in ("/v1/studies/%00", "/v1/readings/" + "g" * 32, "/v1/users/..%2f/tokens"):
        assert administrator.get(path).status_code in (404, 422), path
    for path, body in [
        ("/v1/studies/search", {"text": "a\x00"}),
        ("/v1/users", {"name": "a\x00", "role": "service"}),
        ("/v1/sites", {"name": "\x00"}),
    ]:
        assert administrator.post(path, json=body).status_code == 422, path


def test_errors_do_not_repeat_the_request(anonymous: TestClient) -> None:
    answer = anonymous.post("/v1/session", json={"name": ["SECRET"], "password": 7})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "SECRET" not in answer.text


def test_every_answer_has_the_security_headers(anonymous: TestClient) -> None:
    for path in ("/health", "/v1/session", "/nowhere", "/v1/openapi.json"):
        headers = anonymous.get(path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
