"""Who saw what is in the audit trail before it is sent, and nobody waits for the looking up."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import select, text

from pneumoscope.clinic import audit
from pneumoscope.clinic.api.responses import ImageView
from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import AuditEntry

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
"""Action and object of the entry, and where it is asked for."""


class Viewer:
    """Somebody who handed a radiograph in, and looks at what there is of it."""

    def __init__(self, client: TestClient, radiograph: bytes) -> None:
        self._client = client
        self._radiograph = radiograph
        answer = self.hand_in().json()
        (image,) = answer["images"]
        self._names = {"job": answer["job"], "image": image["id"], "study": image["study"]}
        self.views = [
            (action, what.format(**self._names), path.format(**self._names))
            for action, what, path in VIEWS
        ]

    def hand_in(self) -> Response:
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
    made = Viewer(as_(Role.CLINICIAN), phantoms[0])
    read_all()
    return made


def test_each_view_is_in_the_trail_once(viewer: Viewer, clinic: Clinic) -> None:
    for action, _, path in viewer.views:
        assert viewer.ask(path).is_success, action
    again = viewer.hand_in().json()  # is told what was read meanwhile
    assert again["images"][0]["reading"] is not None
    job = f"job {again['job']}"
    with clinic.database.reading() as session:
        trail = session.scalars(select(AuditEntry).order_by(AuditEntry.number)).all()
    assert [(entry.action, entry.object) for entry in trail] == [
        ("hand in", job),
        *((action, what) for action, what, _ in viewer.views),
        ("see readings", job),
    ]
    assert {entry.actor for entry in trail} == {"a clinician"}


def test_what_cannot_be_written_into_the_trail_is_not_shown(viewer: Viewer, clinic: Clinic) -> None:
    with clinic.database.writing() as session:
        session.execute(text("ALTER TABLE audit_entry RENAME TO elsewhere"))
    answers = [viewer.hand_in(), *(viewer.ask(path) for _, _, path in viewer.views)]
    with clinic.database.writing() as session:  # other tests use the same tables
        session.execute(text("ALTER TABLE elsewhere RENAME TO audit_entry"))
    for answer in answers:
        assert answer.status_code == 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert "P-1" not in answer.text


def test_others_write_while_something_is_looked_up(
    viewer: Viewer, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    show, written = ImageView.of, []

    def write() -> None:
        with clinic.database.writing() as session:
            audit.record(session, "another", "write", "x", {}, datetime.now(UTC))

    with ThreadPoolExecutor(1) as another:

        def show_slowly(*given: Any, **named: Any) -> ImageView:
            written.append(another.submit(write).result(timeout=10))
            return show(*given, **named)

        monkeypatch.setattr(ImageView, "of", show_slowly)
        assert all(viewer.ask(path).is_success for _, _, path in viewer.views)
    assert len(written) == 4  # worklist, study, reading, job; there are no priors
