from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import AuditEntry, Site
from pneumoscope.dataset import open_dataset

from ....conftest import Outcome
from ...conftest import on_both_databases

As = Callable[[Role], TestClient]


@pytest.fixture
def image(as_: As, phantoms: list[bytes], read_all: Callable[[], int]) -> str:
    sent = [("files", ("a.png", phantoms[0], "image/png"))]
    made = as_(Role.SERVICE).post("/v1/readings", files=sent).json()["images"][0]
    read_all()
    return str(made["id"])


@on_both_databases
def test_a_judgement_is_created_changed_and_listed(as_: As, clinic: Clinic, image: str) -> None:
    clinician, reviewer = as_(Role.CLINICIAN), as_(Role.REVIEWER)
    path = f"/v1/images/{image}/judgements"
    first = clinician.post(path, json={"study_version": 1, "answer": "agree"})
    assert (first.status_code, first.json()["version"]) == (201, 1)
    why = {"study_version": 1, "answer": "disagree", "reason": "artefact", "text": "<b>a tube</b>"}
    assert clinician.post(path, json=why).json()["version"] == 2
    later = reviewer.post(path, json={"study_version": 1, "answer": "agree"}).json()
    assert (later["version"], later["others"]) == (1, ["a clinician"])  # both are kept
    judgements = reviewer.get(path).json()[:2]
    assert [(row["version"], row["answer"], row["text"]) for row in judgements] == [
        (1, "agree", None),
        (2, "disagree", "<b>a tube</b>"),
    ]
    listed = reviewer.post("/v1/studies/search", json={"disputed": True}).json()["studies"]
    assert [study["status"] for study in listed] == ["reviewed"]
    with clinic.database.reading() as session:
        trail = session.scalars(select(AuditEntry).where(AuditEntry.action == "judge")).all()
    assert [entry.actor for entry in trail] == ["a clinician"] * 2 + ["a reviewer"]
    assert "tube" not in trail[1].detail


def test_invalid_judgements_and_those_of_programs_are_refused(as_: As, image: str) -> None:
    path, clinician = f"/v1/images/{image}/judgements", as_(Role.CLINICIAN)
    for wrong in (
        {},
        {"study_version": 1, "answer": "perhaps"},
        {"study_version": 1, "answer": "agree", "x": 1},
        {"study_version": 1, "answer": "agree", "opinion": "pneumonia"},
        {"study_version": 1, "opinion": "pneumonia", "truth": "NORMAL"},
        {"study_version": 1, "answer": "agree", "text": "x" * 4001},
    ):
        assert clinician.post(path, json=wrong).status_code == 422, wrong
    right = {"study_version": 1, "answer": "agree"}
    assert as_(Role.SERVICE).post(path, json=right).status_code == 403


def test_in_shadow_mode_clinicians_give_their_opinion_and_see_no_answers(
    as_: As, clinic: Clinic, image: str
) -> None:
    with clinic.database.writing() as session:
        session.scalars(select(Site)).one().displayed = False
    path, clinician, reviewer = (
        f"/v1/images/{image}/judgements",
        as_(Role.CLINICIAN),
        as_(Role.REVIEWER),
    )
    assert clinician.post(path, json={"study_version": 1, "answer": "agree"}).status_code == 403
    assert reviewer.post(path, json={"study_version": 1, "answer": "agree"}).status_code == 201
    assert clinician.get(path).json() == []
    saved = clinician.post(
        path, json={"study_version": 1, "opinion": "no pneumonia", "text": "clear"}
    )
    assert saved.status_code == 201
    assert saved.json()["others"] == ["a reviewer"]
    assert [row["opinion"] for row in clinician.get(path).json()] == ["no pneumonia"]
    assert reviewer.post(path, json={"study_version": 1, "opinion": "pneumonia"}).status_code == 409
    rows = reviewer.get(path).json()
    assert [(row["answer"], row["opinion"], row["truth"]) for row in rows] == [
        ("agree", None, None),
        (None, "no pneumonia", "NORMAL"),
    ]
    found = clinician.get(f"/v1/readings/{image}").json()
    assert (found["withheld"], found["reading"], found["judged"]) == (True, None, True)


def test_an_opinion_alone_reviews_a_study_in_shadow_mode(
    as_: As, clinic: Clinic, image: str
) -> None:
    with clinic.database.writing() as session:
        session.scalars(select(Site)).one().displayed = False
    clinician = as_(Role.CLINICIAN)
    clinician.post(
        f"/v1/images/{image}/judgements", json={"study_version": 1, "opinion": "not sure"}
    )
    (study,) = clinician.post("/v1/studies/search", json={"status": "reviewed"}).json()["studies"]
    assert study["status_text"] == "reviewed"


def test_judgements_become_the_labels_of_a_dataset(
    as_: As,
    clinic: Clinic,
    phantoms: list[bytes],
    read_all: Callable[[], int],
    pneumoscope: Callable[..., Outcome],
    tmp_path: Path,
) -> None:
    sent = [("files", (f"{i}.png", content, "image/png")) for i, content in enumerate(phantoms)]
    images = as_(Role.SERVICE).post("/v1/readings", files=sent).json()["images"]
    read_all()
    truths = ["NORMAL", "PNEUMONIA"] * 3
    for image, truth in zip(images, truths, strict=True):
        judgement = {"study_version": 1, "answer": "uncertain", "truth": truth}
        as_(Role.REVIEWER).post(f"/v1/images/{image['id']}/judgements", json=judgement)
    out = tmp_path / "labels.csv"
    url = clinic.settings.database_url
    command = ["labels", "--data", clinic.settings.data, "--database", url, "--out", out]
    assert pneumoscope(*command).code == 0
    manifest = open_dataset(out, images=clinic.store.folder)
    labels = {entry.path.split("/")[1]: entry.label.name for entry in manifest.entries}
    assert labels == {image["sha256"]: truth for image, truth in zip(images, truths, strict=True)}
    assert len({entry.group for entry in manifest.entries}) == 6
    again = pneumoscope(*command)
    assert (again.code, "not empty" in again.err) == (1, True)
