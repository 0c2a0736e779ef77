"""Judgements and corrections in a real browser."""

from sqlalchemy import select

from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import Site

from .conftest import (
    ADMINISTRATOR,
    CLINICIAN,
    FIELDS,
    PATIENTS,
    Drive,
    FilledClinic,
    send_as_program,
)

HELD = "Lee^Bo"


def test_opinions_and_judgements_are_given_and_patients_corrected(
    clinic: Clinic, address: str, filled_clinic: FilledClinic, drive: Drive
) -> None:
    with clinic.database.writing() as session:
        site = session.scalars(select(Site)).one()
        site.displayed = site.opinion_first = True
    about = dict(zip(FIELDS, PATIENTS[2], strict=True)) | {"patient_name": HELD}
    send_as_program(clinic, about, ("held.png", next(filled_clinic.radiographs.iterdir())))
    inspected = [
        "draft",
        "corrected-meanwhile",
        "judged",
        "conflict-worklist",
        "corrections",
        "withdrawn",
        "opinion",
        "answer",
    ]
    drive(
        "judgement",
        address,
        inspected,
        administrator=ADMINISTRATOR,
        clinician=CLINICIAN,
        patient=PATIENTS[0][0],
        other=PATIENTS[1][0],
        held="Lee, Bo",
    )
