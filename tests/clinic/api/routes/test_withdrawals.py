"""Withdrawn images: restored by the right age, to the right patient, and never twice."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.monitoring.prometheus import prometheus_metrics
from pneumoscope.clinic.queue.worker import Worker
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import AuditEntry, Image
from pneumoscope.reader import Reader

from ...conftest import on_both_databases
from ...patients import KIM, KIM_CORRECTED, LEE, LEE_FILE, Send, correct, study_of
from ...populations import automatic_readers, dicom_of

pytestmark = on_both_databases

As = Callable[[Role], TestClient]
ADULT = KIM_CORRECTED | {"birth_date": "1980-01-05"}
SECOND = {"StudyInstanceUID": "1.2.840.2"}


@pytest.fixture
def reviewer(as_: As) -> TestClient:
    return as_(Role.REVIEWER)


@pytest.fixture
def read(clinic: Clinic, reader: Reader) -> Callable[[], int]:
    """Return a function that reads all queued images by the networks for their ages."""
    worker = Worker(
        clinic.database, clinic.store, automatic_readers(reader, reader), "screening", "w"
    )

    def drain() -> int:
        done = 0
        while part := worker.step():
            done += part
        return done

    return drain


def withdraw(client: TestClient, image: dict[str, Any], reason: str = "other") -> int:
    version = study_of(client, image)["version"]
    path, body = f"/v1/images/{image['id']}/withdrawal", {"version": version, "reason": reason}
    return int(client.post(path, json=body).status_code)


def restore(client: TestClient, image: dict[str, Any]) -> dict[str, Any]:
    answer = client.delete(f"/v1/images/{image['id']}/withdrawal")
    restored: dict[str, Any] = answer.json()
    return restored | {"http": answer.status_code}


def population(client: TestClient, study: dict[str, Any]) -> list[str]:
    """Return the populations of the networks that read a study's images, or the refusals."""
    readings = [
        image["reading"] for image in client.get(f"/v1/studies/{study['id']}").json()["images"]
    ]
    return [reading["refusal"] or reading["bundle"].split("@")[0] for reading in readings]


def test_an_image_restored_after_its_birth_date_was_corrected_is_read_by_the_corrected_age(
    reviewer: TestClient, send: Send, read: Callable[[], int]
) -> None:
    first, second = send(KIM, KIM)["images"]
    assert read() == 2
    assert withdraw(reviewer, second) == 200
    corrected = correct(reviewer, study_of(reviewer, first), ADULT)
    assert read() == 1
    restored = restore(reviewer, second)
    assert (restored["id"], restored["conflict"]) == (corrected["id"], None)
    assert sorted(image["reading"] is None for image in restored["images"]) == [False, True]
    assert read() == 1
    assert population(reviewer, restored) == ["adults", "adults"]
    twice = restore(reviewer, second)
    assert (twice["http"], "taken the place" in twice["detail"]) == (409, True)


def test_an_image_withdrawn_before_it_was_read_is_read_by_the_corrected_age(
    reviewer: TestClient, send: Send, read: Callable[[], int]
) -> None:
    first, second = send(KIM, KIM)["images"]
    withdraw(reviewer, second)
    correct(reviewer, study_of(reviewer, first), ADULT)
    restored = restore(reviewer, second)
    assert read() == 2
    assert population(reviewer, restored) == ["adults", "adults"]


def test_a_restored_image_keeps_what_its_sender_stated(
    reviewer: TestClient, send: Send, read: Callable[[], int]
) -> None:
    file = KIM | {"PatientBirthDate": "", "PatientAge": "003Y"}
    (image,) = send(file, age=45)["images"]  # contradicts the file
    withdraw(reviewer, image)
    restored = restore(reviewer, image)
    read()
    assert population(reviewer, restored) == ["age_contradicted"]


def test_a_file_sent_again_after_a_correction_is_read_by_the_corrected_age(
    reviewer: TestClient,
    send: Send,
    clinic: Clinic,
    phantoms: list[bytes],
    read: Callable[[], int],
) -> None:
    content = dicom_of(phantoms[0], **KIM)
    (image,) = send(content)["images"]
    correct(reviewer, study_of(reviewer, image), ADULT)
    with clinic.database.reading() as session:
        sha256 = session.scalars(select(Image.sha256)).first()
    assert sha256 is not None
    clinic.store.remove(sha256)
    assert read() == 1
    study = study_of(reviewer, image)
    assert population(reviewer, study) == ["file_missing"]
    shown = reviewer.post("/v1/studies/search", json={}).json()["studies"]
    assert [row["needs_look"] for row in shown] == [True]
    (again,) = send(content)["images"]
    assert (again["study"], read()) == (study["id"], 1)
    assert population(reviewer, study) == ["adults"]
    assert study_of(reviewer, again)["needs_look"] is False


