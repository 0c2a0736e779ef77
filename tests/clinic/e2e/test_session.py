"""Signing in and out in a real browser, and shadow mode for clinicians."""

from .conftest import ADMINISTRATOR, CLINICIAN, PATIENTS, STUDIES, Drive


def test_signing_out_leaves_no_patient_on_the_screen(address: str, drive: Drive) -> None:
    patient, name, *_ = PATIENTS[0]
    drive(
        "session",
        address,
        ["shadow-mode"],
        administrator=ADMINISTRATOR,
        clinician=CLINICIAN,
        studies=STUDIES,
        patient=patient,
        patientName=name.split("^")[0],
    )
