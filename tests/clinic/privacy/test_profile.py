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

from .made import KEPT_SEQUENCE, as_file, cleaned, element, opened, radiograph
from .table_e_1_1 import BASIC_PROFILE, BY_NUMBER

EXAMPLES = Path(__file__).parents[4] / "shared/data/dicom"
WORD = "Quasimodo"


def fate(before: DataElement, after: Dataset) -> str:
    """Tell by the codes of Table E.1-1a what became of an element."""
    if before.tag not in after:
        return "X"
    now = after[before.tag]
    if before.VR == "UI":
        same = now.value == before.value
        return "K" if same or not UID(now.value).is_valid else "U"
    if now.is_empty or len(now.value) == 0:
        return "Z"
    if WORD.casefold() in str(now.value).casefold():
        return "K"
    if before.VR == "SQ" and "CodeMeaning" not in now.value[0]:
        return "U"
    return "K" if now.value == before.value else "D"


def allowed(code: str) -> set[str]:
    # Z is "a zero length value, or a non-zero length value that may be a dummy value".
    codes = set(code.replace("*", "").split("/"))
    return codes | {"D"} if "Z" in codes else codes


def test_the_list_of_this_test_is_long_enough() -> None:
    assert len(BASIC_PROFILE) >= 60


@pytest.mark.parametrize("nested", [False, True], ids=["whole object", "in a sequence of another"])
@pytest.mark.parametrize(("keyword", "code"), BASIC_PROFILE.items())
def test_what_the_standard_says_is_done(keyword: str, code: str, nested: bool) -> None:
    before = element(keyword, WORD)
    if before.VR == "SQ" and code == "X/Z/U*":
        del before.value[0].CodeMeaning  # a description that is none of these sequences'
    if not nested:
        after = opened(cleaned(as_file(radiograph(before))))
    else:
        outer, inner = Dataset(), Dataset()
        inner.add(before)
        outer.add(DataElement(tag_for_keyword(KEPT_SEQUENCE) or 0, "SQ", [inner]))
        made = radiograph(DataElement(tag_for_keyword(KEPT_SEQUENCE) or 0, "SQ", [outer]))
        after = opened(cleaned(as_file(made)))[KEPT_SEQUENCE][0][KEPT_SEQUENCE][0]
    assert fate(before, after) in allowed(code)


@pytest.mark.parametrize(("numbers", "code"), BY_NUMBER.items())
def test_groups_that_repeat_and_padding_go(numbers: tuple[int, int], code: str) -> None:
    assert code == "X"
    vr = "SQ" if numbers == (0xFFFA, 0xFFFA) else "LT" if numbers[1] == 0x4000 else "OB"
    value = {"SQ": [Dataset()], "LT": WORD}.get(vr, WORD.encode() + b" ")
    content = cleaned(as_file(radiograph(DataElement(Tag(*numbers), vr, value))))
    assert Tag(*numbers) not in opened(content)
    assert WORD.encode() not in content


def test_what_an_image_needs_stays_as_it_is() -> None:
    kept = {
        "BodyPartExamined": "CHEST",
        "ViewPosition": "PA",
        "ImageLaterality": "U",
        "PixelSpacing": [0.143, 0.143],
        "WindowCenter": "2048.0",
        "Manufacturer": "ACME",
        "KVP": "125.0",
    }
    made = radiograph()
    for keyword, value in kept.items():
        setattr(made, keyword, value)
    after = opened(cleaned(as_file(made)))
    assert {keyword: after[keyword].value for keyword in kept} == kept
    assert after.PixelData == made.PixelData
    assert after.SOPClassUID == made.SOPClassUID


def test_it_says_what_was_done() -> None:
    """PS3.15, E.1.1, and the codes of PS3.16, CID 7050."""
    plain = opened(cleaned(as_file(radiograph())))
    moved = opened(cleaned(as_file(radiograph()), shift_dates=True))
    assert plain.PatientIdentityRemoved == moved.PatientIdentityRemoved == "YES"
    assert "PS3.15" in plain.DeidentificationMethod
    codes = [
        [
            (item.CodeValue, item.CodingSchemeDesignator)
            for item in one.DeidentificationMethodCodeSequence
        ]
        for one in (plain, moved)
    ]
    assert codes == [[("113100", "DCM")], [("113100", "DCM"), ("113107", "DCM")]]
    times = [one.LongitudinalTemporalInformationModified for one in (plain, moved)]
    assert times == ["REMOVED", "MODIFIED"]


def test_dates_that_are_asked_for_are_moved_by_as_many_days() -> None:
    made = radiograph()
    made.StudyDate, made.SeriesDate, made.PatientBirthDate = "20200301", "20200229", "19571103"
    made.AcquisitionDateTime, made.StudyTime = "20200301235959.5+0100", "235959"
    made.PatientBirthTime, made.ContentDate = "1327", "of Quasimodo"
    after = opened(cleaned(as_file(made), shift_dates=True))
    day = datetime.strptime
    apart = day(after.StudyDate, "%Y%m%d") - day(after.SeriesDate, "%Y%m%d")
    assert apart.days == 1  # 2020 was a leap year
    assert day(after.StudyDate, "%Y%m%d") < datetime(2020, 3, 1)
    assert after.AcquisitionDateTime == after.StudyDate + "235959.5+0100"
    assert after.StudyTime == "235959"
    assert (after.PatientBirthDate, "PatientBirthTime" in after) == ("", False)
    assert "ContentDate" not in after


