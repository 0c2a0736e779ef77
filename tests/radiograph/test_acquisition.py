import pytest
from pydicom.dataset import Dataset

from pneumoscope.radiograph.acquisition import (
    contradicts_birth_date,
    read_age,
    read_orientation,
    read_view,
)


def dataset(**attributes: object) -> Dataset:
    made = Dataset()
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("attributes", "years"),
    [  # PS3.5, section 6.2: AS is nnnD, nnnW, nnnM or nnnY
        ({"PatientAge": "045Y"}, 45),
        ({"PatientAge": "018M"}, 1.5),
        ({"PatientAge": "026W"}, 26 * 7 / 365.25),
        ({"PatientAge": "010D"}, 10 / 365.25),
        ({"PatientAge": "62"}, 62),  # as in the RSNA's files
        ({"PatientAge": "45YR"}, 45),
        ({"PatientAge": "18 MONTHS"}, 1.5),
        ({"PatientAge": "999Y", "PatientBirthDate": "20200601", "StudyDate": "20250601"}, 5),
        (
            {
                "PatientBirthDate": "20200601",
                "StudyDate": "00010101",
                "AcquisitionDate": "20250601",
            },
            5,
        ),
        ({"PatientAge": "", "PatientBirthDate": "20200601", "StudyDate": "20250601"}, 5),
        ({"PatientBirthDate": "20200602", "StudyDate": "20250601"}, 5 - 1 / 365),
        ({"PatientBirthDate": "2020.06.01", "AcquisitionDate": "20210601"}, 1),
        ({"PatientBirthDate": "20200229", "StudyDate": "20210301"}, 1),
        ({"PatientAge": "045Y", "PatientBirthDate": "20200601", "StudyDate": "20250601"}, 45),
    ],
)
def test_ages(attributes: dict[str, object], years: float) -> None:
    assert read_age(dataset(**attributes)) == pytest.approx(years, abs=1e-9)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"PatientAge": "unknown"},
        {"PatientAge": "999Y"},
        {"PatientBirthDate": "20200601", "StudyDate": "00010101"},
        {"PatientBirthDate": "99991231", "StudyDate": "99991231"},
        {"PatientBirthDate": "20200601"},
        {"PatientBirthDate": "20200601", "StudyDate": "19010101"},
        {"PatientBirthDate": "18000101", "StudyDate": "20250601"},
        {"PatientBirthDate": "20201341", "StudyDate": "20250601"},
    ],
)
def test_an_age_that_cannot_be_known_is_none(attributes: dict[str, object]) -> None:
    assert read_age(dataset(**attributes)) is None


@pytest.mark.parametrize(
    ("age", "birth", "contradicts"),
    [
        ("003Y", "19800101", True),
        ("045Y", "20200601", True),
        ("004Y", "20200601", False),
        ("006Y", "20200602", False),  # rounded, or of the day of the order
        ("011M", "20240701", False),
        ("002M", "20231201", True),
        ("", "19800101", False),
        ("003Y", "", False),
        ("003Y", "18500101", False),  # a placeholder
    ],
)
def test_an_age_may_contradict_the_birth_date(age: str, birth: str, contradicts: bool) -> None:
    stated = dataset(PatientAge=age, PatientBirthDate=birth, StudyDate="20250601")
    assert contradicts_birth_date(stated) is contradicts


def view_code(value: str, meaning: str) -> dict[str, object]:
    return {"ViewCodeSequence": [dataset(CodeValue=value, CodeMeaning=meaning)]}


@pytest.mark.parametrize(
    ("attributes", "view"),
    [  # PS3.16, CID 4010
        ({"ViewPosition": "pa "}, "PA"),
        ({"ViewPosition": "AP SUPINE"}, "AP"),
        ({"ViewPosition": "AP PORTABLE ERECT"}, "AP"),
        ({"ViewPosition": "PA LAT"}, "PA LAT"),
        (view_code("272479007", "postero-anterior"), "PA"),
        (view_code("R-10206", "antero-posterior"), "AP"),
        (view_code("399067008", "lateral"), "LATERAL"),
        (view_code("399033003", "frontal"), None),
        ({"ViewPosition": "", **view_code("399198007", "right lateral")}, "RIGHT LATERAL"),
        ({"ViewPosition": "AP", **view_code("399067008", "lateral")}, "AP"),
        ({"ViewCodeSequence": []}, None),
        ({}, None),
    ],
)
def test_views(attributes: dict[str, object], view: str | None) -> None:
    assert read_view(dataset(**attributes)) == view


@pytest.mark.parametrize(
    ("stated", "orientation"),
    [(["L", "F"], ("L", "F")), (["p", "f"], ("P", "F")), (["L"], None), ("", None), (None, None)],
)
def test_orientations(stated: object, orientation: tuple[str, str] | None) -> None:
    assert read_orientation(dataset(PatientOrientation=stated)) == orientation
