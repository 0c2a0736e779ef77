"""Patients in DICOM headers, and what a server answers about them."""

from collections.abc import Callable
from typing import Any

from fastapi.testclient import TestClient

Send = Callable[..., dict[str, Any]]
"""Function that sends files in one request and returns the answer, with its status as ``http``."""

KIM = {
    "PatientID": "K001",
    "PatientName": "Kim^Tiny",
    "PatientBirthDate": "20230105",
    "PatientSex": "F",
    "StudyDate": "20261124",
    "StudyTime": "0830",
    "StudyInstanceUID": "1.2.840.1",
}
"""Patient of the first study."""


KIM_CORRECTED = {
    "patient_id": "K001",
    "patient_id_issuer": None,
    "patient_name": "Kim^Tiny",
    "birth_date": "2023-01-05",
    "sex": "F",
    "accession": None,
}
LEE = KIM_CORRECTED | {"patient_id": "K999", "patient_name": "Lee^Bo", "sex": "M"}
LEE_FILE = KIM | {"PatientID": "K999", "PatientName": "Lee^Bo", "PatientSex": "M"}


def study_of(service: TestClient, image: dict[str, Any]) -> dict[str, Any]:
    return service.get(f"/v1/studies/{image['study']}").json()


def correct(
    client: TestClient, study: dict[str, Any], patient: dict[str, Any], **more: Any
) -> dict[str, Any]:
    body = patient | {"version": study["version"]} | more
    answer = client.patch(f"/v1/studies/{study['id']}/patient", json=body)
    return answer.json() | {"http": answer.status_code}