def test_a_stated_age_does_not_go_along_to_another_patient(
    reviewer: TestClient, send: Send, phantoms: list[bytes], read: Callable[[], int]
) -> None:
    about = {"patient_id": "K001", "study_uid": "1.2.3", "age": 3}
    first, second = send(phantoms[0], phantoms[1], **about)["images"]
    read()
    study = study_of(reviewer, first)
    assert (study["age"], population(reviewer, study)) == ("3 years", ["children"] * 2)
    unknown = LEE | {"birth_date": None}
    moved = correct(reviewer, study, unknown, images=[second["id"]])
    assert moved["age"] is None
    renamed = correct(reviewer, study_of(reviewer, first), KIM_CORRECTED | {"birth_date": None})
    assert renamed["age"] == "3 years"  # the same patient
    assert read() == 1
    assert population(reviewer, moved) == ["age_unknown"]
    # The age that is stated of the right patient counts.
    about = {"patient_id": "K999", "patient_name": "Lee^Bo", "age": 45}
    (again,) = send(phantoms[1], **about)["images"]
    assert (again["study"], read()) == (moved["id"], 1)
    assert study_of(reviewer, again)["age"] == "45 years"
    assert population(reviewer, moved) == ["adults"]


def test_what_was_typed_of_a_held_study_completes_the_study_that_it_joins(
    reviewer: TestClient, send: Send, clinic: Clinic, read: Callable[[], int]
) -> None:
    bare = {"PatientID": "K001", "StudyInstanceUID": "1.2.840.1", "PatientAge": "003Y"}
    bare |= {"PatientName": "", "PatientBirthDate": "", "PatientSex": ""}
    (kim,), (held,) = send(bare)["images"], send(bare | {"PatientID": "K0O1"})["images"]
    read()
    joined = correct(reviewer, study_of(reviewer, held), ADULT | {"accession": "A-7"})
    assert joined["id"] == kim["study"]
    patient = joined["patient"]
    assert (patient["name"], patient["birth_date"], patient["sex"], joined["accession"]) == (
        "Kim^Tiny",
        "1980-01-05",
        "F",
        "A-7",
    )
    assert read() == 2  # also the image that was there, by the birth date that nobody had stated
    assert population(reviewer, joined) == ["adults", "adults"]
    listed = reviewer.get(f"/v1/studies/{kim['study']}/corrections").json()["corrections"]
    assert {(row["before"]["id"], row["after"]["name"]) for row in listed} == {
        ("K001", "Kim^Tiny"),
        ("K0O1", "Kim^Tiny"),
    }
    told = reviewer.get(f"/v1/studies/{kim['study']}/version").json()["change"]
    assert told.startswith("corrected by a reviewer: name, birth date")
    with clinic.database.reading() as session:
        entries = select(AuditEntry).where(AuditEntry.action == "correct patient")
        details = [json.loads(entry.detail) for entry in session.scalars(entries)]
    changed = {detail["from"]: set(detail["changed"]) for detail in details}
    assert changed[held["study"]] >= {"id", "name", "birth_date", "sex"}
    assert changed[kim["study"]] == {"name", "birth_date", "sex", "accession"}


def test_an_image_is_not_given_to_another_patient_while_it_is_withdrawn(
    reviewer: TestClient, send: Send, read: Callable[[], int]
) -> None:
    first, second = send(KIM, KIM)["images"]
    read()
    withdraw(reviewer, second, "wrong patient")
    lee = correct(reviewer, study_of(reviewer, first), LEE)
    (listed,) = reviewer.get(f"/v1/studies/{lee['id']}/corrections").json()["withdrawn"]
    assert listed["id"] == second["id"]
    restored = restore(reviewer, second)
    assert (restored["id"] != lee["id"], restored["patient"]["id"]) == (True, "K001")
    assert "check whose it is" in restored["conflict"]
    assert len(study_of(reviewer, first)["images"]) == 1
    correct(reviewer, study_of(reviewer, first), LEE | {"sex": "F"})
    send(KIM | SECOND)
    assert study_of(reviewer, restored | {"study": restored["id"]})["conflict"] is not None
    released = correct(reviewer, restored, KIM_CORRECTED)
    assert (released["id"], released["conflict"]) == (restored["id"], None)


def test_a_study_that_comes_back_is_compared_with_the_patients_other_studies(
    reviewer: TestClient, send: Send
) -> None:
    (image,) = send(KIM | {"SOPInstanceUID": "1.7"})["images"]
    withdraw(reviewer, image)
    (other,) = send(KIM | SECOND | {"PatientName": "Lee^Bo"})["images"]
    assert study_of(reviewer, other)["conflict"] is None
    restored = restore(reviewer, image)
    assert restored["conflict"] == "other studies of this patient ID state another name"
    withdraw(reviewer, image)
    # Another image of the empty study brings it back, too.
    (further,) = send(KIM)["images"]
    assert further["study"] == image["study"]
    assert study_of(reviewer, further)["conflict"] is not None


def test_no_sop_instance_has_two_images(
    reviewer: TestClient, send: Send, phantoms: list[bytes]
) -> None:
    wrong, right = (dicom_of(phantoms[n], **KIM, SOPInstanceUID="1.2.840.77") for n in range(2))
    (image,) = send(wrong)["images"]
    withdraw(reviewer, image, "wrong file")
    (present,) = send(right)["images"]
    refused = restore(reviewer, image)
    assert (refused["http"], "same SOP Instance UID" in refused["detail"]) == (409, True)
    withdraw(reviewer, present)
    assert restore(reviewer, image)["http"] == 200
    assert restore(reviewer, present)["http"] == 409


