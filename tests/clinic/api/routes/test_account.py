"""Account of the signed-in user: password, second factor and sessions."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pyotp
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from pneumoscope.clinic.api.app import create_app
from pneumoscope.clinic.api.security import COOKIE
from pneumoscope.clinic.identity import second_factor
from pneumoscope.clinic.identity.accounts import Role, set_role
from pneumoscope.clinic.serve import prepare_database
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import Identity, SecondFactor, User

from ..conftest import PASSWORD

As = Callable[[Role], TestClient]

NEW = "another horse on the roof"


def browser(app: object, address: str = "192.0.2.7", agent: str = "Firefox") -> TestClient:
    """Return a browser in which a clinician is signed in."""
    client = TestClient(
        app, base_url="https://clinic.test", client=(address, 50_000), headers={"User-Agent": agent}
    )
    signed = client.post("/v1/session", json={"name": "a clinician", "password": PASSWORD})
    assert signed.status_code == 200, signed.text
    client.headers["X-CSRF-Token"] = signed.json()["csrf"]
    return client


def signs_in(client: TestClient, password: str, name: str = "a clinician") -> bool:
    answer = client.post("/v1/session", json={"name": name, "password": password})
    return answer.status_code == 200


def test_a_password_change_ends_all_other_sessions(
    anonymous: TestClient,
) -> None:
    mine, other = browser(anonymous.app), browser(anonymous.app)
    change = {"old": PASSWORD, "new": NEW}
    assert mine.put("/v1/account/password", json=change).status_code == 204
    assert mine.get("/v1/account").json()["has_password"] is True
    assert other.get("/v1/account").status_code == 401
    assert not signs_in(anonymous, PASSWORD)
    assert signs_in(anonymous, NEW)


def test_a_password_change_needs_the_old_password(
    anonymous: TestClient,
) -> None:
    mine, other = browser(anonymous.app), browser(anonymous.app)
    easy = mine.put("/v1/account/password", json={"old": PASSWORD, "new": "passwordpassword"})
    assert (easy.status_code, "easily guessed" in easy.text) == (400, True)
    for _ in range(5):
        wrong = mine.put("/v1/account/password", json={"old": NEW, "new": NEW})
        assert (wrong.status_code, "wrong password" in wrong.text) == (403, True)
    locked = mine.put("/v1/account/password", json={"old": PASSWORD, "new": NEW})
    assert locked.status_code == 403
    assert other.get("/v1/account").status_code == 200
    assert not signs_in(anonymous, PASSWORD)  # five wrong ones lock the account everywhere


def test_an_account_without_a_password_cannot_change_it(as_: As) -> None:
    reviewer = as_(Role.REVIEWER)
    assert reviewer.get("/v1/account").json() == {
        "name": "a reviewer",
        "role": "reviewer",
        "has_password": False,
        "second_factor": False,
        "recovery_codes": 0,
        "sessions": [],
    }
    change = reviewer.put("/v1/account/password", json={"old": PASSWORD, "new": NEW})
    assert (change.status_code, "no password" in change.text) == (409, True)


def test_a_new_user_chooses_a_password_with_a_link(as_: As, anonymous: TestClient) -> None:
    administrator = as_(Role.ADMINISTRATOR)
    known = {"name": "berta", "role": "clinician", "password": NEW}
    assert administrator.post("/v1/users", json=known).status_code == 422
    user = administrator.post("/v1/users", json={"name": "berta", "role": "clinician"}).json()
    assert user["has_password"] is False
    assert not signs_in(anonymous, NEW, "berta")
    change = administrator.patch(f"/v1/users/{user['id']}", json={"password": NEW})
    assert change.status_code == 422
    link = administrator.post(f"/v1/users/{user['id']}/password-link").json()
    for password, status in (("passwordpassword", 400), ("my name is berta", 400), (NEW, 204)):
        chosen = {"token": link["token"], "password": password}
        assert anonymous.post("/v1/password", json=chosen).status_code == status
    assert signs_in(anonymous, NEW, "berta")


def test_a_password_link_ends_open_sessions(as_: As, anonymous: TestClient, clinic: Clinic) -> None:
    administrator, lost = as_(Role.ADMINISTRATOR), browser(anonymous.app)
    users = administrator.get("/v1/users").json()
    user = next(user for user in users if user["name"] == "a clinician")
    link = administrator.post(f"/v1/users/{user['id']}/password-link").json()["token"]
    assert lost.get("/v1/account").status_code == 200  # nothing changes until the link is used
    chosen = {"token": link, "password": NEW}
    assert anonymous.post("/v1/password", json=chosen).status_code == 204
    assert lost.get("/v1/account").status_code == 401
    assert not signs_in(anonymous, PASSWORD)
    assert anonymous.post("/v1/password", json=chosen).status_code == 400


def test_the_account_lists_its_sessions(anonymous: TestClient) -> None:
    before = datetime.now(UTC)
    mine = browser(anonymous.app)
    other = browser(anonymous.app, "no address", "Chrome \x7f" + "x" * 300)
    sessions = mine.get("/v1/account").json()["sessions"]
    places = {(row["address"], row["agent"], row["current"]) for row in sessions}
    assert places == {
        ("192.0.2.7", "Firefox", True),
        ("unknown", "Chrome " + "x" * 193, False),
    }
    for row in sessions:
        assert before < datetime.fromisoformat(row["opened"]) < datetime.now(UTC)
    digests = {sha256(client.cookies[COOKIE].encode()).hexdigest() for client in (mine, other)}
    assert not digests & {row["id"] for row in sessions}


def test_ending_sessions_needs_the_password(anonymous: TestClient) -> None:
    mine, second, third = (browser(anonymous.app) for _ in range(3))
    sessions = second.get("/v1/account").json()["sessions"]
    end = {"session": next(row["id"] for row in sessions if row["current"])}
    for password in (None, "not the password at all"):
        refused = mine.post("/v1/account/sessions/end", json=end | {"password": password})
        assert refused.status_code == 403
    assert second.get("/v1/account").status_code == 200
    right = {"session": None, "password": PASSWORD}
    assert mine.post("/v1/account/sessions/end", json=right | end).status_code == 204
    assert mine.post("/v1/account/sessions/end", json=right | end).status_code == 404
    assert [client.get("/v1/account").status_code for client in (mine, second, third)] == [
        200,
        401,
        200,
    ]
    assert mine.post("/v1/account/sessions/end", json=right).status_code == 204
    assert [client.get("/v1/account").status_code for client in (mine, third)] == [200, 401]


def test_sessions_of_others_cannot_be_ended(anonymous: TestClient, as_: As) -> None:
    mine = browser(anonymous.app)
    end = {"session": mine.get("/v1/account").json()["sessions"][0]["id"]}
    other = as_(Role.ADMINISTRATOR)  # has no password to confirm with
    assert other.post("/v1/account/sessions/end", json=end).status_code == 404
    assert other.post("/v1/account/sessions/end", json={"session": None}).status_code == 204
    assert mine.get("/v1/account").status_code == 200


def enrol_second_factor(client: TestClient) -> tuple[pyotp.TOTP, list[str]]:
    """Set up a second factor for the signed-in user; return the device and the recovery codes."""
    setup = client.post("/v1/account/second-factor", json={"password": PASSWORD}).json()
    device = pyotp.parse_uri(setup["address"])
    assert device.secret == setup["secret"]
    confirmed = client.put("/v1/account/second-factor", json={"code": device.now()})
    assert confirmed.status_code == 200, confirmed.text
    return device, confirmed.json()["recovery_codes"]


def test_a_second_factor_is_set_up_required_and_removed(anonymous: TestClient) -> None:
    mine, other = browser(anonymous.app), browser(anonymous.app)
    refused = mine.post("/v1/account/second-factor", json={"password": NEW})
    assert refused.status_code == 403
    device, recovery = enrol_second_factor(mine)
    assert other.get("/v1/account").status_code == 401
    shown = mine.get("/v1/account").json()
    assert (shown["second_factor"], shown["recovery_codes"]) == (True, 10)
    proofs = {"name": "a clinician", "password": PASSWORD}
    asked = anonymous.post("/v1/session", json=proofs)
    assert (asked.status_code, asked.json()["second_factor"]) == (401, True)
    wrong = anonymous.post("/v1/session", json=proofs | {"code": "no code"})
    assert (wrong.status_code, wrong.json()["second_factor"]) == (401, False)
    next_code = device.at(datetime.now(UTC), counter_offset=1)
    signed = anonymous.post("/v1/session", json=proofs | {"code": next_code})
    assert signed.status_code == 200
    for code, status in (("000000", 403), (recovery[0], 204)):
        end = {"password": PASSWORD, "code": code}
        assert mine.post("/v1/account/second-factor/end", json=end).status_code == status
    assert mine.get("/v1/account").json()["recovery_codes"] == 0
    assert signs_in(anonymous, PASSWORD)


def test_an_administrator_resets_a_lost_second_factor(anonymous: TestClient, as_: As) -> None:
    mine, administrator = browser(anonymous.app), as_(Role.ADMINISTRATOR)
    enrol_second_factor(mine)
    users = administrator.get("/v1/users").json()
    user = next(user for user in users if user["name"] == "a clinician")
    assert [user["second_factor"] for user in users].count(True) == 1
    assert user["second_factor"] is True
    assert administrator.delete(f"/v1/users/{user['id']}/second-factor").status_code == 204
    assert mine.get("/v1/account").status_code == 401
    assert signs_in(anonymous, PASSWORD)


def test_administrators_can_be_required_to_have_a_second_factor(clinic: Clinic, as_: As) -> None:
    strict = replace(clinic, settings=replace(clinic.settings, require_second_factor=True))
    users = as_(Role.ADMINISTRATOR).get("/v1/users").json()
    user = next(user for user in users if user["name"] == "a clinician")
    with clinic.database.writing() as session:
        set_role(session, user["id"], Role.ADMINISTRATOR)
    mine = browser(create_app(strict))
    refused = mine.get("/v1/users")
    assert (refused.status_code, "second factor" in refused.json()["detail"]) == (403, True)
    assert mine.get("/v1/monitoring/alerts").status_code == 200  # for reviewers, too
    enrol_second_factor(mine)
    assert mine.get("/v1/users").status_code == 200
    with clinic.database.writing() as session:
        second_factor.remove(session, user["id"])
        session.add(
            Identity(issuer="i", subject="s", user_id=user["id"], created=datetime.now(UTC))
        )
    assert mine.get("/v1/users").status_code == 200


def test_unsealed_secrets_of_older_versions_are_sealed_at_start(clinic: Clinic) -> None:
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    with clinic.database.writing() as session:
        user = session.scalars(select(User.id).where(User.name == "a clinician")).one()
        session.add(SecondFactor(user_id=user, secret=secret, begun=datetime.now(UTC)))
    prepare_database(clinic)
    with clinic.database.reading() as session:
        sealed = session.get_one(SecondFactor, user).secret
    assert secret not in sealed
    assert clinic.secret_box.open(sealed, user) == secret
    assert (clinic.settings.data / "key").is_file()


def test_an_invalid_key_file_is_named_in_the_log_alone(
    anonymous: TestClient, clinic: Clinic, caplog: pytest.LogCaptureFixture
) -> None:
    (clinic.settings.data / "key").write_text("notes")
    mine = browser(anonymous.app)
    answer = mine.post("/v1/account/second-factor", json={"password": PASSWORD})
    assert answer.status_code == 507
    assert str(clinic.settings.data) not in answer.text
    assert "not a valid key" in caplog.text
