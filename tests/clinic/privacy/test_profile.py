"""The confidentiality profile, against the table of the standard."""

from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import DataElement, Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.tag import Tag
from pydicom.uid import UID

from pneumoscope.support.errors import ClinicError

from .dicom_files import (
    KEPT_SEQUENCE,
    deidentify_dicom,
    file_of,
    make_element,
    radiograph,
    read_file,
)
from .table_e_1_1 import BASIC_PROFILE, BY_NUMBER

EXAMPLES = Path(__file__).parents[4] / "shared/data/dicom"
WORD = "Quasimodo"


def observed_action(before: DataElement, deidentified: Dataset) -> str:
    """Return the code of Table E.1-1a that describes what happened to an element."""
    if before.tag not in deidentified:
        return "X"
    after = deidentified[before.tag]
    if before.VR == "UI":
        same = after.value == before.value
        return "K" if same or not UID(after.value).is_valid else "U"
    if after.is_empty or len(after.value) == 0:
        return "Z"
    if WORD.casefold() in str(after.value).casefold():
        return "K"
    if before.VR == "SQ" and "CodeMeaning" not in after.value[0]:
        return "U"
    return "K" if after.value == before.value else "D"


def allowed_actions(code: str) -> set[str]:
    # Z is "a zero length value, or a non-zero length value that may be a dummy value".
    codes = set(code.replace("*", "").split("/"))
    return codes | {"D"} if "Z" in codes else codes


def test_the_expected_rows_cover_the_table() -> None:
    assert len(BASIC_PROFILE) >= 60


@pytest.mark.parametrize("nested", [False, True], ids=["whole object", "in a sequence of another"])
@pytest.mark.parametrize(("keyword", "code"), BASIC_PROFILE.items())
def test_attributes_get_the_action_of_the_standard(keyword: str, code: str, nested: bool) -> None:
    before = make_element(keyword, WORD)
    if before.VR == "SQ" and code == "X/Z/U*":
        del before.value[0].CodeMeaning  # not an attribute of these sequences
    if not nested:
        after = read_file(deidentify_dicom(file_of(radiograph(before))))
    else:
        outer, inner = Dataset(), Dataset()
        inner.add(before)
        outer.add(DataElement(tag_for_keyword(KEPT_SEQUENCE) or 0, "SQ", [inner]))
        dataset = radiograph(DataElement(tag_for_keyword(KEPT_SEQUENCE) or 0, "SQ", [outer]))
        after = read_file(deidentify_dicom(file_of(dataset)))[KEPT_SEQUENCE][0][KEPT_SEQUENCE][0]
    assert observed_action(before, after) in allowed_actions(code)


@pytest.mark.parametrize(("numbers", "code"), BY_NUMBER.items())
def test_repeating_groups_and_padding_are_removed(numbers: tuple[int, int], code: str) -> None:
    assert code == "X"
    vr = "SQ" if numbers == (0xFFFA, 0xFFFA) else "LT" if numbers[1] == 0x4000 else "OB"
    value = {"SQ": [Dataset()], "LT": WORD}.get(vr, WORD.encode() + b" ")
    content = deidentify_dicom(file_of(radiograph(DataElement(Tag(*numbers), vr, value))))
    assert Tag(*numbers) not in read_file(content)
    assert WORD.encode() not in content


def test_technical_attributes_are_kept() -> None:
    kept = {
        "BodyPartExamined": "CHEST",
        "ViewPosition": "PA",
        "ImageLaterality": "U",
        "PixelSpacing": [0.143, 0.143],
        "WindowCenter": "2048.0",
        "Manufacturer": "ACME",
        "KVP": "125.0",
    }
    dataset = radiograph()
    for keyword, value in kept.items():
        setattr(dataset, keyword, value)
    after = read_file(deidentify_dicom(file_of(dataset)))
    assert {keyword: after[keyword].value for keyword in kept} == kept
    assert after.PixelData == dataset.PixelData
    assert after.SOPClassUID == dataset.SOPClassUID


def test_the_deidentification_is_described_in_the_file() -> None:
    """PS3.15, E.1.1, and the codes of PS3.16, CID 7050."""
    removed = read_file(deidentify_dicom(file_of(radiograph())))
    shifted = read_file(deidentify_dicom(file_of(radiograph()), shift_dates=True))
    assert removed.PatientIdentityRemoved == shifted.PatientIdentityRemoved == "YES"
    assert "PS3.15" in removed.DeidentificationMethod
    codes = [
        [
            (item.CodeValue, item.CodingSchemeDesignator)
            for item in dataset.DeidentificationMethodCodeSequence
        ]
        for dataset in (removed, shifted)
    ]
    assert codes == [[("113100", "DCM")], [("113100", "DCM"), ("113107", "DCM")]]
    changes = [dataset.LongitudinalTemporalInformationModified for dataset in (removed, shifted)]
    assert changes == ["REMOVED", "MODIFIED"]


def test_kept_dates_are_shifted_by_the_same_number_of_days() -> None:
    dataset = radiograph()
    dataset.StudyDate, dataset.SeriesDate = "20200301", "20200229"
    dataset.AcquisitionDateTime, dataset.StudyTime = "20200301235959.5+0100", "235959"
    dataset.PatientBirthDate, dataset.PatientBirthTime = "19571103", "1327"
    dataset.ContentDate = "of Quasimodo"
    after = read_file(deidentify_dicom(file_of(dataset), shift_dates=True))
    study, series = (
        datetime.strptime(day, "%Y%m%d") for day in (after.StudyDate, after.SeriesDate)
    )
    assert (study - series).days == 1  # 2020 was a leap year
    assert study < datetime(2020, 3, 1)
    assert after.AcquisitionDateTime == after.StudyDate + "235959.5+0100"
    assert after.StudyTime == "235959"
    assert (after.PatientBirthDate, "PatientBirthTime" in after) == ("", False)
    assert "ContentDate" not in after


