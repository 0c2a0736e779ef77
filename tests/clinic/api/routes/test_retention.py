import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from pneumoscope.clinic.api.routes import readings
from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.privacy.purge import purge_expired
from pneumoscope.clinic.queue.intake import StoredUpload, store_upload
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.file_store import FileStore
from pneumoscope.clinic.storage.tables import AuditEntry
from pneumoscope.support.errors import StorageError

from ....conftest import Outcome
from ...conftest import on_both_databases

pytestmark = on_both_databases

As = Callable[[Role], TestClient]
LATER = timedelta(days=400)


@pytest.fixture
def image(as_: As, phantoms: list[bytes], read_all: Callable[[], int]) -> dict[str, str]:
    """Submit an image of a patient and read it."""
    sent = [("files", ("SECRET.png", phantoms[0], "image/png"))]
    about = json.dumps({"patient_id": "SECRET-7", "study_uid": "1.2.3"})
    answer = as_(Role.SERVICE).post("/v1/readings", files=sent, data={"about": about})
    read_all()
    made: dict[str, str] = answer.json()["images"][0]
    return made


def purge(clinic: Clinic) -> None:
    purge_expired(clinic.database, clinic.store, "the server", datetime.now(UTC) + LATER)


def test_an_administrator_changes_the_retention(as_: As, clinic: Clinic) -> None:
    administrator = as_(Role.ADMINISTRATOR)
    nothing = {"pixels_days": None, "studies_days": None}
    assert administrator.get("/v1/retention").json() == nothing
    new = {"pixels_days": 365, "studies_days": None}
    assert administrator.put("/v1/retention", json=new).json() == new
    assert administrator.get("/v1/retention").json() == new
    for wrong in ({"pixels_days": 1}, new | {"days": 1}, new | {"pixels_days": 0}):
        assert administrator.put("/v1/retention", json=wrong).status_code == 422, wrong
    with clinic.database.reading() as session:
        (entry,) = session.scalars(select(AuditEntry))
    assert (entry.actor, entry.action) == ("a administrator", "change retention")
    assert json.loads(entry.detail) == new


def test_purged_pixels_leave_the_reading(as_: As, clinic: Clinic, image: dict[str, str]) -> None:
    clinician = as_(Role.CLINICIAN)
    as_(Role.ADMINISTRATOR).put("/v1/retention", json={"pixels_days": 365, "studies_days": None})
    purge(clinic)
    for path in ("file", "heatmap", "pixels", "highlights"):
        answer = clinician.get(f"/v1/images/{image['id']}/{path}")
        assert answer.status_code == 410
        assert "purged" in answer.json()["detail"]
    judged = clinician.post(
        f"/v1/images/{image['id']}/judgements", json={"study_version": 1, "answer": "agree"}
    )
    assert judged.status_code == 410
    study = clinician.get(f"/v1/studies/{image['study']}").json()
    assert (study["purged"], study["patient"]["id"]) == (None, "SECRET-7")
    assert study["images"][0]["purged"] is not None
    assert study["images"][0]["reading"]["has_heatmap"] is False
    assert clinician.get(f"/v1/studies/{image['study']}/report").status_code == 200
    assert len(clinician.post("/v1/studies/search", json={}).json()["studies"]) == 1


def test_a_purged_study_does_not_identify_its_patient(
    as_: As, clinic: Clinic, image: dict[str, str]
) -> None:
    clinician = as_(Role.CLINICIAN)
    as_(Role.ADMINISTRATOR).put("/v1/retention", json={"pixels_days": None, "studies_days": 365})
    purge(clinic)
    answer = clinician.get(f"/v1/studies/{image['study']}")
    assert answer.status_code == 200
    assert answer.json()["purged"] is not None
    assert "SECRET" not in answer.text
    assert answer.json()["images"][0]["reading"]["probability"] is not None
    assert clinician.get(f"/v1/studies/{image['study']}/report").status_code == 410
    assert clinician.get(f"/v1/images/{image['id']}/file").status_code == 410
    assert clinician.post("/v1/studies/search", json={}).json()["studies"] == []
    export = as_(Role.REVIEWER).post("/v1/exports", json={})
    assert export.status_code == 200


