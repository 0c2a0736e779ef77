"""Access log: every view is in the audit trail before it is sent, and lookups block no writer."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import select, text

from pneumoscope.clinic import audit
from pneumoscope.clinic.api import responses, schemas
from pneumoscope.clinic.api.routes import readings
from pneumoscope.clinic.audit import Action
from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import AuditEntry

from ..conftest import on_both_databases

As = Callable[[Role], TestClient]

VIEWS = [
    ("see worklist", "worklist", "/v1/studies/search"),
    ("see study", "study {study}", "/v1/studies/{study}"),
    ("see priors", "study {study}", "/v1/studies/{study}/priors"),
    ("export report", "study {study}", "/v1/studies/{study}/report"),
    ("see file", "image {image}", "/v1/images/{image}/file"),
    ("see pixels", "image {image}", "/v1/images/{image}/pixels"),
    ("see heat map", "image {image}", "/v1/images/{image}/heatmap"),
    ("see heat map", "image {image}", "/v1/images/{image}/highlights"),
    ("see judgements", "image {image}", "/v1/images/{image}/judgements"),
    ("see reading", "image {image}", "/v1/readings/{image}"),
    ("see readings", "job {job}", "/v1/jobs/{job}/images"),
]
"""Action and object of the audit entry, and path of the request."""


class Viewer:
    """User who submitted a radiograph and views everything of it."""

    def __init__(self, client: TestClient, radiograph: bytes) -> None:
        self._client = client
        self._radiograph = radiograph
        answer = self.submit().json()
        (image,) = answer["images"]
        self._names = {"job": answer["job"], "image": image["id"], "study": image["study"]}
        self.views = [
            (action, name.format(**self._names), path.format(**self._names))
            for action, name, path in VIEWS
        ]

    def submit(self) -> Response:
        sent = [("files", ("a.png", self._radiograph, "image/png"))]
        about = {"about": '{"patient_id": "P-1"}'}
        key = {"Idempotency-Key": "1"}
        return self._client.post("/v1/readings", files=sent, data=about, headers=key)

    def ask(self, path: str) -> Response:
        if path.endswith("search"):
            return self._client.post(path, json={})
        return self._client.get(path)


@pytest.fixture
def viewer(as_: As, phantoms: list[bytes], read_all: Callable[[], int]) -> Viewer:
    viewer = Viewer(as_(Role.CLINICIAN), phantoms[0])
    read_all()
    return viewer


def test_each_view_is_recorded_once(viewer: Viewer, clinic: Clinic) -> None:
    for action, _, path in viewer.views:
        assert viewer.ask(path).is_success, action
    again = viewer.submit().json()  # the answer to the repeat contains the reading
    assert again["images"][0]["reading"] is not None
    job = f"job {again['job']}"
    with clinic.database.reading() as session:
        trail = session.scalars(select(AuditEntry).order_by(AuditEntry.number)).all()
    assert [(entry.action, entry.object) for entry in trail] == [
        ("hand in", job),
        *((action, name) for action, name, _ in viewer.views),
        ("see readings", job),
    ]
    assert {entry.actor for entry in trail} == {"a clinician"}


@on_both_databases
def test_what_cannot_be_recorded_is_not_sent(viewer: Viewer, clinic: Clinic) -> None:
    with clinic.database.writing() as session:
        session.execute(text("ALTER TABLE audit_entry RENAME TO elsewhere"))
    answers = [viewer.submit(), *(viewer.ask(path) for _, _, path in viewer.views)]
    with clinic.database.writing() as session:  # for the next test
        session.execute(text("ALTER TABLE elsewhere RENAME TO audit_entry"))
    for answer in answers:
        assert answer.status_code == 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert "P-1" not in answer.text


@on_both_databases
def test_lookups_do_not_block_writers(
    viewer: Viewer, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_response, written = responses.image_response, []

    def write() -> None:
        with clinic.database.writing() as session:
            audit.record(session, "another", Action.JUDGE, "x", {}, datetime.now(UTC))

    with ThreadPoolExecutor(1) as executor:

        def respond_after_write(*args: Any, **kwargs: Any) -> schemas.Image:
            written.append(executor.submit(write).result(timeout=10))
            return image_response(*args, **kwargs)

        for module in (responses, readings):
            monkeypatch.setattr(module, "image_response", respond_after_write)
        assert all(viewer.ask(path).is_success for _, _, path in viewer.views)
    assert len(written) == 4  # worklist, study, reading and job; there are no prior studies
