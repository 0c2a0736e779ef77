"""Patients are never mixed: conflicting identities, repeated images, times and ages."""

import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zipfile import ZipFile

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from pneumoscope.clinic.identity.accounts import Role
from pneumoscope.clinic.monitoring.observations import observations_between
from pneumoscope.clinic.queue.worker import Worker
from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import AuditEntry, Image, Task
from pneumoscope.reader import Reader

from ...conftest import on_both_databases
from ...patients import KIM, Send, study_of
from ...populations import automatic_readers, dicom_of

As = Callable[[Role], TestClient]


def audited(clinic: Clinic, action: str) -> list[tuple[str, dict[str, Any]]]:
    with clinic.database.reading() as session:
        rows = session.scalars(
            select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.number)
        )
        return [(row.object, json.loads(row.detail)) for row in rows]


@on_both_databases
@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"PatientID": "K999"}, "another patient ID"),
        ({"PatientID": "K999", "PatientName": "Lee^Bo"}, "another patient ID and name"),
        ({"IssuerOfPatientID": "EAST"}, "another issuer of the patient ID"),
        ({"PatientBirthDate": "20230106"}, "another birth date"),
        ({"PatientName": "Lee^Bo", "PatientSex": "M"}, "another name and sex"),
    ],
)
def test_a_file_of_another_patient_with_a_known_study_uid_is_held(
    service: TestClient, send: Send, clinic: Clinic, other: dict[str, str], words: str
) -> None:
    first = KIM | {"IssuerOfPatientID": "WEST"} if "IssuerOfPatientID" in other else KIM
    (kim,) = send(first)["images"]
    (held, again) = send(first | other, first | other)["images"]
    assert held["study"] == again["study"] != kim["study"]  # further images join it
    study = study_of(service, held)
    assert (
        study["conflict"]
        == f"another patient's study has this Study Instance UID; it states {words}"
    )
    assert study["study_uid"] is None
    assert study_of(service, kim)["conflict"] is None
    assert len(study_of(service, kim)["images"]) == 1
    assert study["patient"]["id"] == (first | other)["PatientID"]
    shown = service.post("/v1/studies/search", json={}).json()["studies"]
    assert {row["id"]: row["conflict"] is not None for row in shown} == {
        kim["study"]: False,
        held["study"]: True,
    }
    job, why = held["study"], {"why": study["conflict"]}
    ((object_, detail),) = audited(clinic, "hold study")
    assert (object_, {"why": detail["why"]}) == (f"study {job}", why)
    assert not {"K001", "K999", "Kim", "Lee"} & set(json.dumps(detail).replace("^", " ").split())


@on_both_databases
def test_a_held_study_is_in_no_report_export_or_label_of_anybody(
    service: TestClient, as_: As, send: Send, clinic: Clinic, read_all: Callable[[], int]
) -> None:
    (kim,), (held,) = send(KIM)["images"], send(KIM | {"PatientID": "K999"})["images"]
    assert read_all() == 2  # it is read, on its own
    assert service.get(f"/v1/studies/{kim['study']}/report").status_code == 200
    refused = service.get(f"/v1/studies/{held['study']}/report")
    assert (refused.status_code, "needs a person" in refused.json()["detail"]) == (409, True)
    exported = as_(Role.REVIEWER).post("/v1/exports", json={})
    with ZipFile(io.BytesIO(exported.content)) as archive:
        table = archive.read("images.csv").decode().splitlines()
        assert sum(name.endswith(".dcm") for name in archive.namelist()) == 1
    assert sum("needs a person" in line for line in table) == 1
    assert len({line.split(",")[1] for line in table[1:]}) == 2  # pseudonyms of patients
    now = datetime.now(UTC)
    with clinic.database.reading() as session:
        found = observations_between(session, now - timedelta(1), now + timedelta(1), None)
    assert len({observation.patient for observation in found}) == 2


@on_both_databases
def test_another_birth_date_of_a_known_patient_id_is_a_conflict_and_no_prior(
    service: TestClient, send: Send
) -> None:
    (old,) = send(KIM | {"StudyInstanceUID": "1.2.840.0", "StudyDate": "20250101"})["images"]
    (twin,) = send(
        KIM | {"StudyInstanceUID": "1.2.840.2", "StudyDate": "20260101", "PatientName": "Kim^Tom"}
    )["images"]
    (now,) = send(KIM | {"PatientName": "TINY KIM"})["images"]  # written differently
    assert (
        study_of(service, twin)["conflict"] == "other studies of this patient ID state another name"
    )
    assert study_of(service, now)["conflict"] is None
    priors = {
        image["study"]: [
            row["id"] for row in service.get(f"/v1/studies/{image['study']}/priors").json()
        ]
        for image in (now, twin)
    }
    assert priors == {now["study"]: [old["study"]], twin["study"]: []}
    (elsewhere,) = send(
        KIM | {"StudyInstanceUID": "1.2", "IssuerOfPatientID": "EAST", "PatientName": "Lee^Bo"}
    )["images"]
    assert study_of(service, elsewhere)["conflict"] is None  # a patient ID of another hospital