def test_uids_are_replaced_by_the_same_ones_everywhere() -> None:
    first, second = radiograph(), radiograph()
    first.StudyInstanceUID = second.StudyInstanceUID = "1.2.3.4"
    reference = Dataset()
    reference.ReferencedSOPClassUID = first.SOPClassUID
    reference.ReferencedSOPInstanceUID = first.SOPInstanceUID
    second.ReferencedImageSequence = [reference]
    one, two = (opened(cleaned(as_file(made))) for made in (first, second))
    assert one.StudyInstanceUID == two.StudyInstanceUID != "1.2.3.4"
    referenced = two.ReferencedImageSequence[0]
    assert referenced.ReferencedSOPInstanceUID == one.SOPInstanceUID != first.SOPInstanceUID
    assert referenced.ReferencedSOPClassUID == first.SOPClassUID
    assert one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID


def test_a_kept_text_that_repeats_a_name_is_replaced() -> None:
    made = radiograph()
    made.PatientName, made.PatientID = "Le^Quasimodo", "N-0471"
    made.ManufacturerModelName = "Scanner of QUASIMODO"
    made.SoftwareVersions, made.DetectorDescription = "7 (n-0471)", "Le bon detecteur"
    made.ExposureControlModeDescription = "sleeve"
    after = opened(cleaned(as_file(made)))
    for keyword in ("ManufacturerModelName", "SoftwareVersions", "DetectorDescription"):
        assert after[keyword].value == "ANONYMIZED", keyword
    assert after.ExposureControlModeDescription == "sleeve"


def test_an_element_that_is_not_what_the_dictionary_says_goes() -> None:
    made = radiograph()
    made.add(DataElement(tag_for_keyword("BodyPartExamined") or 0, "OB", WORD.encode() + b" "))
    made.add(DataElement(Tag(0x0018, 0xFFF0), "LO", WORD))  # no such attribute
    content = cleaned(as_file(made))
    assert WORD.encode() not in content


words = st.text("BCDFGHJKLMNPQRSTVWXZ", min_size=12, max_size=12)
identifying = st.sampled_from(
    [
        keyword
        for keyword in BASIC_PROFILE
        if dictionary_VR(keyword) in ("LO", "LT", "PN", "SH", "ST", "UT", "UC", "CS", "DA", "UI")
        or dictionary_VR(keyword) == "SQ"
    ]
)
days = st.dates().map(lambda day: day.isoformat().replace("-", ""))


@st.composite
def items(draw: st.DrawFn, depth: int = 0) -> tuple[Dataset, list[str]]:
    """Draw a data set with identifying values, and those values."""
    made, secrets = Dataset(), []
    for keyword in draw(st.sets(identifying, max_size=6)):
        one = element(keyword, draw(words))
        if one.VR == "DA":
            one.value = draw(days)
        if one.VR == "SQ":
            inner, more = draw(items(depth + 1)) if depth < 3 else (Dataset(), [])
            one.value, secrets = [inner], secrets + more
        else:
            secrets.append(str(one.value))
        made.add(one)
    if draw(st.booleans()):
        secret = draw(words)
        made.private_block(0x0009, "ACME 1", create=True).add_new(1, "LO", secret)
        secrets.append(secret)
    if depth < 3 and draw(st.booleans()):
        inner, more = draw(items(depth + 1))
        made.add(DataElement(tag_for_keyword(KEPT_SEQUENCE) or 0, "SQ", [inner]))
        secrets += more
    return made, secrets


@settings(max_examples=60, deadline=None)
@given(items(), words, words, st.booleans())
def test_nothing_of_what_identifies_is_left_in_a_file(
    drawn: tuple[Dataset, list[str]], preamble: str, title: str, shift: bool
) -> None:
    made, secrets = drawn
    elements = [one for one in made if one.keyword != "SOPInstanceUID"]
    content = as_file(
        radiograph(*elements), (preamble.encode() * 11)[:128], SourceApplicationEntityTitle=title
    )
    after = cleaned(content, shift_dates=shift)
    for secret in [*secrets, preamble, title]:
        assert secret.encode() not in after
    assert opened(after).PatientID == "P0"


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the example DICOM files are not there")
@pytest.mark.parametrize("shift", [False, True])
def test_real_files_say_nothing_of_whom_they_are_of(shift: bool) -> None:
    found = sorted(EXAMPLES.glob("*.dcm"))
    assert found
    # It is also the meaning of a protocol's code, which the profile keeps.
    kept = {"AcquisitionDeviceProcessingDescription"}
    times = {"TM"} if shift else set()
    for path in found:
        before = opened(path.read_bytes())
        after = cleaned(path.read_bytes(), shift_dates=shift, burned_in=True)
        for keyword in BASIC_PROFILE.keys() - kept:
            if keyword in before and dictionary_VR(keyword) not in {"SQ"} | times:
                was = str(before[keyword].value)
                assert len(was) <= 4 or was.encode() not in after, (path.name, keyword)


def test_a_damaged_file_is_refused_and_not_quoted() -> None:
    content = as_file(radiograph(element("PatientName", WORD)))
    with pytest.raises(ClinicError, match="cannot be taken apart") as caught:
        cleaned(content[:-8])
    assert WORD not in str(caught.value)
