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


def study_of(service: TestClient, image: dict[str, Any]) -> dict[str, Any]:
    return service.get(f"/v1/studies/{image['study']}").json()
