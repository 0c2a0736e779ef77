"""Sites that show a reading after the clinician's own opinion: until then, nothing of it leaks."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import (
    AuditEntry,
    Image,
    Job,
    Judgement,
    Site,
    StoredReading,
    Study,
    User,
)
from pneumoscope.clinic.worklist.judgements import latest_judgements

from ...conftest import on_both_databases

As = Callable[[Role], TestClient]

START = datetime(2026, 11, 25, 8, tzinfo=UTC)
SECRETS = ("0.87", "pneumonia", "opacity", "uncertain", "flagged")
"""What tells of the finding of the study below."""


def image(name: str, status: str, probability: float | None, minute: int) -> Image:
    received = START + timedelta(minutes=minute)
    made = Image(sha256=name[0] * 64, name=name, media_type="image/png", size=1, received=received)
    made.reading = StoredReading(
        created=received,
        bundle="b",
        status=status,
        operating_point="screening",
        finding=None if probability is None else "pneumonia suspected",
        probability=probability,
        findings={} if probability is None else {"screening": "pneumonia suspected"},
        reasons=["a blank image"] if probability is None else ["opacity at the edge"],
        quality=[],
        milliseconds=1.0,
    )
    return made


@pytest.fixture
def study(clinic: Clinic) -> dict[str, str]:
    """Return identifiers: of a study whose images a and b were read and c was not; of its job."""
    with clinic.database.writing() as session:
        site = session.scalars(select(Site)).one()
        site.opinion_first = True
        service = session.scalars(select(User).where(User.role == "clinician")).one()
        job = Job(created=START, created_by=service.id)
        calm = Study(site=site, accession="calm", received=START, urgency=0.1)
        calm.images.append(image("d", "read", 0.1, 0))
        study = Study(site=site, accession="three", received=START + timedelta(1), urgency=0.87)
        study.images += [image("a", "flagged", 0.87, 1), image("b", "read", 0.2, 2)]
        late = Study(
            site=site,
            accession="late",
            received=START + timedelta(2),
            urgency=0.9,
            needs_look=True,
        )
        late.images += [image("e", "read", 0.9, 1), image("c", "rejected", None, 3)]
        session.add_all([job, calm, study, late])
        session.flush()
        for each in study.images:
            each.job_id = job.id
        return {"study": study.id, "job": job.id, "late": late.id} | {
            each.name: each.id for each in (*study.images, *late.images)
        }


def bodies(client: TestClient, ids: dict[str, str]) -> list[str]:
    """Return everything that a client can see of the study."""
    answers = [
        client.get(f"/v1/studies/{ids['study']}"),
        client.get(f"/v1/studies/{ids['study']}/report"),
        client.get(f"/v1/jobs/{ids['job']}"),
        client.get(f"/v1/jobs/{ids['job']}/images"),
        client.post("/v1/studies/search", json={"text": "three"}),
        client.post("/v1/studies/search", json={"limit": 1}),
    ]
    for name in "ab":
        layers = ("judgements", "heatmap", "highlights")
        answers += [client.get(f"/v1/images/{ids[name]}/{layer}") for layer in layers]
        answers.append(client.get(f"/v1/readings/{ids[name]}"))
    return [f"{answer.request.url} {answer.text}" for answer in answers]


def test_nothing_leaks_until_each_image_has_an_opinion(as_: As, study: dict[str, str]) -> None:
    clinician, reviewer = as_(Role.CLINICIAN), as_(Role.REVIEWER)
    other = {"study_version": 1, "answer": "agree", "truth": "PNEUMONIA", "text": "opacity"}
    assert reviewer.post(f"/v1/images/{study['a']}/judgements", json=other).status_code == 201

    def leaks() -> set[str]:
        return {
            secret
            for body in bodies(clinician, study)
            for secret in SECRETS
            if secret in body.lower().replace("pneumoscope", "")
        }

    assert leaks() == set()
    path = f"/v1/images/{study['a']}/judgements"
    assert clinician.post(path, json={"study_version": 1, "answer": "disagree"}).status_code == 403
    assert clinician.post(path, json={"study_version": 1, "opinion": "not sure"}).status_code == 201
    metrics = as_(Role.SERVICE).get("/metrics")
    assert 'pneumoscope_judgements{answer="opinion"} 1.0' in metrics.text
    images = clinician.get(f"/v1/studies/{study['study']}").json()["images"]
    assert [each["judged"] for each in images] == [True, False]
    assert leaks() == set()  # the reading of one image would bias the opinion of the next
    assert clinician.get(f"/v1/studies/{study['study']}/report").status_code == 403
    other_path = f"/v1/images/{study['b']}/judgements"
    assert (
        clinician.post(other_path, json={"study_version": 1, "opinion": "no pneumonia"}).status_code
        == 201
    )
    assert {"0.87", "opacity", "flagged"} <= leaks()
    shown = clinician.get(f"/v1/studies/{study['study']}").json()
    assert (shown["withheld"], shown["probability"]) == (False, 0.87)
    assert shown["status"] == "awaiting review"  # until the readings are answered, too
    assert [each["judged"] for each in shown["images"]] == [False, False]
    for each in (path, other_path):
        assert (
            clinician.post(each, json={"study_version": 1, "opinion": "pneumonia"}).status_code
            == 409
        )
        assert (
            clinician.post(each, json={"study_version": 1, "answer": "agree"}).json()["version"]
            == 2
        )
    assert clinician.get(f"/v1/studies/{study['study']}").json()["status"] == "reviewed"
    own = [row for row in clinician.get(path).json() if row["name"] == "a clinician"]
    assert [(row["opinion"], row["answer"]) for row in own] == [
        ("not sure", None),
        (None, "agree"),
    ]
    assert own[0]["created"] < own[1]["created"]


def blind(client: TestClient, ids: dict[str, str], name: str) -> list[bool]:
    rows = client.get(f"/v1/images/{ids[name]}/judgements").json()
    return [row["blind"] for row in rows if row["opinion"] is not None]


def test_only_opinions_before_the_reading_was_shown_are_blind(
    as_: As, clinic: Clinic, study: dict[str, str]
) -> None:
    clinician = as_(Role.CLINICIAN)

    def give(name: str, version: int) -> None:
        opinion = {"study_version": version, "opinion": "pneumonia"}
        path = f"/v1/images/{study[name]}/judgements"
        assert clinician.post(path, json=opinion).status_code == 201

    give("a", 1)
    give("a", 1)  # a changed mind, while the reading is still hidden
    give("b", 1)
    assert clinician.get(f"/v1/studies/{study['study']}").json()["probability"] == 0.87
    with clinic.database.writing() as session:  # a further image hides the readings again
        row = session.get_one(Study, study["study"])
        row.images.append(image("f", "read", 0.3, 9))
        row.version += 1
        session.flush()
        study["f"] = row.images[-1].id
    assert clinician.get(f"/v1/studies/{study['study']}").json()["probability"] is None
    give("a", 2)
    give("f", 2)
    assert blind(clinician, study, "a") == [True, True, False]
    assert blind(clinician, study, "f") == [True]
    with clinic.database.reading() as session:
        first = session.scalars(latest_judgements(blind=True).order_by(Judgement.created)).all()
    assert [(row.image_id, row.version) for row in first] == [
        (study["a"], 2),
        (study["b"], 1),
        (study["f"], 1),
    ]


def test_readings_that_were_displayed_once_are_not_judged_blind_later(
    as_: As, clinic: Clinic, study: dict[str, str]
) -> None:
    administrator, clinician = as_(Role.ADMINISTRATOR), as_(Role.CLINICIAN)
    (site,) = administrator.get("/v1/sites").json()
    for change in ({"opinion_first": False}, {"displayed": False}):
        assert administrator.patch(f"/v1/sites/{site['id']}", json=change).status_code == 200
    with clinic.database.writing() as session:
        row = session.get_one(Study, study["study"])
        for earlier in row.images:
            earlier.reading.created = datetime.now(UTC) - timedelta(hours=1)
        later = image("f", "read", 0.3, 9)
        later.reading.created = datetime.now(UTC)
        row.images.append(later)
        session.flush()
        study["f"] = later.id
    for name in "af":
        opinion = {"study_version": 1, "opinion": "pneumonia"}
        saved = clinician.post(f"/v1/images/{study[name]}/judgements", json=opinion)
        assert saved.json()["blind"] is (name == "f")


def test_where_nothing_is_displayed_a_changed_mind_is_blind_too(
    as_: As, clinic: Clinic, study: dict[str, str]
) -> None:
    with clinic.database.writing() as session:
        site = session.scalars(select(Site)).one()
        site.displayed = site.opinion_first = False
    clinician, path = as_(Role.CLINICIAN), f"/v1/images/{study['a']}/judgements"
    for version, opinion in ((1, "not sure"), (2, "pneumonia")):
        saved = clinician.post(path, json={"study_version": version, "opinion": opinion})
        assert saved.json()["blind"] is True
        with clinic.database.writing() as session:  # a second view arrives
            session.get_one(Study, study["study"]).version += 1


def test_programs_see_a_reading_once_a_person_has_judged(as_: As, study: dict[str, str]) -> None:
    service, clinician = as_(Role.SERVICE), as_(Role.CLINICIAN)
    path = f"/v1/studies/{study['study']}"
    for name in "ab":
        assert service.get(f"{path}/report").status_code == 403
        assert service.get(path).json()["probability"] is None
        judged = f"/v1/images/{study[name]}/judgements"
        clinician.post(judged, json={"study_version": 1, "opinion": "not sure"})
    assert service.get(path).json()["probability"] == 0.87


def test_overseers_see_readings_at_once(as_: As, study: dict[str, str]) -> None:
    for role in (Role.REVIEWER, Role.ADMINISTRATOR):
        shown = as_(role).get(f"/v1/studies/{study['study']}").json()
        assert (shown["withheld"], shown["probability"]) == (False, 0.87)


@on_both_databases
def test_the_order_is_that_of_arrival_after_what_needs_a_look(
    as_: As, study: dict[str, str]
) -> None:
    clinician, reviewer = as_(Role.CLINICIAN), as_(Role.REVIEWER)

    def listed(client: TestClient) -> tuple[list[str], str]:
        page = client.post("/v1/studies/search", json={}).json()
        return [each["accession"] for each in page["studies"]], page["order"]

    by_arrival = (["late", "calm", "three"], "longest waiting first, since readings are hidden")
    assert listed(clinician) == by_arrival
    assert listed(reviewer) == (["late", "three", "calm"], "most urgent first")
    for name in "ab":
        path = f"/v1/images/{study[name]}/judgements"
        clinician.post(path, json={"study_version": 1, "opinion": "pneumonia"})
    assert listed(clinician) == by_arrival  # moving it would tell of the others


def test_that_an_image_could_not_be_read_is_shown(as_: As, study: dict[str, str]) -> None:
    shown = as_(Role.CLINICIAN).get(f"/v1/studies/{study['late']}").json()
    assert (shown["needs_look"], shown["probability"]) == (True, None)
    assert shown["status_text"] == "1 of 2 images not read: a blank image"
    read, rejected = shown["images"]
    assert (read["reading"], read["opinion_first"]) == (None, True)
    assert (rejected["reading"]["status"], rejected["withheld"]) == ("rejected", False)
    path = f"/v1/images/{study['c']}/judgements"
    assert (
        as_(Role.CLINICIAN).post(path, json={"study_version": 1, "answer": "agree"}).status_code
        == 201
    )


@on_both_databases
def test_disputes_are_no_way_to_learn_of_a_finding(as_: As, study: dict[str, str]) -> None:
    search = {"disputed": True}
    path = f"/v1/images/{study['a']}/judgements"
    as_(Role.CLINICIAN).post(path, json={"study_version": 1, "opinion": "no pneumonia"})
    assert as_(Role.CLINICIAN).post("/v1/studies/search", json=search).json()["studies"] == []
    (disputed,) = as_(Role.REVIEWER).post("/v1/studies/search", json=search).json()["studies"]
    assert disputed["accession"] == "three"  # the opinion contradicts the finding


def test_it_is_set_by_administrators_and_audited(as_: As, clinic: Clinic) -> None:
    administrator = as_(Role.ADMINISTRATOR)
    (site,) = administrator.get("/v1/sites").json()
    path, change = f"/v1/sites/{site['id']}", {"opinion_first": True}
    assert site["opinion_first"] is False
    assert as_(Role.REVIEWER).patch(path, json=change).status_code == 403
    assert administrator.patch(path, json=change).json() == site | change
    with clinic.database.reading() as session:
        entry = session.scalars(select(AuditEntry).order_by(AuditEntry.number.desc())).first()
    assert entry is not None
    assert json.loads(entry.detail) == {"opinion first": True}
