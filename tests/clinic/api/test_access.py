"""Every route against every role: who may, and that all others may not."""

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
from pneumoscope.clinic.audit import Action
from pneumoscope.clinic.api.rate_limits import RateLimits
from pneumoscope.clinic.api.security import COOKIE
from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import AuditEntry, User
from pneumoscope.clinic.worklist import listeners

from .conftest import PASSWORD

As = Callable[[Role], TestClient]

OPEN = {
    ("POST", "/v1/setup"),
    ("POST", "/v1/session"),
    ("POST", "/v1/password"),
    ("GET", "/v1/oidc"),
    ("GET", "/v1/oidc/login"),
    ("GET", "/v1/oidc/callback"),
    ("GET", "/health"),
}
EVERYONE = {
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
    ("GET", "/v1/images/{image_id}/heatmap"),
    ("GET", "/v1/images/{image_id}/highlights"),
    ("GET", "/v1/images/{image_id}/pixels"),
    ("GET", "/v1/sites"),
    ("GET", "/v1/model"),
}
PEOPLE = {
    ("GET", "/v1/account"),
    ("PUT", "/v1/account/password"),
    ("POST", "/v1/account/sessions/end"),
    ("POST", "/v1/account/second-factor"),
    ("PUT", "/v1/account/second-factor"),
    ("POST", "/v1/account/second-factor/end"),
    ("GET", "/v1/events"),
    ("GET", "/v1/images/{image_id}/judgements"),
    ("POST", "/v1/images/{image_id}/judgements"),
}
WATCHERS = {
    ("GET", "/v1/monitoring"),
    ("GET", "/v1/monitoring/report"),
    ("GET", "/v1/monitoring/alerts"),
    ("POST", "/v1/monitoring/check"),
}
KEEPERS = {("GET", "/metrics")}
OVERSEERS = {("POST", "/v1/exports")}
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
    """Live updates end before this client would wait for their end."""
    monkeypatch.setattr(listeners, "MAX_LISTENING_SECONDS", 0.0)


def routes(client: TestClient) -> set[tuple[str, str]]:
    paths = client.get("/v1/openapi.json").json()["paths"]
    return {(method.upper(), path) for path, methods in paths.items() for method in methods}


def ask(client: TestClient, method: str, path: str) -> int:
    filled = re.sub(r"{\w+}", "0" * 32, path)
    return client.request(method, filled, json={} if method != "GET" else None).status_code


def test_the_matrix_names_every_route(anonymous: TestClient) -> None:
    named = OPEN | EVERYONE | PEOPLE | KEEPERS | WATCHERS | OVERSEERS | ADMINISTRATORS
    assert routes(anonymous) == named


def test_who_is_not_signed_in_gets_nothing(anonymous: TestClient) -> None:
    for method, path in EVERYONE | PEOPLE | KEEPERS | WATCHERS | OVERSEERS | ADMINISTRATORS:
        assert ask(anonymous, method, path) == 401, (method, path)


def test_what_is_open_is_so_for_all(anonymous: TestClient, as_: As) -> None:
    for client in (anonymous, *map(as_, Role)):
        anonymous.app.state.rate_limits = RateLimits()  # all are one address
        for method, path in OPEN:
            # Without a single sign-on those two answer that there is none.
            wanted = 404 if "/oidc/" in path else 200 if method == "GET" else 422
            assert ask(client, method, path) == wanted, (method, path)


def test_no_single_sign_on_is_offered_where_there_is_none(anonymous: TestClient) -> None:
    assert anonymous.get("/v1/oidc").json() == {"offered": False}


def test_everyone_may_do_what_is_everyones(as_: As) -> None:
    for role in Role:
        for method, path in sorted(EVERYONE):
            assert ask(as_(role), method, path) not in (401, 403), (role, method, path)


def test_programs_do_not_judge_nor_watch(as_: As) -> None:
    for role in Role:
        for method, path in sorted(PEOPLE):
            refused = ask(as_(role), method, path) == 403
            assert refused is (role is Role.SERVICE), (role, method, path)


def test_monitoring_is_for_who_answers_for_the_readings(as_: As) -> None:
    for role in Role:
        client = as_(role)
        for method, path in sorted(WATCHERS):
            allowed = role in (Role.REVIEWER, Role.ADMINISTRATOR)
            assert ask(client, method, path) == (200 if allowed else 403), (role, method, path)


def test_figures_are_for_who_keeps_the_server_running(as_: As) -> None:
    for role in Role:
        allowed = role in (Role.ADMINISTRATOR, Role.SERVICE)
        assert as_(role).get("/metrics").status_code == (200 if allowed else 403)


def test_taking_studies_out_is_for_who_watches_over_them(as_: As) -> None:
    for role in Role:
        allowed = role in (Role.REVIEWER, Role.ADMINISTRATOR)
        for method, path in sorted(OVERSEERS):
            assert (ask(as_(role), method, path) == 403) is not allowed, (role, method, path)


def test_administration_is_for_administrators_alone(as_: As) -> None:
    for role in Role:
        client = as_(role)
        for method, path in sorted(ADMINISTRATORS):
            status = ask(client, method, path)
            if role is Role.ADMINISTRATOR:
                assert status not in (401, 403), (method, path)
            else:
                assert status == 403, (role, method, path)


