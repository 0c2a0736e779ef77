"""Settings of sites, and readings that are outside."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.identity.setup_link import create_setup_token
from pneumoscope.clinic.queue.worker import Worker
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import AuditEntry, Site, StoredReading, User
from pneumoscope.clinic.storage.unknown_age import UnknownAge
from pneumoscope.reader import Reader

from ...populations import CHILDREN, dicom_of, reader_for

As = Callable[[Role], TestClient]


def audit_details(clinic: Clinic) -> list[tuple[str, dict[str, object]]]:
    with clinic.database.reading() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.number))
        return [(entry.action, json.loads(entry.detail)) for entry in entries]


def test_what_unknown_ages_mean_is_set_by_administrators_and_audited(
    as_: As, clinic: Clinic
) -> None:
    administrator = as_(Role.ADMINISTRATOR)
    (site,) = administrator.get("/v1/sites").json()
    assert (site["displayed"], site["unknown_age"]) == (True, "ask")
    path, change = f"/v1/sites/{site['id']}", {"unknown_age": "adults"}
    assert as_(Role.REVIEWER).patch(path, json=change).status_code == 403
    assert administrator.patch(path, json={"unknown_age": "elders"}).status_code == 422
    assert administrator.patch(path, json=change).json() == site | change
    assert audit_details(clinic) == [("display site", {"unknown age": "adults"})]
    new = {"name": "East", "unknown_age": "children"}
    assert administrator.post("/v1/sites", json=new).json()["unknown_age"] == "children"


def test_the_prevalence_of_a_site_gives_findings_their_meaning(
    as_: As, clinic: Clinic, phantoms: list[bytes], read_all: Callable[[], int]
) -> None:
    """By Bayes' theorem from the likelihood ratio that the bundle states."""
    administrator = as_(Role.ADMINISTRATOR)
    (site,) = administrator.get("/v1/sites").json()
    assert site["prevalence"] is None
    sent = [("files", ("a.png", phantoms[0], "image/png"))]
    image = administrator.post("/v1/readings", files=sent).json()["images"][0]["id"]
    read_all()
    ratio = 9.0
    with clinic.database.writing() as session:
        row = session.scalars(select(StoredReading)).one()
        row.likelihood_ratio = {"value": ratio, "low": 6.0, "high": 18.0}
    path = f"/v1/sites/{site['id']}"

    def reading() -> dict[str, Any]:
        return dict(administrator.get(f"/v1/readings/{image}").json()["reading"])

    unknown = reading()
    assert unknown["likelihood_ratio"]["value"] == ratio
    assert unknown["post_test"]["value"] is None
    assert "at a prevalence of 5 to 30 %" in unknown["post_test"]["words"]

    for wrong in ({"low": 0.0, "high": 0.2}, {"low": 0.3, "high": 0.2}, {"low": 0.3, "high": 1}):
        assert administrator.patch(path, json={"prevalence": wrong}).status_code == 422
    even = {"low": 0.5, "high": 0.5}
    assert administrator.patch(path, json={"prevalence": even}).json()["prevalence"] == even
    assert ("display site", {"prevalence": even}) in audit_details(clinic)
    assert reading()["post_test"]["value"] == pytest.approx(ratio / (1 + ratio))


@pytest.mark.parametrize("asked", [{}, {"unknown_age": "children"}])
def test_setup_sets_what_unknown_ages_mean(
    clinic: Clinic, anonymous: TestClient, asked: dict[str, str]
) -> None:
    now = datetime.now(UTC)
    with clinic.database.writing() as session:
        session.delete(session.scalars(select(User).where(User.role == "administrator")).one())
        session.flush()
        token = create_setup_token(session, now)
    account = {"name": "anna", "password": "four words and a number 7", "token": token}
    assert anonymous.post("/v1/setup", json=account | asked).status_code == 201
    expected = asked.get("unknown_age", "ask")
    with clinic.database.reading() as session:
        assert session.scalars(select(Site.unknown_age)).all() == [expected]
    (action, detail), *_ = audit_details(clinic)
    assert (action, detail["unknown age"]) == ("set up", expected)


@pytest.fixture
def adult(as_: As, clinic: Clinic, reader: Reader, phantoms: list[bytes]) -> dict[str, str]:
    """Return an adult's image, as submitted to a server for children, after its reading."""
    content = dicom_of(phantoms[0], PatientAge="045Y")
    sent = [("files", ("adult.dcm", content, "application/dicom"))]
    (image,) = as_(Role.SERVICE).post("/v1/readings", files=sent).json()["images"]
    children = dict.fromkeys(UnknownAge, reader_for(reader, CHILDREN))
    assert Worker(clinic.database, clinic.store, children, "screening", "a").step() == 1
    return image


def test_an_image_that_is_outside_has_a_reason_and_nothing_else(
    as_: As, adult: dict[str, str]
) -> None:
    client = as_(Role.CLINICIAN)
    reading = client.get(f"/v1/readings/{adult['id']}").json()["reading"]
    assert (reading["status"], reading["refusal"]) == ("outside", "age")
    assert reading["reasons"] == ["adult, 45 years; the children's network does not apply"]
    assert (reading["probability"], reading["finding"], reading["findings"]) == (None, None, {})
    assert "probability_outside" not in reading
    assert reading["has_heatmap"] is False
    for layer in ("heatmap", "highlights"):
        assert client.get(f"/v1/images/{adult['id']}/{layer}").status_code == 404
    assert client.get(f"/v1/images/{adult['id']}/pixels").status_code == 200
    study = client.get(f"/v1/studies/{adult['study']}").json()
    assert (study["status_text"], study["probability"]) == (
        f"not read: {reading['reasons'][0]}",
        None,
    )
    assert study["needs_look"]
    unread = client.post("/v1/studies/search", json={"unread": True}).json()["studies"]
    assert [found["id"] for found in unread] == [adult["study"]]


def test_an_image_that_is_outside_is_judged_like_a_rejected_one(
    as_: As, adult: dict[str, str]
) -> None:
    judgement = {"study_version": 1, "answer": "uncertain", "truth": "PNEUMONIA"}
    client = as_(Role.CLINICIAN)
    answer = client.post(f"/v1/images/{adult['id']}/judgements", json=judgement)
    assert answer.status_code == 201
    study = client.get(f"/v1/studies/{adult['study']}").json()
    assert (study["status_text"], study["needs_look"]) == ("reviewed", False)


def test_refusals_are_counted_for_prometheus(as_: As, adult: dict[str, str]) -> None:
    text = as_(Role.SERVICE).get("/metrics").text
    assert 'pneumoscope_refusals_total{reason="age",status="outside"} 1.0' in text
    assert "45" not in "".join(line for line in text.splitlines() if "refusals" in line)
