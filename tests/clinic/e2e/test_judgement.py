"""Judgements and corrections in a real browser."""

from pneumoscope.clinic.settings import Clinic

from .conftest import (
    ADMINISTRATOR,
    FIELDS,
    PATIENTS,
    Drive,
    FilledClinic,
    send_as_program,
)

HELD = "Lee^Bo"


def test_judgements_are_drafted_saved_and_changed_and_patients_corrected(
    clinic: Clinic, address: str, filled_clinic: FilledClinic, drive: Drive
) -> None:
    about = dict(zip(FIELDS, PATIENTS[2], strict=True)) | {"patient_name": HELD}
    send_as_program(clinic, about, ("held.png", next(filled_clinic.radiographs.iterdir())))
    inspected = ["draft", "judged", "conflict-worklist", "corrections", "withdrawn"]
    drive(
        "judgement",
        address,
        inspected,
        administrator=ADMINISTRATOR,
        patient=PATIENTS[0][0],
        held="Lee, Bo",
    )
