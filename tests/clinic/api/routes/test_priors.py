import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import AuditEntry, Site, Study

As = Callable[[Role], TestClient]
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def studies(clinic: Clinic) -> dict[str, str]:
    """Make four studies of a patient, one of another, one of nobody, one at another site."""
    with clinic.database.writing() as session:
        here = session.scalars(select(Site)).one()
        there = Site(name="Ward 2", displayed=True)

        def study(day: int, taken: int | None, patient: str | None, site: Site = here) -> Study:
            acquired = None if taken is None else NEW_YEAR + timedelta(days=taken)
            return Study(
                site=site,
                patient_id=patient,
                received=NEW_YEAR + timedelta(days=day),
                acquired=acquired,
            )

        made = {
            "now": study(50, 50, "P-1"),
            "old, late sent": study(60, 1, "P-1"),
            "undated": study(20, None, "P-1"),
            "last year": study(9, -100, "P-1"),
            "another's": study(1, 1, "P-2"),
            "nobody's": study(1, 1, None),
            "nobody's either": study(2, 2, None),
            "elsewhere": study(1, 1, "P-1", there),
        }
        session.add_all(made.values())
        session.flush()
        return {name: one.id for name, one in made.items()}


def test_priors_are_the_patients_other_studies_at_the_site_newest_first(
    as_: As, clinic: Clinic, studies: dict[str, str]
) -> None:
    clinician = as_(Role.CLINICIAN)

    def prior_studies(name: str, **more: int) -> list[str]:
        answer = clinician.get(f"/v1/studies/{studies[name]}/priors", params=more)
        assert answer.status_code == 200
        names = {study_id: name for name, study_id in studies.items()}
        return [names[one["id"]] for one in answer.json()]

    assert prior_studies("now") == ["undated", "old, late sent", "last year"]
    assert prior_studies("now", limit=1) == ["undated"]
    assert prior_studies("last year") == ["now", "undated", "old, late sent"]
    assert (
        prior_studies("elsewhere") == prior_studies("another's") == prior_studies("nobody's") == []
    )
    with clinic.database.reading() as session:
        entries = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "see priors").order_by(AuditEntry.number)
        ).all()
    assert [one.object for one in entries[:2]] == [f"study {studies['now']}"] * 2
    assert json.loads(entries[1].detail) == {"studies": [studies["undated"]]}
    assert entries[0].actor == "a clinician"


def test_priors_keep_to_shadow_mode_and_what_is_not_there(
    as_: As, clinic: Clinic, studies: dict[str, str]
) -> None:
    with clinic.database.writing() as session:
        session.get_one(Study, studies["undated"]).urgency = 0.9
        session.get_one(Study, studies["now"]).site.displayed = False
    path = f"/v1/studies/{studies['now']}/priors"
    hidden, shown = (as_(role).get(path).json()[0] for role in (Role.CLINICIAN, Role.REVIEWER))
    assert (hidden["withheld"], hidden["probability"]) == (True, None)
    assert (shown["withheld"], shown["probability"]) == (False, 0.9)
    assert as_(Role.CLINICIAN).get(f"/v1/studies/{'0' * 32}/priors").status_code == 404
