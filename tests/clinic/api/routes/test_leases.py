"""Who has a study open: others see it, and nobody is blocked."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import AuditEntry, Site, Study, StudyLease, UserSession

from ...conftest import on_both_databases
from ..conftest import PASSWORD

pytestmark = on_both_databases

As = Callable[[Role], TestClient]


@pytest.fixture
def study(clinic: Clinic) -> str:
    with clinic.database.writing() as session:
        row = Study(site=session.scalars(select(Site)).one(), received=datetime.now(UTC))
        session.add(row)
        session.flush()
        return row.id


def listed(client: TestClient) -> tuple[str, list[str]]:
    (study,) = client.post("/v1/studies/search", json={}).json()["studies"]
    return study["status_text"], study["in_review_by"]


def test_an_open_study_is_in_review_until_it_is_closed(as_: As, clinic: Clinic, study: str) -> None:
    clinician, reviewer = as_(Role.CLINICIAN), as_(Role.REVIEWER)
    path = f"/v1/studies/{study}/lease"
    for _ in range(2):  # the second renews it
        assert clinician.put(path).json() == {"in_review_by": ["a clinician"]}
    assert listed(reviewer) == ("in review by a clinician", ["a clinician"])
    both = ["a clinician", "a reviewer"]
    assert reviewer.put(path).json() == {"in_review_by": both}
    assert listed(as_(Role.SERVICE)) == ("awaiting review", [])  # programs see no names
    for client in (clinician, clinician, reviewer):
        assert client.delete(path).status_code == 204
    assert listed(reviewer) == ("awaiting review", [])
    with clinic.database.reading() as session:
        trail = select(AuditEntry.actor, AuditEntry.action).where(
            AuditEntry.object == f"study {study}"
        )
        assert [tuple(entry) for entry in session.execute(trail.order_by(AuditEntry.number))] == [
            ("a clinician", "open study"),
            ("a reviewer", "open study"),
            ("a clinician", "close study"),
            ("a reviewer", "close study"),
        ]


def test_a_lease_that_is_not_renewed_ends(as_: As, clinic: Clinic, study: str) -> None:
    clinician = as_(Role.CLINICIAN)
    clinician.put(f"/v1/studies/{study}/lease")
    with clinic.database.reading() as session:
        left = session.scalars(select(StudyLease.until)).one() - datetime.now(UTC)
    assert timedelta(seconds=60) < left <= timedelta(seconds=90)
    with clinic.database.writing() as session:
        session.execute(update(StudyLease).values(until=datetime.now(UTC) - timedelta(seconds=1)))
    assert listed(clinician) == ("awaiting review", [])


def test_renewing_does_not_keep_a_session_alive(
    anonymous: TestClient, clinic: Clinic, study: str
) -> None:
    answer = anonymous.post("/v1/session", json={"name": "a clinician", "password": PASSWORD})
    headers = {"X-CSRF-Token": answer.json()["csrf"]}
    before = datetime.now(UTC) - timedelta(minutes=5)
    with clinic.database.writing() as session:
        session.execute(update(UserSession).values(last_seen=before))
    assert anonymous.put(f"/v1/studies/{study}/lease", headers=headers).status_code == 200
    with clinic.database.reading() as session:
        assert session.scalars(select(UserSession.last_seen)).one() == before
