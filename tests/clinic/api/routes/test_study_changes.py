"""Judgements of studies that changed while they were open, and of two people at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import Site

from ...conftest import on_both_databases
from ...patients import KIM, KIM_CORRECTED, Send, study_of

pytestmark = on_both_databases

As = Callable[[Role], TestClient]

LEE = {
    "patient_id": "K999",
    "patient_id_issuer": None,
    "patient_name": "Lee^Bo",
    "birth_date": "2023-01-05",
    "sex": "F",
    "accession": None,
}
AGREE = {"answer": "agree"}


@pytest.fixture
def seen(as_: As, send: Send, read_all: Callable[[], int]) -> dict[str, Any]:
    """Return a study of two images as a clinician saw it."""
    (image, _) = send(KIM, KIM)["images"]
    read_all()
    return study_of(as_(Role.CLINICIAN), image)


def judge(client: TestClient, study: dict[str, Any], place: int = 0) -> dict[str, Any]:
    path = f"/v1/images/{study['images'][place]['id']}/judgements"
    answer = client.post(path, json=AGREE | {"study_version": study["version"]})
    return answer.json() | {"http": answer.status_code}


def correct(client: TestClient, study: dict[str, Any], *images: str) -> dict[str, Any]:
    body = LEE | {"version": study["version"], "images": list(images) or None}
    answer = client.patch(f"/v1/studies/{study['id']}/patient", json=body)
    return answer.json() | {"http": answer.status_code}


def test_a_judgement_of_a_corrected_study_is_refused_and_the_change_is_told(
    as_: As, seen: dict[str, Any]
) -> None:
    clinician, reviewer = as_(Role.CLINICIAN), as_(Role.REVIEWER)
    address = f"/v1/studies/{seen['id']}/version"
    assert clinician.get(address).json()["version"] == seen["version"]
    corrected = correct(reviewer, seen)
    refused = judge(clinician, seen)
    assert refused["http"] == 409
    assert "corrected by a reviewer: patient ID and name" in refused["detail"]
    assert "nothing was saved" in refused["detail"]
    told = clinician.get(address)
    assert told.json()["version"] == corrected["version"] > seen["version"]
    assert told.json()["change"] == "corrected by a reviewer: patient ID and name"
    assert not any(name in told.text + refused["detail"] for name in ("Kim", "Lee", "K999"))
    path = f"/v1/images/{seen['images'][0]['id']}/judgements"
    assert clinician.get(path).json() == []
    saved = judge(clinician, corrected)
    assert (saved["http"], saved["study_version"]) == (201, corrected["version"])


def test_an_image_that_was_moved_is_not_judged_as_the_other_patients(
    as_: As, seen: dict[str, Any]
) -> None:
    clinician, reviewer = as_(Role.CLINICIAN), as_(Role.REVIEWER)
    moved = correct(reviewer, seen, seen["images"][1]["id"])
    assert moved["id"] != seen["id"]
    for place in (0, 1):
        assert judge(clinician, seen, place)["http"] == 409
    told = [
        clinician.get(f"/v1/studies/{study['id']}/version").json()["change"]
        for study in (seen, moved)
    ]
    assert told[0] == "images were moved to another study by a reviewer"
    assert told[1].startswith("corrected by a reviewer: patient ID, name")
    assert judge(clinician, moved)["http"] == 201


def test_withdrawn_restored_and_added_images_change_a_study(
    as_: As, send: Send, seen: dict[str, Any]
) -> None:
    clinician, reviewer = as_(Role.CLINICIAN), as_(Role.REVIEWER)

    def change() -> str:
        return str(clinician.get(f"/v1/studies/{seen['id']}/version").json()["change"])

    path = f"/v1/images/{seen['images'][1]['id']}/withdrawal"
    body = {"version": seen["version"], "reason": "wrong file"}
    reviewer.post(path, json=body)
    assert change() == "an image was withdrawn (wrong file)"
    assert "an image was withdrawn" in judge(clinician, seen)["detail"]
    reviewer.delete(path)
    assert change() == "a withdrawn image was restored"
    send(KIM)
    assert change() == "an image was added"
    assert judge(clinician, seen)["http"] == 409


def test_who_has_seen_a_reading_is_not_blind_after_its_age_was_corrected(
    as_: As, clinic: Clinic, seen: dict[str, Any], read_all: Callable[[], int]
) -> None:
    """The image that takes the place of another has the same pixels."""
    with clinic.database.writing() as session:
        session.scalars(select(Site)).one().opinion_first = True
    clinician, reviewer = as_(Role.CLINICIAN), as_(Role.REVIEWER)

    def give_opinion(study: dict[str, Any], image: dict[str, Any]) -> bool:
        opinion = {"study_version": study["version"], "opinion": "pneumonia"}
        saved = clinician.post(f"/v1/images/{image['id']}/judgements", json=opinion)
        return bool(saved.json()["blind"])

    assert [give_opinion(seen, image) for image in seen["images"]] == [True, True]
    younger = KIM_CORRECTED | {"birth_date": "2024-01-05", "version": seen["version"]}
    reviewer.patch(f"/v1/studies/{seen['id']}/patient", json=younger)
    read_all()
    again = clinician.get(f"/v1/studies/{seen['id']}").json()
    assert {image["id"] for image in again["images"]}.isdisjoint(
        image["id"] for image in seen["images"]
    )
    assert [give_opinion(again, image) for image in again["images"]] == [False, False]


def test_two_people_who_judge_at_once_are_both_kept(as_: As, seen: dict[str, Any]) -> None:
    clients = [as_(Role.CLINICIAN), as_(Role.REVIEWER)]
    with ThreadPoolExecutor(2) as pool:
        saved = list(pool.map(judge, clients, [seen, seen]))
    assert [(answer["http"], answer["version"]) for answer in saved] == [(201, 1)] * 2
    told = [name for answer in saved for name in answer["others"]]
    assert told in (["a clinician"], ["a reviewer"])  # the second, of the first
    path = f"/v1/images/{seen['images'][0]['id']}/judgements"
    assert {row["name"] for row in clients[0].get(path).json()} == {"a clinician", "a reviewer"}


def test_a_judgement_and_a_correction_at_once_do_not_mix_patients(
    as_: As, seen: dict[str, Any]
) -> None:
    clinician, reviewer = as_(Role.CLINICIAN), as_(Role.REVIEWER)
    with ThreadPoolExecutor(2) as pool:
        judged, corrected = (
            pool.submit(judge, clinician, seen),
            pool.submit(correct, reviewer, seen),
        )
    assert corrected.result()["http"] == 200
    path = f"/v1/images/{seen['images'][0]['id']}/judgements"
    rows = clinician.get(path).json()
    assert judged.result()["http"] == (201 if rows else 409)
    assert [row["study_version"] for row in rows] == [seen["version"]] * len(rows)
