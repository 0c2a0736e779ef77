from pathlib import Path

import pytest

from pneumoscope.dataset.kermany_filenames import parse_filename


@pytest.mark.parametrize(
    ("name", "patient", "subtype"),
    [
        ("person123_bacteria_456.jpeg", "person123", "bacteria"),
        ("person123_virus_457.jpeg", "person123", "virus"),
        ("person447_virus_921_1.jpeg", "person447", "virus"),
        ("person1_virus_6.jpeg", "person1", "virus"),
        ("IM-0115-0001.jpeg", "normal115", None),
        ("NORMAL2-IM-0115-0001.jpeg", "normal115", None),
        ("IM-0433-0001-0002.jpeg", "normal433", None),
        ("person12.jpeg", None, None),
        ("person12_fungus_3.jpeg", None, None),
        ("copy of person12_virus_3.jpeg", None, None),
        ("chest-IM-0115-0001.jpeg", None, None),
        ("00000013_005.png", None, None),
        ("", None, None),
    ],
)
def test_patient_and_subtype(name: str, patient: str | None, subtype: str | None) -> None:
    assert parse_filename(name) == (patient, subtype)


def test_leading_zeros_do_not_make_another_patient() -> None:
    assert parse_filename("IM-0115-0001.jpeg") == parse_filename("IM-115-0002.jpeg")


def test_all_real_names_state_a_patient(shared_data: Path) -> None:
    chest = shared_data / "chest_xray"
    persons = {parse_filename(path.name).patient for path in chest.glob("*/PNEUMONIA/*")}
    normals = {parse_filename(path.name).patient for path in chest.glob("*/NORMAL/*")}
    assert None not in persons | normals
    assert len(persons) == 1_674  # as the data's description counts them
    assert not persons & normals
