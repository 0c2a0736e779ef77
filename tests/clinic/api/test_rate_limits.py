"""An account that asks for too much is told when to come again, and hinders no other."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from limits import RateLimitItemPerMinute

from pneumoscope.clinic.api import rate_limits
from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.settings import Clinic

As = Callable[[Role], TestClient]


def hand_in(client: TestClient, *contents: bytes, key: str | None = None) -> tuple[int, str]:
    files = [("files", (f"{n}.png", one, "image/png")) for n, one in enumerate(contents)]
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = client.post("/v1/readings", files=files, headers=headers)
    return answer.status_code, answer.headers.get("retry-after", "")


def test_an_account_has_so_many_requests_a_minute_whatever_it_signs_in_with(
    as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "MAX_REQUESTS", RateLimitItemPerMinute(5))
    clinician, by_another_token = as_(Role.CLINICIAN), as_(Role.CLINICIAN)
    statuses = [clinician.get("/v1/model").status_code for _ in range(4)]
    statuses += [by_another_token.get("/v1/account").status_code for _ in range(2)]
    assert statuses == [200] * 5 + [429]
    refused = clinician.get("/v1/model")
    assert refused.headers["content-type"] == "application/problem+json"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert as_(Role.REVIEWER).get("/v1/model").status_code == 200


def test_so_many_images_of_an_account_may_wait(
    as_: As,
    phantoms: list[bytes],
    clinic: Clinic,
    read_all: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rate_limits, "MAX_QUEUED_IMAGES_PER_ACCOUNT", 3)
    service = as_(Role.SERVICE)
    assert hand_in(service, *phantoms[:2]) == (202, "")
    assert hand_in(service, *phantoms[2:4]) == (429, "60")
    kept = [path for path in (clinic.settings.data / "files").rglob("*") if path.is_file()]
    assert len(kept) == 2  # what is refused is not kept
    assert hand_in(as_(Role.CLINICIAN), phantoms[2]) == (202, "")
    assert hand_in(service, phantoms[2]) == (202, "")
    assert hand_in(service, phantoms[3]) == (429, "60")
    assert read_all() == 4
    assert hand_in(service, *phantoms[2:4]) == (202, "")
