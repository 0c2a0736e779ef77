"""Judgements in a real browser."""

from .conftest import ADMINISTRATOR, PATIENTS, Drive


def test_judgements_are_drafted_saved_and_changed(address: str, drive: Drive) -> None:
    inspected = ["draft", "judged"]
    drive("judgement", address, inspected, administrator=ADMINISTRATOR, patient=PATIENTS[0][0])
