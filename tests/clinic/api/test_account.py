"""What people do with their own accounts."""

from collections.abc import Callable

from fastapi.testclient import TestClient

from pneumoscope.clinic.accounts import Role
from pneumoscope.clinic.settings import Clinic

from .conftest import PASSWORD

As = Callable[[Role], TestClient]

NEW = "another horse on the roof"


def browser(app: object, password: str = PASSWORD, name: str = "a clinician") -> TestClient:
    """Return a browser that is signed in."""
    made = TestClient(app, base_url="https://clinic.test")
    signed = made.post("/v1/session", json={"name": name, "password": password})
    assert signed.status_code == 200, signed.text
    made.headers["X-CSRF-Token"] = signed.json()["csrf"]
    return made


def signs_in(client: TestClient, password: str, name: str = "a clinician") -> bool:
    answer = client.post("/v1/session", json={"name": name, "password": password})
    return answer.status_code == 200


def test_who_changes_the_password_stays_signed_in_and_all_others_are_signed_out(
    anonymous: TestClient,
) -> None:
    mine, other = browser(anonymous.app), browser(anonymous.app)
    change = {"old": PASSWORD, "new": NEW}
    assert mine.put("/v1/account/password", json=change).status_code == 204
    assert mine.get("/v1/account").json()["has_password"] is True
    assert other.get("/v1/account").status_code == 401
    assert not signs_in(anonymous, PASSWORD)
    assert signs_in(anonymous, NEW)


def test_a_password_is_changed_with_the_old_one_and_by_the_same_rules(
    anonymous: TestClient,
) -> None:
    mine, other = browser(anonymous.app), browser(anonymous.app)
    easy = mine.put("/v1/account/password", json={"old": PASSWORD, "new": "passwordpassword"})
    assert (easy.status_code, "easily guessed" in easy.text) == (400, True)
    for _ in range(5):
        wrong = mine.put("/v1/account/password", json={"old": NEW, "new": NEW})
        assert (wrong.status_code, "password is wrong" in wrong.text) == (403, True)
    locked = mine.put("/v1/account/password", json={"old": PASSWORD, "new": NEW})
    assert locked.status_code == 403
    assert other.get("/v1/account").status_code == 200
    assert not signs_in(anonymous, PASSWORD)  # five wrong ones lock the account, wherever


def test_without_a_password_there_is_none_to_change(as_: As) -> None:
    reviewer = as_(Role.REVIEWER)
    assert reviewer.get("/v1/account").json() == {
        "name": "a reviewer",
        "role": "reviewer",
        "has_password": False,
    }
    change = reviewer.put("/v1/account/password", json={"old": PASSWORD, "new": NEW})
    assert (change.status_code, "no password here" in change.text) == (409, True)


def test_a_user_chooses_the_password_which_no_administrator_knows(
    as_: As, anonymous: TestClient
) -> None:
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


def test_a_link_for_who_forgot_the_password_ends_what_was_open(
    as_: As, anonymous: TestClient, clinic: Clinic
) -> None:
    administrator, lost = as_(Role.ADMINISTRATOR), browser(anonymous.app)
    users = administrator.get("/v1/users").json()
    user = next(one for one in users if one["name"] == "a clinician")
    link = administrator.post(f"/v1/users/{user['id']}/password-link").json()["token"]
    assert lost.get("/v1/account").status_code == 200  # nothing changes until it is followed
    chosen = {"token": link, "password": NEW}
    assert anonymous.post("/v1/password", json=chosen).status_code == 204
    assert lost.get("/v1/account").status_code == 401
    assert not signs_in(anonymous, PASSWORD)
    assert anonymous.post("/v1/password", json=chosen).status_code == 400