@on_both_databases
def test_pictures_are_not_filed_under_another_patients_study(
    service: TestClient, send: Send, phantoms: list[bytes]
) -> None:
    (kim,) = send(KIM)["images"]
    uid = KIM["StudyInstanceUID"]
    (same,) = send(phantoms[1], study_uid=uid, patient_id="K001", patient_name="kim tiny")["images"]
    (other,) = send(phantoms[2], study_uid=uid, patient_id="K002")["images"]
    assert same["study"] == kim["study"] != other["study"]
    assert study_of(service, other)["conflict"] is not None


@on_both_databases
def test_images_of_one_request_that_disagree_on_the_patient_are_parted(
    service: TestClient, send: Send
) -> None:
    answer = send(KIM, KIM | {"PatientID": "K999"}, KIM)
    studies = [image["study"] for image in answer["images"]]
    assert studies[0] == studies[2] != studies[1]
    assert [study_of(service, image)["conflict"] is None for image in answer["images"]] == [
        True,
        False,
        True,
    ]


def waiting(clinic: Clinic) -> tuple[int, int]:
    with clinic.database.reading() as session:
        images, tasks = (
            session.scalar(select(func.count()).select_from(table)) or 0 for table in (Image, Task)
        )
        return images, tasks


@on_both_databases
def test_an_image_that_is_sent_again_is_the_same_image(
    send: Send, clinic: Clinic, phantoms: list[bytes]
) -> None:
    content = dicom_of(phantoms[0], **KIM)
    first, again = send(content, content), send(phantoms[1], content)
    assert [image["id"] for image in first["images"]] == [first["images"][0]["id"]] * 2
    assert again["images"][1]["id"] == first["images"][0]["id"]
    assert (first["already_here"], again["already_here"]) == ([], [1])
    assert waiting(clinic) == (2, 2)
    only = send(content)
    assert (only["http"], only["job"], only["already_here"]) == (202, first["job"], [0])


@on_both_databases
def test_the_same_uid_with_other_content_is_refused_and_audited(
    service: TestClient, send: Send, clinic: Clinic, phantoms: list[bytes]
) -> None:
    uid = {"SOPInstanceUID": "1.2.840.77"}
    (image,) = send(KIM | uid)["images"]
    mixed = send(dicom_of(phantoms[1], **KIM, **uid), KIM)
    (refused,) = mixed["refused"]
    assert (refused["place"], refused["name"], len(mixed["images"])) == (0, "0.dcm", 1)
    assert "other content has its SOP Instance UID" in refused["reason"]
    alone = send(dicom_of(phantoms[1], **KIM, **uid))
    assert (alone["http"], len(alone["refused"])) == (409, 1)
    assert waiting(clinic)[0] == 2
    entries = audited(clinic, "refuse image")
    assert [object_ for object_, _ in entries] == [f"image {image['id']}"] * 2
    assert "1.2.840.77" not in json.dumps(entries)


@on_both_databases
def test_pictures_are_recognised_within_a_request_and_for_the_same_patient(
    send: Send, phantoms: list[bytes]
) -> None:
    def ids(*files: bytes, **about: str) -> list[str]:
        return [image["id"] for image in send(*files, **about)["images"]]

    (first, twice) = ids(phantoms[0], phantoms[0], patient_id="P-1")
    assert first == twice
    assert ids(phantoms[0], patient_id="P-1") == [first]
    for other in ({"patient_id": "P-2"}, {"patient_id": "P-1", "accession": "7"}, {}):
        assert ids(phantoms[0], **other) != [first]
    (named,) = ids(phantoms[1], patient_id="P-3", patient_name="Kim^Tiny")
    (contradictory,) = ids(phantoms[1], patient_id="P-3", patient_name="Lee^Bo")
    assert contradictory != named  # it is held, not taken for the other patient's
    unnamed = ids(phantoms[0])
    assert ids(phantoms[0]) != unnamed  # nobody knows whether it is the same patient


@on_both_databases
def test_a_file_is_read_again_if_it_is_sent_with_the_missing_age(
    service: TestClient, send: Send, clinic: Clinic, phantoms: list[bytes], reader: Reader
) -> None:
    worker = Worker(
        clinic.database, clinic.store, automatic_readers(reader, reader), "screening", "w"
    )
    content = dicom_of(phantoms[0], PatientID="K001", StudyInstanceUID="1.2.3")
    (first,) = send(content)["images"]
    assert worker.step() == 1
    assert service.get(f"/v1/readings/{first['id']}").json()["reading"]["refusal"] == "age_unknown"
    assert send(content)["already_here"] == [0]
    birth_date = f"{datetime.now(UTC).year - 3}-01-01"
    again = send(content, birth_date=birth_date)
    (second,) = again["images"]
    assert (again["already_here"], second["study"]) == ([], first["study"])
    assert worker.step() == 1
    assert service.get(f"/v1/readings/{second['id']}").json()["reading"]["refusal"] is None
    assert service.get(f"/v1/readings/{first['id']}").status_code == 410
    study = study_of(service, second)
    assert [image["id"] for image in study["images"]] == [second["id"]]
    assert study["patient"]["birth_date"] == birth_date