@pytest.mark.parametrize(
    "header", [b"Bearer", b"Bearer pns_nothing", b"Basic YTpi", b"", b"Bearer \xc3\xa9"]
)
def test_tokens_that_do_not_hold(anonymous: TestClient, header: bytes) -> None:
    answer = anonymous.get("/v1/session", headers={b"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def sign_in(client: TestClient, name: str = "a clinician", password: str = PASSWORD) -> dict:
    answer = client.post("/v1/session", json={"name": name, "password": password})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_browser_signs_in_and_out(anonymous: TestClient) -> None:
    signed = sign_in(anonymous)
    assert (signed["name"], signed["role"]) == ("a clinician", "clinician")
    cookie = next(iter(anonymous.cookies.jar))
    assert (cookie.name, cookie.secure, cookie.path) == (COOKIE, True, "/")
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "strict"
    assert anonymous.get("/v1/session").json() == signed
    out = anonymous.delete("/v1/session", headers={"X-CSRF-Token": signed["csrf"]})
    assert out.status_code == 204
    anonymous.cookies.set(COOKIE, cookie.value or "")
    assert anonymous.get("/v1/session").status_code == 401


def test_another_site_cannot_act_with_a_browsers_cookie(anonymous: TestClient) -> None:
    signed = sign_in(anonymous)
    for sent in ({}, {"X-CSRF-Token": "guessed"}, {"X-CSRF-Token": ""}):
        answer = anonymous.post("/v1/studies/search", json={}, headers=sent)
        assert answer.status_code == 403
    csrf = {"X-CSRF-Token": signed["csrf"]}
    assert anonymous.post("/v1/studies/search", json={}, headers=csrf).status_code == 200


def test_wrong_passwords_are_counted_and_the_account_locks(
    anonymous: TestClient, clinic: Clinic
) -> None:
    for name in ["a clinician"] * 5 + ["nobody"]:
        wrong = {"name": name, "password": "not the password at all"}
        answer = anonymous.post("/v1/session", json=wrong)
        assert answer.status_code == 401
        assert "locked" in answer.json()["detail"]  # the same words, whatever is wrong
    right = {"name": "a clinician", "password": PASSWORD}
    assert anonymous.post("/v1/session", json=right).status_code == 401
    with clinic.database.reading() as session:
        actions = session.scalars(select(AuditEntry.action)).all()
    assert actions.count("fail to sign in") == 7


def test_one_address_cannot_try_without_end(anonymous: TestClient) -> None:
    wrong = {"name": "nobody", "password": "x"}
    statuses = [anonymous.post("/v1/session", json=wrong).status_code for _ in range(22)]
    assert statuses == [401] * 20 + [429] * 2
    answer = anonymous.post("/v1/session", json=wrong)
    assert 1 <= int(answer.headers["retry-after"]) <= 60


def test_many_at_once_from_one_address_are_no_more(anonymous: TestClient) -> None:
    wrong = {"name": "nobody", "password": "x"}
    barrier = Barrier(30)

    def attempt(_: int) -> int:
        barrier.wait()
        return anonymous.post("/v1/session", json=wrong).status_code

    with ThreadPoolExecutor(30) as pool:
        statuses = list(pool.map(attempt, range(30)))
    assert sorted(statuses) == [401] * 20 + [429] * 10


def test_others_write_while_a_password_is_hashed(
    anonymous: TestClient, as_: As, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    administrator, hashed = as_(Role.ADMINISTRATOR), 0

    def writing(original: Callable[..., Any]) -> Callable[..., Any]:
        def hash_while_another_writes(*given: object) -> object:
            nonlocal hashed
            hashed += 1
            with clinic.database.writing() as session:  # would wait for a transaction, for ever
                for user in session.scalars(select(User).with_for_update(nowait=True)):
                    user.failures = user.failures
                audit.record(session, "another", Action.JUDGE, "x", {}, datetime.now(UTC))
            return original(*given)

        return hash_while_another_writes

    for name in ("hash", "verify"):
        monkeypatch.setattr(PasswordHasher, name, writing(getattr(PasswordHasher, name)))
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


def test_what_happens_is_in_the_trail_and_no_password_is(
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
    written = " ".join(entry.detail for entry in entries)
    for secret in ("mine and 9", "hers", link, token["token"]):
        assert secret not in written


def test_an_account_taken_away_is_signed_out_at_once(as_: As, anonymous: TestClient) -> None:
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


def test_the_last_administrator_stays(as_: As) -> None:
    administrator = as_(Role.ADMINISTRATOR)
    me = next(u for u in administrator.get("/v1/users").json() if u["role"] == "administrator")
    for change in ({"active": False}, {"role": "clinician"}):
        answer = administrator.patch(f"/v1/users/{me['id']}", json=change)
        assert answer.status_code == 400
        assert "administrator" in answer.json()["detail"]


def test_letters_that_a_database_cannot_keep_are_refused(as_: As) -> None:
    administrator = as_(Role.ADMINISTRATOR)
    for path in ("/v1/studies/%00", "/v1/readings/" + "g" * 32, "/v1/users/..%2f/tokens"):
        assert administrator.get(path).status_code in (404, 422), path
    for path, body in [
        ("/v1/studies/search", {"text": "a\x00"}),
        ("/v1/users", {"name": "a\x00", "role": "service"}),
        ("/v1/sites", {"name": "\x00"}),
    ]:
        assert administrator.post(path, json=body).status_code == 422, path


def test_errors_never_repeat_what_was_sent(anonymous: TestClient) -> None:
    answer = anonymous.post("/v1/session", json={"name": ["SECRET"], "password": 7})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "SECRET" not in answer.text


def test_every_answer_tells_browsers_the_rules(anonymous: TestClient) -> None:
    for path in ("/health", "/v1/session", "/nowhere", "/v1/openapi.json"):
        headers = anonymous.get(path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
