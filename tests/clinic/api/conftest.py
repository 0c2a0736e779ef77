"""A clinic with one user of each role, and a client for each."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from pneumoscope.clinic.api.app import create_app
from pneumoscope.clinic.identity.accounts import Role, create_user, list_users
from pneumoscope.clinic.identity.credentials import issue_token
from pneumoscope.clinic.identity.passwords import hash_password
from pneumoscope.clinic.monitoring.overview import Baseline
from pneumoscope.clinic.queue.worker import Worker
from pneumoscope.clinic.serve import prepare_database
from pneumoscope.clinic.settings import Clinic, Settings
from pneumoscope.clinic.storage.tables import Site

from ..conftest import Readers, make_url
from ..patients import Send
from ..populations import dicom_of
from ..simulated import Simulated, brighter

PASSWORD = "correct horse battery staple"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.thorough)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a migrated database without rows.

    Routes use a database through functions that have tests on both kinds, so one is enough here,
    unless a test is marked `on_both_databases`.
    """
    yield from make_url(request, tmp_path)


@pytest.fixture
def clinic(url: str, tmp_path: Path, quick_hashes: None) -> Iterator[Clinic]:
    """Yield a clinic whose only site is displayed, with a user of each role ("a clinician")."""
    opened = Clinic.open(Settings(tmp_path / "data", url, max_request_bytes=2_000_000))
    prepare_database(opened)
    now = datetime.now(UTC)
    with opened.database.writing() as session:
        session.scalars(select(Site)).one().displayed = True
        for role in Role:
            password = hash_password(PASSWORD) if role is Role.CLINICIAN else None
            create_user(session, f"a {role}", role, password, now)
    yield opened
    opened.close()


@pytest.fixture
def anonymous(clinic: Clinic) -> TestClient:
    """Return a client without a sign-in, which sees server errors as responses."""
    return TestClient(
        create_app(clinic), base_url="https://clinic.test", raise_server_exceptions=False
    )


@pytest.fixture
def as_(clinic: Clinic, anonymous: TestClient) -> Callable[[Role], TestClient]:
    """Return a function that returns a client with an API token of a user of a role."""

    def client(role: Role) -> TestClient:
        now = datetime.now(UTC)
        with clinic.database.writing() as session:
            user = next(user for user in list_users(session) if user.role == role)
            _, token = issue_token(session, user.id, "test", now, 1)
        made = TestClient(
            anonymous.app, base_url="https://clinic.test", raise_server_exceptions=False
        )
        made.headers["Authorization"] = f"Bearer {token}"
        return made

    return client


@pytest.fixture
def read_all(clinic: Clinic, readers: Readers) -> Callable[[], int]:
    """Return a function that reads all queued images, as the workers would."""
    worker = Worker(clinic.database, clinic.store, readers, "screening", "test")

    def drain() -> int:
        done = 0
        while part := worker.step():
            done += part
        return done

    return drain


@pytest.fixture
def busy(clinic: Clinic, baseline: Baseline) -> Simulated:
    """Return a clinic whose radiographs became brighter in the last 28 days."""
    filled = Simulated(clinic.database, baseline)
    filled.now = datetime.now(UTC)
    filled.run(56, 29, 8, judged=0.3)
    filled.run(28, 1, 8, change=brighter(0.08), judged=0.3)
    return filled


@pytest.fixture
def service(as_: Callable[[Role], TestClient]) -> TestClient:
    return as_(Role.SERVICE)


@pytest.fixture
def send(service: TestClient, phantoms: list[bytes]) -> Send:
    """Return a function that sends DICOM files with attributes, or other files, in one request."""

    def send_all(*files: dict[str, str] | bytes, **about: str) -> dict[str, Any]:
        contents = [
            dicom_of(phantoms[0], **file) if isinstance(file, dict) else file for file in files
        ]
        parts = [("files", (f"{i}.dcm", content)) for i, content in enumerate(contents)]
        answer = service.post("/v1/readings", files=parts, data={"about": json.dumps(about)})
        return answer.json() | {"http": answer.status_code}

    return send_all
