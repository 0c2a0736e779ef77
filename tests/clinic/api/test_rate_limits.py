"""Rate limits: an account that exceeds one is told how long to wait, and others go on."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from limits import RateLimitItemPerMinute

from pneumoscope.clinic.api import rate_limits
from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.settings import Clinic

from ..conftest import on_both_databases

As = Callable[[Role], TestClient]


def submit(client: TestClient, *contents: bytes, key: str | None = None) -> tuple[int, str]:
    files = [("files", (f"{i}.png", content, "image/png")) for i, content in enumerate(contents)]
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = client.post("/v1/readings", files=files, headers=headers)
    return answer.status_code, answer.headers.get("retry-after", "")


def test_requests_are_limited_per_account_not_per_token(
    as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "MAX_REQUESTS", RateLimitItemPerMinute(5))
    clinician, same_account = as_(Role.CLINICIAN), as_(Role.CLINICIAN)
    statuses = [clinician.get("/v1/models").status_code for _ in range(4)]
    statuses += [same_account.get("/v1/account").status_code for _ in range(2)]
    assert statuses == [200] * 5 + [429]
    refused = clinician.get("/v1/models")
    assert refused.headers["content-type"] == "application/problem+json"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert as_(Role.REVIEWER).get("/v1/models").status_code == 200


@on_both_databases
def test_queued_images_are_limited_per_account(
    as_: As,
    phantoms: list[bytes],
    clinic: Clinic,
    read_all: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rate_limits, "MAX_QUEUED_IMAGES_PER_ACCOUNT", 3)
    service = as_(Role.SERVICE)
    assert submit(service, *phantoms[:2]) == (202, "")
    assert submit(service, *phantoms[2:4]) == (429, "60")
    stored = [path for path in (clinic.settings.data / "files").rglob("*") if path.is_file()]
    assert len(stored) == 2  # refused files are not stored
    assert submit(as_(Role.CLINICIAN), phantoms[2]) == (202, "")
    assert submit(service, phantoms[2]) == (202, "")
    assert submit(service, phantoms[3]) == (429, "60")
    assert read_all() == 4
    assert submit(service, *phantoms[2:4]) == (202, "")
