import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

from fastapi.testclient import TestClient
from sqlalchemy import select

from pneumoscope.clinic.api.routes import exports
from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import AuditEntry

As = Callable[[Role], TestClient]


def submit(client: TestClient, *contents: bytes) -> None:
    sent = [("files", (f"{i}.png", content, "image/png")) for i, content in enumerate(contents)]
    about = json.dumps({"patient_id": "SECRET-7"})
    assert client.post("/v1/readings", files=sent, data={"about": about}).status_code == 202


def test_a_reviewer_exports_studies_as_a_zip(
    as_: As, clinic: Clinic, phantoms: list[bytes], read_all: Callable[[], int]
) -> None:
    submit(as_(Role.SERVICE), *phantoms[:2])
    read_all()
    answer = as_(Role.REVIEWER).post("/v1/exports", json={"status": "awaiting review"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert int(answer.headers["content-length"]) == len(answer.content)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        names = archive.namelist()
        assert b"SECRET" not in b"".join(archive.read(name) for name in names)
    assert (len(names), sum(name.endswith(".png") for name in names)) == (4, 2)
    with clinic.database.reading() as session:
        last = session.scalars(select(AuditEntry).order_by(AuditEntry.number.desc())).first()
        assert last is not None
        assert (last.action, last.actor) == ("export studies", "a reviewer")
    assert [path.name for path in clinic.settings.data.iterdir() if path.is_file()] == [
        path.name for path in clinic.settings.data.glob("clinic.db*")
    ]


def test_invalid_exports_are_refused(as_: As, phantoms: list[bytes], monkeypatch) -> None:
    submit(as_(Role.SERVICE), *phantoms[:2])
    reviewer = as_(Role.REVIEWER)
    for wrong in ({"since": "2026-01-01T00:00:00"}, {"status": "lost"}, {"what": 1}):
        assert reviewer.post("/v1/exports", json=wrong).status_code == 422, wrong
    monkeypatch.setattr(exports, "MAX_EXPORTED_IMAGES", 1)
    answer = reviewer.post("/v1/exports", json={})
    assert answer.status_code == 400
    assert "export-studies" in answer.json()["detail"]


def test_the_command_writes_a_folder_or_an_archive(
    as_: As,
    clinic: Clinic,
    phantoms: list[bytes],
    read_all: Callable[[], int],
    pneumoscope: Callable,
    tmp_path: Path,
) -> None:
    submit(as_(Role.SERVICE), phantoms[0])
    read_all()
    command = ["export-studies", "--database", clinic.settings.database_url]
    command += ["--data", clinic.settings.data, "--since", "2000-01-01", "--out"]
    for out in ("export", "export.zip"):
        outcome = pneumoscope(*command, tmp_path / out)
        assert (outcome.code, "1 images of 1 studies" in outcome.out) == (0, True), outcome
    assert len(list((tmp_path / "export").rglob("*.png"))) == 1
    assert len(zipfile.ZipFile(tmp_path / "export.zip").namelist()) == 3
    again = pneumoscope(*command, tmp_path / "export")
    assert (again.code, "not empty" in again.err) == (1, True)