def test_a_file_purged_during_a_request_is_gone(
    as_: As, clinic: Clinic, image: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    as_(Role.ADMINISTRATOR).put("/v1/retention", json={"pixels_days": 1, "studies_days": None})
    reviewer = as_(Role.REVIEWER)

    def purge_first(self: FileStore, sha256: str) -> bytes:
        monkeypatch.undo()
        purge(clinic)
        return self.read(sha256)

    monkeypatch.setattr(FileStore, "read", purge_first)
    assert reviewer.get(f"/v1/images/{image['id']}/file").status_code == 410


def test_a_lost_file_is_a_server_error(as_: As, clinic: Clinic, image: dict[str, str]) -> None:
    clinic.store.remove(image["sha256"])
    with pytest.raises(StorageError):
        clinic.store.read(image["sha256"])
    assert as_(Role.REVIEWER).get(f"/v1/images/{image['id']}/file").status_code == 507


def test_an_administrator_purges_a_patient(
    as_: As, clinic: Clinic, image: dict[str, str], phantoms: list[bytes]
) -> None:
    administrator = as_(Role.ADMINISTRATOR)
    patient = {"patient_id": "SECRET-7"}
    elsewhere = administrator.post("/v1/patients/purge", json=patient | {"site": "Ward"})
    assert elsewhere.status_code == 404
    assert administrator.post("/v1/patients/purge", json=patient).json() == {"studies": 1}
    assert administrator.post("/v1/patients/purge", json=patient).status_code == 404
    assert administrator.get(f"/v1/images/{image['id']}/file").status_code == 410
    sent = [("files", ("a.png", phantoms[1], "image/png"))]
    about = json.dumps(patient)
    administrator.post("/v1/readings", files=sent, data={"about": about})
    waits = administrator.post("/v1/patients/purge", json=patient)
    assert (waits.status_code, "waits" in waits.json()["detail"]) == (409, True)


def test_the_same_idempotency_key_works_after_a_purge(
    as_: As, clinic: Clinic, phantoms: list[bytes], read_all: Callable[[], int]
) -> None:
    service = as_(Role.SERVICE)
    sent = [("files", ("a.png", phantoms[0], "image/png"))]
    more = {"data": {"about": '{"patient_id": "SECRET-7"}'}, "headers": {"Idempotency-Key": "1"}}
    first = service.post("/v1/readings", files=sent, **more).json()
    read_all()
    as_(Role.ADMINISTRATOR).post("/v1/patients/purge", json={"patient_id": "SECRET-7"})
    again = service.post("/v1/readings", files=sent, **more)
    assert again.status_code == 202
    assert again.json()["images"][0]["id"] != first["images"][0]["id"]
    assert clinic.store.read(again.json()["images"][0]["sha256"]) == phantoms[0]


def test_a_file_purged_during_its_upload_is_kept(
    as_: As, clinic: Clinic, image: dict[str, str], phantoms: list[bytes], monkeypatch
) -> None:
    as_(Role.ADMINISTRATOR).put("/v1/retention", json={"pixels_days": 1, "studies_days": None})

    def store_and_purge(store: FileStore, *upload: Any) -> StoredUpload:
        stored = store_upload(store, *upload)
        purge(clinic)
        assert not store.path(stored.sha256).exists()
        return stored

    monkeypatch.setattr(readings, "store_upload", store_and_purge)
    sent = [("files", ("again.png", phantoms[0], "image/png"))]
    made = as_(Role.SERVICE).post("/v1/readings", files=sent).json()["images"][0]
    shown = as_(Role.SERVICE).get(f"/v1/images/{made['id']}/file")
    assert (shown.status_code, shown.content) == (200, phantoms[0])


def test_the_purge_command_has_a_dry_run(
    as_: As, clinic: Clinic, image: dict[str, str], pneumoscope: Callable[..., Outcome]
) -> None:
    command = ["purge", "--database", clinic.settings.database_url, "--data", clinic.settings.data]
    for options, message in [
        (["--dry-run"], "Would be purged: 0 studies"),
        ([], "Purged: 0 studies"),
    ]:
        outcome = pneumoscope(*command, *options)
        assert (outcome.code, message in outcome.out) == (0, True), outcome