def test_a_restored_image_joins_the_study_that_the_others_have_joined(
    reviewer: TestClient, send: Send
) -> None:
    alias = KIM | {"PatientName": "Kim^Baby"}
    (kim,) = send(KIM)["images"]
    first, second = send(alias, alias)["images"]
    assert first["study"] == second["study"] != kim["study"]
    withdraw(reviewer, second)
    joined = correct(reviewer, study_of(reviewer, first), KIM_CORRECTED)
    assert (joined["id"], len(joined["images"])) == (kim["study"], 2)
    restored = restore(reviewer, second)
    assert (restored["id"], len(restored["images"])) == (kim["study"], 3)


def test_withdrawn_images_are_counted_nowhere(
    reviewer: TestClient,
    service: TestClient,
    send: Send,
    clinic: Clinic,
    read_all: Callable[[], int],
) -> None:
    answer = send(KIM, KIM)
    read_all()
    first, second = answer["images"]
    path = f"/v1/images/{second['id']}/judgements"
    judgement = {"answer": "agree", "study_version": study_of(reviewer, second)["version"]}
    assert reviewer.post(path, json=judgement).status_code == 201
    counted = b'pneumoscope_judgements{answer="agree"} 1.0'
    assert counted in prometheus_metrics(clinic.database)
    withdraw(reviewer, second)
    assert counted not in prometheus_metrics(clinic.database)
    job = service.get(f"/v1/jobs/{answer['job']}").json()
    assert (job["images"], job["waiting"], sum(job["by_status"].values())) == (1, 0, 1)
    listed = service.get(f"/v1/jobs/{answer['job']}/images").json()["images"]
    assert [image["id"] for image in listed] == [first["id"]]


def test_a_repeated_request_does_not_bring_back_a_withdrawn_image(
    service: TestClient, reviewer: TestClient, phantoms: list[bytes]
) -> None:
    content = dicom_of(phantoms[0], **KIM)

    def post() -> tuple[int, dict[str, Any]]:
        parts = [("files", ("a.dcm", content))]
        answer = service.post(
            "/v1/readings", files=parts, data={"about": "{}"}, headers={"Idempotency-Key": "k"}
        )
        return answer.status_code, answer.json()

    status, answer = post()
    assert (status, post()) == (202, (202, answer | {"already_here": []}))
    withdraw(reviewer, answer["images"][0])
    status, answer = post()
    assert (status, "withdrawn by a reviewer" in json.dumps(answer)) == (409, True)


def test_of_a_correction_and_a_withdrawal_at_once_one_is_told(
    reviewer: TestClient, as_: As, send: Send
) -> None:
    (image,) = send(KIM)["images"]
    study, other = study_of(reviewer, image), as_(Role.ADMINISTRATOR)
    path = f"/v1/images/{image['id']}/withdrawal"
    body = {"version": study["version"], "reason": "other"}
    with ThreadPoolExecutor(2) as pool:
        withdrawal = pool.submit(other.post, path, json=body)
        correction = pool.submit(correct, reviewer, study, LEE)
        statuses = {withdrawal.result().status_code, correction.result()["http"]}
    # A study without images is gone (410) for whoever comes after the withdrawal.
    assert statuses in ({200, 409}, {200, 410})


def test_of_two_people_who_restore_one_instance_at_once_one_is_told(
    reviewer: TestClient, as_: As, send: Send, phantoms: list[bytes]
) -> None:
    contents = [dicom_of(phantoms[n], **KIM, SOPInstanceUID="1.2.840.77") for n in range(2)]
    images = []
    for content in contents:
        (image,) = send(content)["images"]
        withdraw(reviewer, image)
        images.append(image)
    with ThreadPoolExecutor(2) as pool:
        clients = (reviewer, as_(Role.ADMINISTRATOR))
        answers = list(pool.map(restore, clients, images))
    assert sorted(answer["http"] for answer in answers) == [200, 409]


@pytest.mark.parametrize("typed", ["K001 ", "\u00a0K001\t"])
def test_spaces_around_typed_identifiers_make_no_other_patient(
    reviewer: TestClient, as_: As, send: Send, read_all: Callable[[], int], typed: str
) -> None:
    (kim,), (lee,) = send(KIM)["images"], send(LEE_FILE | SECOND)["images"]
    read_all()
    typed_patient = KIM_CORRECTED | {"patient_id": typed, "patient_name": " Kim^Tiny "}
    corrected = correct(reviewer, study_of(reviewer, lee), typed_patient)
    assert (corrected["patient"]["id"], corrected["patient"]["name"]) == ("K001", "Kim^Tiny")
    empty = correct(reviewer, corrected, KIM_CORRECTED | {"patient_id": "  "})
    assert empty["http"] == 422
    purge = as_(Role.ADMINISTRATOR).post("/v1/patients/purge", json={"patient_id": typed})
    assert purge.json() == {"studies": 2}
    assert kim["study"] != lee["study"]
