"""Corrections by reviewers: patients, moved and withdrawn images, and two people at once."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.queue.worker import Worker
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import AuditEntry, Correction, Image, Study
from pneumoscope.reader import Reader

from ...conftest import on_both_databases
from ...patients import KIM, KIM_CORRECTED, LEE, LEE_FILE, Send, correct, study_of
from ...populations import automatic_readers, dicom_of

pytestmark = on_both_databases

As = Callable[[Role], TestClient]


@pytest.fixture
def reviewer(as_: As) -> TestClient:
    return as_(Role.REVIEWER)


def test_a_held_study_of_another_patient_is_released_without_the_foreign_uid(
    reviewer: TestClient, send: Send
) -> None:
    (kim,), (held,) = send(KIM)["images"], send(LEE_FILE)["images"]
    study = correct(reviewer, study_of(reviewer, held), LEE)
    assert (study["http"], study["conflict"], study["study_uid"]) == (200, None, None)
    assert study["patient"]["id"] == "K999"
    report = reviewer.get(f"/v1/studies/{held['study']}/report")
    assert (report.status_code, KIM["StudyInstanceUID"] in report.text) == (200, False)
    assert len(study_of(reviewer, kim)["images"]) == 1
    (later,) = send(LEE_FILE)["images"]  # a further image of the same patient joins it
    assert later["study"] == held["study"]


def test_a_held_study_of_the_same_patient_joins_the_study_with_its_uid(
    reviewer: TestClient, send: Send, read_all: Callable[[], int]
) -> None:
    (kim,), (held,) = send(KIM)["images"], send(KIM | {"PatientID": "K0O1"})["images"]
    read_all()
    joined = correct(reviewer, study_of(reviewer, held), KIM_CORRECTED)
    assert (joined["id"], len(joined["images"]), joined["conflict"]) == (kim["study"], 2, None)
    told = reviewer.get(f"/v1/studies/{kim['study']}/version").json()["change"]
    assert told == "images of another study were added by a reviewer"
    left = study_of(reviewer, held)
    assert (left["images"], left["probability"], left["withdrawn"] is None) == ([], None, False)
    shown = reviewer.post("/v1/studies/search", json={}).json()["studies"]
    assert [study["id"] for study in shown] == [kim["study"]]
    assert joined["probability"] == max(
        image["reading"]["probability"] for image in joined["images"]
    )


def test_a_moved_image_is_the_other_patients_alone(
    reviewer: TestClient, send: Send, clinic: Clinic, read_all: Callable[[], int]
) -> None:
    first, second = send(KIM, KIM)["images"]
    read_all()
    study = study_of(reviewer, first)
    moved = correct(reviewer, study, LEE, images=[second["id"]])
    assert [image["id"] for image in moved["images"]] == [second["id"]]
    assert (moved["patient"]["id"], moved["study_uid"]) == ("K999", None)
    assert (moved["study_date"], moved["status"]) == ("2026-11-24", "awaiting review")
    assert moved["images"][0]["reading"] is not None  # the same age: its reading stands
    assert [image["id"] for image in study_of(reviewer, first)["images"]] == [first["id"]]
    with clinic.database.reading() as session:
        entry = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "correct patient")
        ).one()
        correction = session.scalars(select(Correction)).one()
    detail = json.loads(entry.detail)
    assert (entry.actor, entry.object) == ("a reviewer", f"study {moved['id']}")
    assert (detail["correction"], detail["from"]) == (correction.id, study["id"])
    assert set(detail["changed"]) == {"id", "name", "sex", "study_uid"}
    assert not any(word in entry.detail for word in ("K001", "K999", "Kim", "Lee"))
    assert (correction.before["name"], correction.after["name"]) == ("Kim^Tiny", "Lee^Bo")
    (listed,) = reviewer.get(f"/v1/studies/{study['id']}/corrections").json()["corrections"]
    assert (listed["user_name"], listed["before"]["id"]) == ("a reviewer", "K001")
    file = reviewer.get(f"/v1/images/{second['id']}/file").content
    assert b"K001" in file  # the original is kept


def test_a_renamed_patient_is_reconciled_study_by_study(reviewer: TestClient, send: Send) -> None:
    baby = KIM | {"PatientName": "Kim^Baby", "StudyInstanceUID": "1.1", "StudyDate": "20250101"}
    (old,), (now,) = send(baby)["images"], send(KIM)["images"]
    assert study_of(reviewer, now)["conflict"] is not None
    unchanged = correct(reviewer, study_of(reviewer, now), KIM_CORRECTED)
    assert unchanged["conflict"] == "other studies of this patient ID state another name"
    confirmed = correct(reviewer, unchanged, KIM_CORRECTED, confirmed=True)
    assert confirmed["conflict"] is None
    priors = f"/v1/studies/{now['study']}/priors"
    assert reviewer.get(priors).json() == []  # the name is still another
    renamed = correct(reviewer, study_of(reviewer, old), KIM_CORRECTED)
    assert renamed["conflict"] is None
    assert [study["id"] for study in reviewer.get(priors).json()] == [old["study"]]


def test_a_correction_releases_what_it_reconciles(reviewer: TestClient, send: Send) -> None:
    (wrong,) = send(KIM | {"PatientBirthDate": "20230106"})["images"]
    (right,) = send(KIM | {"StudyInstanceUID": "1.1"})["images"]
    assert study_of(reviewer, right)["conflict"] is not None
    correct(reviewer, study_of(reviewer, wrong), KIM_CORRECTED)
    assert study_of(reviewer, right)["conflict"] is None


def test_a_corrected_birth_date_lets_the_right_network_read_again(
    reviewer: TestClient, send: Send, clinic: Clinic, reader: Reader
) -> None:
    readers = automatic_readers(reader, reader)
    worker = Worker(clinic.database, clinic.store, readers, "screening", "w")
    (image,) = send(KIM | {"PatientBirthDate": "19800105"})["images"]
    worker.step()
    study = study_of(reviewer, image)
    assert study["images"][0]["reading"]["bundle"].startswith("adults")
    judgement = {"study_version": 1, "answer": "agree"}
    path = f"/v1/images/{image['id']}/judgements"
    assert reviewer.post(path, json=judgement).status_code == 201
    corrected = correct(reviewer, study_of(reviewer, image), KIM_CORRECTED)
    (successor,) = corrected["images"]
    assert (successor["id"] != image["id"], successor["reading"]) == (True, None)
    assert (corrected["status"], corrected["probability"]) == ("awaiting review", None)
    worker.step()
    (read,) = study_of(reviewer, image)["images"]
    assert read["reading"]["bundle"].startswith("children")
    assert reviewer.get(path).status_code == 410


def test_impossible_corrections_are_refused(reviewer: TestClient, send: Send) -> None:
    (image,) = send(KIM)["images"]
    study = study_of(reviewer, image)
    for birth_date, words in (("2026-11-25", "after the study"), ("1890-01-01", "before 1900")):
        answer = correct(reviewer, study, KIM_CORRECTED | {"birth_date": birth_date})
        assert (answer["http"], words in answer["detail"]) == (422, True)
    foreign = correct(reviewer, study, LEE, images=["0" * 32])
    assert foreign["http"] == 409
    assert study_of(reviewer, image) == study


def test_of_two_people_who_correct_at_once_the_second_is_told(
    reviewer: TestClient, as_: As, send: Send
) -> None:
    (image,) = send(KIM)["images"]
    study = study_of(reviewer, image)
    clients = {"K002": reviewer, "K003": as_(Role.ADMINISTRATOR)}

    def save(patient_id: str) -> int:
        patient = KIM_CORRECTED | {"patient_id": patient_id}
        return int(correct(clients[patient_id], study, patient)["http"])

    with ThreadPoolExecutor(2) as pool:
        statuses = dict(zip(clients, pool.map(save, clients), strict=True))
    assert sorted(statuses.values()) == [200, 409]
    (saved,) = (patient for patient, status in statuses.items() if status == 200)
    assert study_of(reviewer, image)["patient"]["id"] == saved
    told = correct(reviewer, study, LEE)
    assert "somebody else changed this study meanwhile" in told["detail"]


def test_images_that_came_meanwhile_are_seen_before_a_correction(
    reviewer: TestClient, send: Send
) -> None:
    (image,) = send(KIM)["images"]
    study = study_of(reviewer, image)
    send(KIM)
    assert correct(reviewer, study, LEE)["http"] == 409


def test_a_withdrawn_image_is_nowhere_and_can_be_restored(
    reviewer: TestClient,
    as_: As,
    send: Send,
    phantoms: list[bytes],
    read_all: Callable[[], int],
) -> None:
    clinician = as_(Role.CLINICIAN)
    content = dicom_of(phantoms[0], **KIM)
    (image,) = send(content)["images"]
    read_all()
    study = study_of(reviewer, image)
    path = f"/v1/images/{image['id']}"
    body = {"version": study["version"], "reason": "wrong file"}
    assert reviewer.post(f"{path}/withdrawal", json=body).json()["images"] == []
    assert reviewer.post(f"{path}/withdrawal", json=body).status_code == 409
    # It was open on somebody's screen.
    for part in ("pixels", "file", "heatmap", "highlights", "judgements"):
        gone = clinician.get(f"{path}/{part}")
        assert (gone.status_code, "withdrawn" in gone.json()["detail"]) == (410, True), part
    judged = clinician.post(f"{path}/judgements", json={"study_version": 1, "answer": "agree"})
    assert (judged.status_code, "withdrawn" in judged.json()["detail"]) == (410, True)
    assert clinician.get(f"/v1/studies/{study['id']}/report").status_code == 410
    assert clinician.post("/v1/studies/search", json={}).json()["studies"] == []
    again = send(content)
    assert (again["http"], "withdrawn by a reviewer" in again["detail"]) == (409, True)
    (withdrawn,) = reviewer.get(f"/v1/studies/{study['id']}/corrections").json()["withdrawn"]
    assert (withdrawn["id"], withdrawn["withdrawal"]) == (image["id"], "wrong file")
    restored = reviewer.delete(f"{path}/withdrawal").json()
    assert restored["images"] == study["images"]
    assert (restored["probability"], restored["status"]) == (
        study["probability"],
        "awaiting review",
    )
    assert reviewer.delete(f"{path}/withdrawal").status_code == 409


def test_an_image_that_is_withdrawn_while_it_waits_is_not_read(
    reviewer: TestClient, send: Send, clinic: Clinic, read_all: Callable[[], int]
) -> None:
    first, second = send(KIM, KIM)["images"]
    version = study_of(reviewer, first)["version"]
    body = {"version": version, "reason": "wrong patient"}
    reviewer.post(f"/v1/images/{first['id']}/withdrawal", json=body)
    assert read_all() == 1
    (image,) = study_of(reviewer, second)["images"]
    assert image["id"] == second["id"]
    reviewer.delete(f"/v1/images/{first['id']}/withdrawal")
    assert study_of(reviewer, second)["status"] == "awaiting review"
    assert read_all() == 1


def test_corrections_of_a_purged_study_are_purged(
    reviewer: TestClient, as_: As, send: Send, clinic: Clinic, read_all: Callable[[], int]
) -> None:
    (image,) = send(KIM)["images"]
    read_all()
    correct(reviewer, study_of(reviewer, image), LEE)
    purge = as_(Role.ADMINISTRATOR).post("/v1/patients/purge", json={"patient_id": "K999"})
    assert purge.json() == {"studies": 1}
    (listed,) = reviewer.get(f"/v1/studies/{image['study']}/corrections").json()["corrections"]
    assert (listed["before"], listed["after"]) == (None, None)
    with clinic.database.reading() as session:
        assert session.scalars(select(Study.patient_id)).all() == [None]


def test_a_purge_finds_a_patient_whose_study_was_corrected_to_another(
    reviewer: TestClient, as_: As, send: Send, clinic: Clinic, read_all: Callable[[], int]
) -> None:
    first, second = send(KIM, KIM)["images"]
    read_all()
    moved = correct(reviewer, study_of(reviewer, second), LEE, images=[second["id"]])
    moved.pop("http")
    whole = correct(reviewer, study_of(reviewer, first), LEE)
    administrator = as_(Role.ADMINISTRATOR)
    purge = {"patient_id": "K001"}
    assert administrator.post("/v1/patients/purge", json=purge).json() == {"studies": 2}
    with clinic.database.reading() as session:
        corrections = session.scalars(select(Correction)).all()
        assert [row.before for row in corrections] == [None, None]
        assert {row.after and row.after["id"] for row in corrections} == {"K999"}
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "purge study"))
        assert {(entry.object, entry.detail) for entry in entries} == {
            (f"study {study['id']}", '{"only":"corrections","why":"request"}')
            for study in (moved, whole)
        }
    assert administrator.post("/v1/patients/purge", json=purge).status_code == 404
    # What belongs to the second patient is there until that one is purged.
    assert study_of(reviewer, {"study": moved["id"]}) == moved
    assert reviewer.get(f"/v1/images/{second['id']}/file").status_code == 200
    lee = {"patient_id": "K999"}
    assert administrator.post("/v1/patients/purge", json=lee).json() == {"studies": 2}
    assert reviewer.get(f"/v1/images/{second['id']}/file").status_code == 410


def test_a_purge_takes_the_withdrawn_images_that_stayed_with_the_patient(
    reviewer: TestClient, as_: As, send: Send, read_all: Callable[[], int]
) -> None:
    first, second = send(KIM, KIM)["images"]
    read_all()
    body = {"version": study_of(reviewer, second)["version"], "reason": "wrong patient"}
    reviewer.post(f"/v1/images/{second['id']}/withdrawal", json=body)
    correct(reviewer, study_of(reviewer, first), LEE)
    purge = as_(Role.ADMINISTRATOR).post("/v1/patients/purge", json={"patient_id": "K001"})
    assert purge.json() == {"studies": 2}
    assert reviewer.delete(f"/v1/images/{second['id']}/withdrawal").status_code == 410
    assert reviewer.get(f"/v1/images/{first['id']}/file").status_code == 200


def test_a_purge_leaves_nothing_of_an_image_that_was_moved_and_read_again(
    reviewer: TestClient, as_: As, send: Send, clinic: Clinic, read_all: Callable[[], int]
) -> None:
    first, second = send(KIM, KIM)["images"]
    adult = LEE | {"birth_date": "1980-01-05"}
    correct(reviewer, study_of(reviewer, first), adult, images=[second["id"]])
    read_all()
    with clinic.database.reading() as session:
        sha256 = session.get_one(Image, second["id"]).sha256
    purge = {"patient_id": "K999"}
    answer = as_(Role.ADMINISTRATOR).post("/v1/patients/purge", json=purge)
    assert (answer.json(), clinic.store.path(sha256).exists()) == ({"studies": 1}, False)


def test_a_patient_id_of_two_issuers_is_purged_for_one_of_them(
    as_: As, send: Send, read_all: Callable[[], int]
) -> None:
    send(KIM | {"IssuerOfPatientID": "EAST"})
    send(KIM | {"IssuerOfPatientID": "WEST", "StudyInstanceUID": "1.1"})
    read_all()
    administrator = as_(Role.ADMINISTRATOR)
    unclear = administrator.post("/v1/patients/purge", json={"patient_id": "K001"})
    assert (unclear.status_code, "name the issuer" in unclear.json()["detail"]) == (409, True)
    body = {"patient_id": "K001", "issuer": "EAST"}
    assert administrator.post("/v1/patients/purge", json=body).json() == {"studies": 1}
