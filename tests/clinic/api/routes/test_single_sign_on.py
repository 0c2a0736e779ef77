"""Single sign-on with a real issuer, honest or not, and with forged callbacks."""

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient
from joserfc import jwt
from sqlalchemy import select

from pneumoscope.clinic.api.app import create_app
from pneumoscope.clinic.api.rate_limits import RateLimits
from pneumoscope.clinic.api.routes.single_sign_on import BROWSER_COOKIE
from pneumoscope.clinic.api.security import COOKIE
from pneumoscope.clinic.identity import oidc
from pneumoscope.clinic.identity.accounts import Role, create_user, deactivate
from pneumoscope.clinic.settings import Clinic, OidcSettings
from pneumoscope.clinic.storage.tables import AuditEntry, Identity, User

from ...conftest import on_both_databases
from ...issuer import CLIENT, ODD_SECRET, SECRET, Claims, Issuer, ec_key, rsa_key
from ..conftest import PASSWORD

ADDRESS = "https://clinic.test"
ROLES = (("heads", Role.ADMINISTRATOR), ("seniors", Role.REVIEWER), ("doctors", Role.CLINICIAN))


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer().running() as running:
        yield running


@pytest.fixture
def clinic(clinic: Clinic, issuer: Issuer) -> Clinic:
    oidc = OidcSettings(issuer.url, CLIENT, SECRET, ADDRESS, "groups", ROLES)
    return replace(clinic, settings=replace(clinic.settings, oidc=oidc))


@pytest.fixture
def browser(anonymous: TestClient) -> TestClient:
    anonymous.follow_redirects = False
    return anonymous


def another(browser: TestClient) -> TestClient:
    return TestClient(browser.app, ADDRESS, raise_server_exceptions=False, follow_redirects=False)


def sign_in_at_issuer(browser: TestClient) -> str:
    """Sign in at the issuer, and return the callback address that it redirects to."""
    there = browser.get("/v1/oidc/login")
    assert there.status_code == 302, there.text
    back = httpx.get(there.headers["location"])
    assert back.status_code == 302
    return str(back.headers["location"])


def sign_in(browser: TestClient) -> httpx.Response:
    return browser.get(sign_in_at_issuer(browser))  # type: ignore[return-value]


def signed_in_user(browser: TestClient) -> tuple[str, str] | None:
    answer = browser.get("/v1/session")
    return (answer.json()["name"], answer.json()["role"]) if answer.is_success else None


def actions(clinic: Clinic) -> list[tuple[str, str]]:
    with clinic.database.reading() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.number)).all()
    return [(entry.actor, entry.action) for entry in entries]


def names(clinic: Clinic) -> set[str]:
    with clinic.database.reading() as session:
        return set(session.scalars(select(User.name)))


def refused(answer: httpx.Response, browser: TestClient, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert "Not signed in" in answer.text
    assert COOKIE not in answer.headers.get("set-cookie", "")
    assert signed_in_user(browser) is None


@on_both_databases
def test_the_first_sign_in_creates_an_account_and_a_session(
    browser: TestClient, clinic: Clinic
) -> None:
    answer = sign_in(browser)
    assert answer.status_code == 200
    assert signed_in_user(browser) == ("ada", "clinician")
    assert actions(clinic) == [("single sign-on", "make user"), ("ada", "sign in")]
    csrf = {"X-CSRF-Token": browser.get("/v1/session").json()["csrf"]}
    assert browser.post("/v1/studies/search", json={}).status_code == 403
    assert browser.post("/v1/studies/search", json={}, headers=csrf).status_code == 200


def test_single_sign_on_is_offered(
    browser: TestClient,
) -> None:
    assert browser.get("/v1/oidc").json() == {"offered": True}


def test_cookies_have_the_strictest_possible_attributes(browser: TestClient) -> None:
    gone = browser.get("/v1/oidc/login")
    words = {word.strip().lower() for word in gone.headers["set-cookie"].split(";")}
    # Lax: the issuer, another site, navigates back with it.
    assert {"secure", "httponly", "samesite=lax", "path=/", "max-age=600"} <= words
    assert not any(word.startswith("domain") for word in words)
    back = sign_in(browser)
    by_name = {
        cookie.split("=", 1)[0]: cookie.lower() for cookie in back.headers.get_list("set-cookie")
    }
    assert all(word in by_name[COOKIE] for word in ("secure", "httponly", "samesite=strict"))
    assert "max-age=0" in by_name[BROWSER_COOKIE]
    assert 'content="0;url=/"' in back.text  # no redirect: that would be cross-site


def test_authorization_requests_are_random_and_have_no_secret(
    browser: TestClient,
) -> None:
    asked = [
        parse_qs(urlsplit(browser.get("/v1/oidc/login").headers["location"]).query)
        for _ in range(2)
    ]
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]
        assert len(asked[0][name][0]) >= 43  # 256 bits
    assert asked[0]["redirect_uri"] == [f"{ADDRESS}/v1/oidc/callback"]
    assert "s3cret" not in str(asked)


