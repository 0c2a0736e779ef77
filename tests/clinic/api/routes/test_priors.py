import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import AuditEntry, Site, Study

from ...conftest import on_both_databases
from ...patients import KIM, Send

pytestmark = on_both_databases

As = Callable[[Role], TestClient]
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def studies(clinic: Clinic) -> dict[str, str]:
    """Create studies of a patient, and others that may not be offered as priors of them."""
    with clinic.database.writing() as session:
        here = session.scalars(select(Site)).one()
        there = Site(name="Ward 2", displayed=True)

        def study(
            day: int, taken: int | None, patient: str | None, site: Site = here, **more: object
        ) -> Study:
            acquired = None if taken is None else NEW_YEAR + timedelta(days=taken)
            return Study(
                **more,
                site=site,
                patient_id=patient,
                received=NEW_YEAR + timedelta(days=day),
                acquired=acquired,
            )

        studies = {
            "now": study(50, 50, "P-1", sex="M", birth_date=date(2022, 1, 1)),
            "old, late sent": study(60, 1, "P-1"),
            "undated": study(20, None, "P-1"),
            "last year": study(9, -100, "P-1"),
            "another's": study(1, 1, "P-2"),
            "nobody's": study(1, 1, None),
            "nobody's either": study(2, 2, None),
            "elsewhere": study(1, 1, "P-1", there),
            "another hospital's": study(1, 1, "P-1", patient_id_issuer="B"),
            "held": study(1, 1, "P-1", conflict="it states another name"),
            "withdrawn": study(1, 1, "P-1", withdrawn=NEW_YEAR),
            "a sister's": study(2, 2, "P-1", sex="F", birth_date=date(2023, 1, 1)),
            "the same day, no time": study(60, None, "P-1", study_date=date(2026, 2, 20)),
        }
        session.add_all(studies.values())
        session.flush()
        return {name: study.id for name, study in studies.items()}


def test_priors_are_the_patients_earlier_studies_at_the_site_newest_first(
    as_: As, clinic: Clinic, studies: dict[str, str]
) -> None:
    clinician = as_(Role.CLINICIAN)

    def priors_of(name: str, **params: int) -> list[str]:
        answer = clinician.get(f"/v1/studies/{studies[name]}/priors", params=params)
        assert answer.status_code == 200
        names = {study_id: name for name, study_id in studies.items()}
        return [names[study["id"]] for study in answer.json()]

    assert priors_of("now") == ["undated", "old, late sent", "last year"]
    assert priors_of("now", limit=1) == ["undated"]
    assert priors_of("undated") == ["a sister's", "old, late sent", "last year"]
    for name in ("last year", "elsewhere", "another's", "nobody's", "another hospital's", "held"):
        assert priors_of(name) == []
    with clinic.database.reading() as session:
        entries = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "see priors").order_by(AuditEntry.number)
        ).all()
    assert [entry.object for entry in entries[:2]] == [f"study {studies['now']}"] * 2
    assert json.loads(entries[1].detail) == {"studies": [studies["undated"]]}
    assert entries[0].actor == "a clinician"


def test_priors_without_an_issuer_are_offered_with_a_caution_if_the_patient_agrees(
    service: TestClient, send: Send
) -> None:
    def sent(number: int, **attributes: str) -> str:
        day = {"StudyDate": f"202610{number:02}", "StudyInstanceUID": f"1.{number}"}
        (image,) = send(KIM | day | attributes)["images"]
        return str(image["study"])

    agreeing = sent(1)
    sent(2, PatientID="K002", PatientSex="")  # another's
    sent(3, IssuerOfPatientID="WEST")
    same = sent(4, IssuerOfPatientID="EAST")
    now = sent(20, IssuerOfPatientID="EAST")

    def priors() -> dict[str, str | None]:
        found = service.get(f"/v1/studies/{now}/priors").json()
        return {study["id"]: study["caution"] for study in found}

    caution = "patient ID without issuer: check that it is the same person"
    assert priors() == {same: None, agreeing: caution}
    assert list(priors()) == [same, agreeing]
    assert service.get(f"/v1/studies/{same}/priors").json()[0]["caution"] == caution


@pytest.mark.parametrize(
    "stated",
    [
        {"PatientName": ""},
        {"PatientBirthDate": ""},
        {"PatientSex": ""},
        {"PatientName": "Lee^Bo"},
        {"PatientBirthDate": "20230106"},
        {"PatientSex": "M"},
        {"PatientName": "김^작은"},  # in another script, which nothing compares
    ],
)
def test_priors_without_an_issuer_are_never_offered_otherwise(
    service: TestClient, send: Send, stated: dict[str, str]
) -> None:
    earlier = KIM | {"StudyDate": "20261001", "StudyInstanceUID": "1.1"} | stated
    send(earlier | {"SpecificCharacterSet": "ISO_IR 192"})
    (now,) = send(KIM | {"IssuerOfPatientID": "EAST"})["images"]
    assert service.get(f"/v1/studies/{now['study']}/priors").json() == []


def test_priors_hide_readings_in_shadow_mode(
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
