"""Judgements in a real browser."""

from sqlalchemy import select

from pneumoscope.clinic.settings import Clinic
from pneumoscope.clinic.storage.tables import Site

from .conftest import ADMINISTRATOR, CLINICIAN, PATIENTS, Drive


def test_opinions_are_given_and_judgements_drafted_saved_and_changed(
    clinic: Clinic, address: str, drive: Drive
) -> None:
    with clinic.database.writing() as session:
        site = session.scalars(select(Site)).one()
        site.displayed = site.opinion_first = True
    drive(
        "judgement",
        address,
        ["draft", "judged", "opinion", "answer"],
        administrator=ADMINISTRATOR,
        clinician=CLINICIAN,
        patient=PATIENTS[0][0],
        other=PATIENTS[1][0],
    )