@on_both_databases
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles"])
def test_dates_and_times_are_those_of_the_site(
    service: TestClient, as_: As, send: Send, zone: str
) -> None:
    administrator = as_(Role.ADMINISTRATOR)
    (site,) = administrator.get("/v1/sites").json()
    path = f"/v1/sites/{site['id']}"
    assert administrator.patch(path, json={"time_zone": "Mars/Olympus"}).status_code == 422
    assert administrator.patch(path, json={"time_zone": zone}).json()["time_zone"] == zone
    late = KIM | {"StudyTime": "235900"}
    (timed,) = send(late)["images"]
    (dated,) = send(KIM | {"StudyInstanceUID": "1.2.840.2", "StudyTime": ""})["images"]
    # tz database: +14:00 and, in November, -08:00.
    offset = {"Pacific/Kiritimati": "+14:00", "America/Los_Angeles": "-08:00"}[zone]
    summer = offset.replace("-08", "-07")  # the studies were received today
    assert study_of(service, timed)["received"].endswith((offset, summer))
    administrator.patch(path, json={"time_zone": "UTC"})  # what was read stays as it was
    study, undated = study_of(service, timed), study_of(service, dated)
    assert (study["study_date"], study["acquired"]) == (
        "2026-11-24",
        f"2026-11-24T23:59:00{offset}",
    )
    assert (undated["study_date"], undated["acquired"]) == ("2026-11-24", None)
    reported = [
        service.get(f"/v1/studies/{image['study']}/report").json()["entry"][0]["resource"]
        for image in (timed, dated)
    ]
    assert [report["effectiveDateTime"] for report in reported] == [
        study["acquired"],
        "2026-11-24",
    ]


@pytest.mark.parametrize(
    ("birth", "study", "age"),
    # Completed years, months and days, counted on a calendar.
    [
        ("20230105", "20261124", "3 years"),
        ("20240229", "20270228", "2 years"),
        ("20241125", "20261124", "23 months"),
        ("20241124", "20261124", "2 years"),
        ("20261023", "20261124", "1 month"),
        ("20261025", "20261124", "30 days"),
        ("20261124", "20261124", "0 days"),
        ("20261125", "20261124", None),
    ],
)
def test_the_age_is_that_at_the_examination(
    service: TestClient, send: Send, birth: str, study: str, age: str | None
) -> None:
    (image,) = send(KIM | {"PatientBirthDate": birth, "StudyDate": study})["images"]
    assert study_of(service, image)["age"] == age


def test_the_stated_age_is_shown_without_a_birth_date(service: TestClient, send: Send) -> None:
    (image,) = send(KIM | {"PatientBirthDate": "", "PatientAge": "018M"})["images"]
    assert study_of(service, image)["age"] == "18 months"


@pytest.mark.parametrize(
    ("birth_date", "words"),
    [
        (str(date.today() + timedelta(2)), "in the future"),
        ("1899-12-31", "before 1900"),
        (f"{date.today().year + 1}-01-01", "in the future"),
    ],
)
def test_impossible_birth_dates_are_refused(
    send: Send, clinic: Clinic, phantoms: list[bytes], birth_date: str, words: str
) -> None:
    answer = send(phantoms[0], birth_date=birth_date)
    assert (answer["http"], words in answer["detail"]) == (422, True)
    assert birth_date not in json.dumps(answer)
    assert waiting(clinic) == (0, 0)


def test_a_birth_date_after_the_study_is_refused(send: Send) -> None:
    answer = send(KIM | {"StudyDate": "20200101", "PatientBirthDate": ""}, birth_date="2021-05-01")
    assert (answer["http"], "after the study" in answer["detail"]) == (415, True)


def test_a_ct_among_radiographs_is_named_and_not_read(
    service: TestClient, send: Send, read_all: Callable[[], int]
) -> None:
    answer = send(KIM, KIM | {"Modality": "CT"})
    read_all()
    readings = [
        service.get(f"/v1/readings/{image['id']}").json()["reading"] for image in answer["images"]
    ]
    assert readings[0]["status"] != "failed"
    assert (readings[1]["status"], readings[1]["probability"]) == ("failed", None)
    assert "modality CT, not a radiograph" in readings[1]["reasons"][0]
