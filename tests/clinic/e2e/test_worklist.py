"""Worklist in a real browser."""

from .conftest import ADMINISTRATOR, PATIENTS, REJECTED, STUDIES, TWO_IMAGES, Drive


def test_the_worklist_is_sorted_filtered_and_searched(address: str, drive: Drive) -> None:
    drive(
        "worklist",
        address,
        ["worklist", "keyboard-help"],
        administrator=ADMINISTRATOR,
        studies=STUDIES,
        patient=PATIENTS[0][0],
        names=["Phantom, Anna", "anna phantom", "PHANTOM^ANNA"],
        images=TWO_IMAGES,
        rejected={"name": REJECTED, "reason": "a blank image"},
    )