def test_a_renamed_person_keeps_the_account(
    browser: TestClient, clinic: Clinic, issuer: Issuer
) -> None:
    sign_in(browser)
    issuer.person["preferred_username"] = "Ada Lovelace"
    other = another(browser)
    sign_in(other)
    assert signed_in_user(other) == ("ada", "clinician")
    assert "ada lovelace" not in names(clinic)


def test_the_role_follows_the_claim(browser: TestClient, clinic: Clinic, issuer: Issuer) -> None:
    sign_in(browser)
    issuer.person["groups"] = ["doctors", "seniors"]  # the first role that the claim grants counts
    other = another(browser)
    sign_in(other)
    assert signed_in_user(browser) == signed_in_user(other) == ("ada", "reviewer")
    assert ("single sign-on", "change user") in actions(clinic)
    issuer.person["groups"] = ["cooks"]
    refused(sign_in(third := another(browser)), third, 403)


def test_a_person_without_a_role_gets_no_account(
    browser: TestClient, clinic: Clinic, issuer: Issuer
) -> None:
    before = names(clinic)
    invalid = (None, [], ["cooks"], "cooks", {"doctors": 1}, [["doctors"]], 7)
    for groups in invalid:
        issuer.person["groups"] = groups
        refused(sign_in(browser), browser, 403)
    assert names(clinic) == before
    assert actions(clinic) == [("unknown", "fail to sign in")] * len(invalid)


def test_a_claim_may_be_a_string(browser: TestClient, issuer: Issuer) -> None:
    issuer.person["groups"] = "seniors"
    sign_in(browser)
    assert signed_in_user(browser) == ("ada", "reviewer")


def test_a_local_account_cannot_be_taken_over(
    browser: TestClient, clinic: Clinic, issuer: Issuer
) -> None:
    issuer.person |= {"preferred_username": "A CLINICIAN", "groups": ["heads"]}
    refused(sign_in(browser), browser, 403)
    with clinic.database.reading() as session:
        assert session.scalars(select(Identity)).all() == []
        user = session.scalars(select(User).where(User.name == "a clinician")).one()
    assert user.role == Role.CLINICIAN
    right = {"name": "a clinician", "password": PASSWORD}
    assert browser.post("/v1/session", json=right).status_code == 200


@on_both_databases
def test_another_person_of_the_same_name_is_refused(browser: TestClient, issuer: Issuer) -> None:
    sign_in(browser)
    issuer.person["sub"] = "another"
    refused(sign_in(other := another(browser)), other, 403)


def test_a_deactivated_account_stays_deactivated(browser: TestClient, clinic: Clinic) -> None:
    sign_in(browser)
    with clinic.database.writing() as session:
        ada = session.scalars(select(User).where(User.name == "ada")).one()
        deactivate(session, ada.id, ada.created)
    assert signed_in_user(browser) is None
    refused(sign_in(browser), browser, 403)


def test_a_single_sign_on_account_has_no_password(browser: TestClient) -> None:
    sign_in(browser)
    for password in ("", "None", PASSWORD):
        tried = {"name": "ada", "password": password}
        assert another(browser).post("/v1/session", json=tried).status_code == 401


def coded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def unsigned(claims: Claims) -> str:
    return f"{coded({'alg': 'none'})}.{coded(claims)}."


def with_the_public_key_as_secret(issuer: Issuer) -> Callable[[Claims], str]:
    """Sign with the public key as HMAC secret, by hand, since joserfc refuses to."""
    public = issuer.keys[0].as_pem(private=False)

    def sign(claims: Claims) -> str:
        content = f"{coded({'alg': 'HS256', 'kid': 'first'})}.{coded(claims)}"
        signature = hmac.digest(public, content.encode(), "sha256")
        return f"{content}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    return sign