def test_uids_are_replaced_consistently() -> None:
    first, second = radiograph(), radiograph()
    first.StudyInstanceUID = second.StudyInstanceUID = "1.2.3.4"
    reference = Dataset()
    reference.ReferencedSOPClassUID = first.SOPClassUID
    reference.ReferencedSOPInstanceUID = first.SOPInstanceUID
    second.ReferencedImageSequence = [reference]
    new_first, new_second = (
        read_file(deidentify_dicom(file_of(dataset))) for dataset in (first, second)
    )
    assert new_first.StudyInstanceUID == new_second.StudyInstanceUID != "1.2.3.4"
    referenced = new_second.ReferencedImageSequence[0]
    assert referenced.ReferencedSOPInstanceUID == new_first.SOPInstanceUID != first.SOPInstanceUID
    assert referenced.ReferencedSOPClassUID == first.SOPClassUID
    assert new_first.file_meta.MediaStorageSOPInstanceUID == new_first.SOPInstanceUID


def test_kept_texts_that_repeat_an_identifier_are_replaced() -> None:
    dataset = radiograph()
    dataset.PatientName, dataset.PatientID = "Le^Quasimodo", "N-0471"
    dataset.ManufacturerModelName = "Scanner of QUASIMODO"
    dataset.SoftwareVersions, dataset.DetectorDescription = "7 (n-0471)", "Le bon detecteur"
    dataset.ExposureControlModeDescription = "sleeve"
    after = read_file(deidentify_dicom(file_of(dataset)))
    for keyword in ("ManufacturerModelName", "SoftwareVersions", "DetectorDescription"):
        assert after[keyword].value == "ANONYMIZED", keyword
    assert after.ExposureControlModeDescription == "sleeve"


def test_elements_that_contradict_the_dictionary_are_removed() -> None:
    dataset = radiograph()
    dataset.add(DataElement(tag_for_keyword("BodyPartExamined") or 0, "OB", WORD.encode() + b" "))
    dataset.add(DataElement(Tag(0x0018, 0xFFF0), "LO", WORD))  # no such attribute
    content = deidentify_dicom(file_of(dataset))
    assert WORD.encode() not in content


words = st.text("BCDFGHJKLMNPQRSTVWXZ", min_size=12, max_size=12)
identifying_keywords = st.sampled_from(
    [
        keyword
        for keyword in BASIC_PROFILE
        if dictionary_VR(keyword) in ("LO", "LT", "PN", "SH", "ST", "UT", "UC", "CS", "DA", "UI")
        or dictionary_VR(keyword) == "SQ"
    ]
)
days = st.dates().map(lambda day: day.isoformat().replace("-", ""))


@st.composite
def datasets(draw: st.DrawFn, depth: int = 0) -> tuple[Dataset, list[str]]:
    """Draw a dataset with identifying values, and those values."""
    dataset, secrets = Dataset(), []
    for keyword in draw(st.sets(identifying_keywords, max_size=6)):
        element = make_element(keyword, draw(words))
        if element.VR == "DA":
            element.value = draw(days)
        if element.VR == "SQ":
            inner, inner_secrets = draw(datasets(depth + 1)) if depth < 3 else (Dataset(), [])
            element.value, secrets = [inner], secrets + inner_secrets
        else:
            secrets.append(str(element.value))
        dataset.add(element)
    if draw(st.booleans()):
        secret = draw(words)
        dataset.private_block(0x0009, "ACME 1", create=True).add_new(1, "LO", secret)
        secrets.append(secret)
    if depth < 3 and draw(st.booleans()):
        inner, inner_secrets = draw(datasets(depth + 1))
        dataset.add(DataElement(tag_for_keyword(KEPT_SEQUENCE) or 0, "SQ", [inner]))
        secrets += inner_secrets
    return dataset, secrets


@settings(max_examples=60, deadline=None)
@given(datasets(), words, words, st.booleans())
def test_no_identifying_value_is_left_in_a_file(
    drawn: tuple[Dataset, list[str]], preamble: str, title: str, shift: bool
) -> None:
    dataset, secrets = drawn
    elements = [element for element in dataset if element.keyword != "SOPInstanceUID"]
    content = file_of(
        radiograph(*elements), (preamble.encode() * 11)[:128], SourceApplicationEntityTitle=title
    )
    after = deidentify_dicom(content, shift_dates=shift)
    for secret in [*secrets, preamble, title]:
        assert secret.encode() not in after
    assert read_file(after).PatientID == "P0"


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the example DICOM files are not there")
@pytest.mark.parametrize("shift", [False, True])
def test_real_files_contain_no_identifying_value(shift: bool) -> None:
    paths = sorted(EXAMPLES.glob("*.dcm"))
    assert paths
    # Its text is also the meaning of a protocol's code, which the profile keeps.
    kept = {"AcquisitionDeviceProcessingDescription"}
    times = {"TM"} if shift else set()
    for path in paths:
        before = read_file(path.read_bytes())
        after = deidentify_dicom(path.read_bytes(), shift_dates=shift, burned_in=True)
        for keyword in BASIC_PROFILE.keys() - kept:
            if keyword in before and dictionary_VR(keyword) not in {"SQ"} | times:
                value = str(before[keyword].value)
                assert len(value) <= 4 or value.encode() not in after, (path.name, keyword)


def test_a_damaged_file_is_refused_without_quoting_it() -> None:
    content = file_of(radiograph(make_element("PatientName", WORD)))
    with pytest.raises(ClinicError, match="cannot be decoded") as caught:
        deidentify_dicom(content[:-8])
    assert WORD not in str(caught.value)