INVALID_TOKENS: dict[str, Callable[[Issuer], Callable[[Claims], str]]] = {
    "another's signature": lambda issuer: (
        lambda claims: jwt.encode({"alg": "RS256", "kid": "first"}, claims, rsa_key("first", 1))
    ),
    "an unknown key": lambda issuer: (
        lambda claims: jwt.encode({"alg": "RS256", "kid": "other"}, claims, rsa_key("other"))
    ),
    "a key that it brings along": lambda issuer: (
        lambda claims: jwt.encode(
            {"alg": "RS256", "jwk": (key := rsa_key("own")).as_dict(private=False)}, claims, key
        )
    ),
    "no signature": lambda issuer: unsigned,
    "the public key as a secret": with_the_public_key_as_secret,
    "changed after signing": lambda issuer: (
        lambda claims: ".".join(
            part if place != 1 else coded(claims | {"sub": "other"})
            for place, part in enumerate(issuer.signed(claims).split("."))
        )
    ),
    "another audience": lambda issuer: lambda claims: issuer.signed(claims | {"aud": "other"}),
    "another audience, as a list": lambda issuer: (
        lambda claims: issuer.signed(claims | {"aud": ["other"], "azp": CLIENT})
    ),
    "several audiences, for another": lambda issuer: (
        lambda claims: issuer.signed(claims | {"aud": [CLIENT, "other"], "azp": "other"})
    ),
    "no audience": lambda issuer: lambda claims: issuer.signed(without(claims, "aud")),
    "another issuer": lambda issuer: (
        lambda claims: issuer.signed(claims | {"iss": "https://other.example"})
    ),
    "no issuer": lambda issuer: lambda claims: issuer.signed(without(claims, "iss")),
    "another nonce": lambda issuer: lambda claims: issuer.signed(claims | {"nonce": "other"}),
    "no nonce": lambda issuer: lambda claims: issuer.signed(without(claims, "nonce")),
    "expired": lambda issuer: (
        lambda claims: issuer.signed(
            claims | {"iat": claims["iat"] - 900, "exp": claims["iat"] - 120}
        )
    ),
    "never expires": lambda issuer: lambda claims: issuer.signed(without(claims, "exp")),
    "from the future": lambda issuer: (
        lambda claims: issuer.signed(
            claims | {"iat": claims["iat"] + 3600, "exp": claims["iat"] + 7200}
        )
    ),
    "not valid yet": lambda issuer: (
        lambda claims: issuer.signed(claims | {"nbf": claims["iat"] + 3600})
    ),
    "nobody": lambda issuer: lambda claims: issuer.signed(without(claims, "sub")),
    "of another access token": lambda issuer: (
        lambda claims: issuer.signed(claims | {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"})
    ),
    "no token": lambda issuer: lambda claims: "nonsense",
}


def without(claims: Claims, name: str) -> Claims:
    return {key: value for key, value in claims.items() if key != name}


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)  # the database makes no difference
def test_invalid_id_tokens_are_refused(
    browser: TestClient, clinic: Clinic, issuer: Issuer, subtests: pytest.Subtests
) -> None:
    before = names(clinic)
    for fault, sign in INVALID_TOKENS.items():
        browser.app.state.rate_limits = RateLimits()
        with subtests.test(fault):
            issuer.sign = sign(issuer)
            refused(sign_in(browser), browser, 502)
    assert names(clinic) == before
    assert actions(clinic) == [("unknown", "fail to sign in")] * len(INVALID_TOKENS)
    issuer.sign = issuer.signed  # the faults were the only reason
    assert sign_in(browser).status_code == 200


def test_an_id_token_may_have_several_audiences(browser: TestClient, issuer: Issuer) -> None:
    for also in ({"aud": [CLIENT, "other"], "azp": CLIENT}, {"aud": [CLIENT]}):
        issuer.sign = lambda claims, also=also: issuer.signed(claims | also)
        assert sign_in(browser).status_code == 200


def test_elliptic_curve_signatures_are_accepted(browser: TestClient, issuer: Issuer) -> None:
    issuer.keys = [rsa_key("first"), ec_key("second")]
    assert sign_in(browser).status_code == 200


def test_keys_are_cached_and_new_keys_found_at_once(browser: TestClient, issuer: Issuer) -> None:
    def fetched() -> int:
        return issuer.fetched.count("/keys")

    sign_in(browser)
    sign_in(browser)
    assert fetched() == 1
    issuer.keys.append(rsa_key("second"))
    assert sign_in(browser).status_code == 200
    assert fetched() == 2
    issuer.keys = [rsa_key("second", 1)]  # another key with the same name
    assert sign_in(browser).status_code == 200


def test_a_withdrawn_key_is_refused_after_ten_minutes(
    browser: TestClient, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(browser)
    given_up = issuer.keys[0]
    issuer.keys = [rsa_key("second")]
    issuer.sign = lambda claims: jwt.encode({"alg": "RS256", "kid": "first"}, claims, given_up)
    later = time.monotonic() + 601
    monkeypatch.setattr(oidc, "time", SimpleNamespace(monotonic=lambda: later))
    refused(sign_in(other := another(browser)), other, 502)


@on_both_databases
def test_a_callback_address_works_once(browser: TestClient, clinic: Clinic) -> None:
    address = sign_in_at_issuer(browser)
    kept = browser.cookies[BROWSER_COOKIE]
    assert browser.get(address).status_code == 200
    again = another(browser)
    again.cookies.set(BROWSER_COOKIE, kept)
    refused(again.get(address), again, 400)  # type: ignore[arg-type]
    assert actions(clinic)[-1] == ("unknown", "fail to sign in")


def test_a_callback_works_only_in_the_browser_that_began(browser: TestClient) -> None:
    address = sign_in_at_issuer(attacker := another(browser))
    refused(browser.get(address), browser, 400)  # type: ignore[arg-type]
    sign_in_at_issuer(browser)  # even in a browser that is about to sign in
    refused(browser.get(address), browser, 400)  # type: ignore[arg-type]
    assert attacker.get(address).status_code == 200


def test_the_code_of_another_sign_in_is_refused(browser: TestClient) -> None:
    stolen = parse_qs(urlsplit(sign_in_at_issuer(another(browser))).query)["code"][0]
    state = parse_qs(urlsplit(sign_in_at_issuer(browser)).query)["state"][0]
    answer = browser.get("/v1/oidc/callback", params={"state": state, "code": stolen})
    refused(answer, browser, 502)  # type: ignore[arg-type]


def test_invalid_callbacks_are_refused(browser: TestClient) -> None:
    for query in ("", "?code=x", "?state=&code=", "?state=%00&code=x"):
        sign_in_at_issuer(browser)
        refused(browser.get(f"/v1/oidc/callback{query}"), browser, 400)  # type: ignore[arg-type]


def test_a_refusal_by_the_issuer_is_shown_without_its_text(
    browser: TestClient, issuer: Issuer
) -> None:
    issuer.refuses = True
    answer = sign_in(browser)
    refused(answer, browser, 403)
    assert "access_denied" not in answer.text
    assert "<b>" not in answer.text


def test_a_missing_or_inconsistent_issuer_is_an_error(browser: TestClient, issuer: Issuer) -> None:
    for changes in (
        {"issuer": "https://other.example"},
        {"token_endpoint": "http://other.example/token"},
        {"authorization_endpoint": None},
    ):
        issuer.discovery = changes
        refused(browser.get("/v1/oidc/login"), browser, 502)  # type: ignore[arg-type]
    issuer.discovery = {}
    address = sign_in_at_issuer(browser)
    issuer.stop()
    refused(browser.get(address), browser, 502)  # type: ignore[arg-type]


def test_a_client_secret_may_be_sent_in_the_body(clinic: Clinic, issuer: Issuer) -> None:
    issuer.secret = ODD_SECRET
    issuer.discovery = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert clinic.settings.oidc is not None
    oidc = replace(clinic.settings.oidc, client_secret=ODD_SECRET)
    clinic = replace(clinic, settings=replace(clinic.settings, oidc=oidc))
    browser = TestClient(create_app(clinic), ADDRESS, follow_redirects=False)
    assert sign_in(browser).status_code == 200


def test_sign_ins_begun_per_address_are_limited(browser: TestClient) -> None:
    statuses = [browser.get("/v1/oidc/login").status_code for _ in range(22)]
    assert statuses == [302] * 20 + [429] * 2


def test_the_last_administrator_keeps_the_role(
    browser: TestClient, clinic: Clinic, issuer: Issuer
) -> None:
    issuer.person["groups"] = ["heads"]
    sign_in(browser)
    with clinic.database.writing() as session:
        local = session.scalars(select(User).where(User.name == "a administrator")).one()
        deactivate(session, local.id, local.created)
    issuer.person["groups"] = ["doctors"]
    answer = sign_in(other := another(browser))
    refused(answer, other, 403)
    assert "last administrator" in answer.text
    assert signed_in_user(browser) == ("ada", "administrator")


def test_names_are_escaped(browser: TestClient, clinic: Clinic, issuer: Issuer) -> None:
    with clinic.database.writing() as session:
        create_user(session, "<script>", Role.CLINICIAN, None, datetime.now(UTC))
    issuer.person["preferred_username"] = "<script>"
    answer = sign_in(browser)
    refused(answer, browser, 403)
    assert "<script>" not in answer.text
