"""Basic Application Level Confidentiality Profile of DICOM (PS3.15, Annex E) for radiographs.

The action for each attribute follows PS3.15, Table E.1-1, in the edition contained in the library
dicom-anonymizer. Where the table leaves a choice, depending on the attribute's type in the object,
it is made for CR, DX and secondary capture images: none of these attributes is of type 1 there, and
two are of type 2. More is removed than the profile requires: attributes missing from DICOM's data
dictionary; names, addresses and dates missing from the table; and binary data.

References
----------
DICOM PS3.15, Annex E, https://dicom.nema.org/medical/dicom/current/output/chtml/part15/chapter_E.html
"""

import re
from datetime import date, timedelta
from enum import StrEnum
from functools import partial

from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector
from dicomanonymizer.simpledicomanonymizer import replace_element
from pydicom import DataElement, Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from pneumoscope.clinic.privacy.pseudonyms import Pseudonyms

EDITION = "2026c"


class Action(StrEnum):
    """Action on an attribute, with the codes of Table E.1-1a."""

    REMOVE = "X"
    EMPTY = "Z"
    DUMMY = "D"
    UID = "U"
    KEEP = "K"


_ACTION_OF_LIST = {
    "X_TAGS": Action.REMOVE,
    "Z_TAGS": Action.EMPTY,
    "D_TAGS": Action.DUMMY,
    "U_TAGS": Action.UID,
    "Z_D_TAGS": Action.EMPTY,
    "X_Z_TAGS": Action.REMOVE,
    "X_D_TAGS": Action.REMOVE,
    "X_Z_D_TAGS": Action.REMOVE,
    "X_Z_U_STAR_TAGS": Action.KEEP,  # the UIDs in its items are replaced
}


def _tags(*keywords: str) -> frozenset[int]:
    return frozenset(tag for word in keywords if (tag := tag_for_keyword(word)) is not None)


# Binary data that are kept.
_KEPT_DATA_TAGS = _tags(
    "PixelData",
    "LUTData",
    *(f"{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
)
# Of type 2 in radiographs, so that they must stay, but empty.
_TYPE_2_TAGS = _tags("AcquisitionContextSequence", "PatientSexNeutered")
# Their content cannot be inspected.
_ENCRYPTED_TAGS = _tags("EncryptedAttributesSequence", "EncryptedContent")
# Not kept even if dates are shifted.
_BIRTH_TAGS = _tags("PatientBirthDate", "PatientBirthTime")
# Other texts may repeat these identifiers.
_IDENTIFIER_TAGS = _tags("PatientID", "OtherPatientIDs", "AccessionNumber")

_TEXT_VRS = ("CS", "LO", "LT", "SH", "ST", "UC", "UT")
_TEMPORAL_VRS = ("DA", "DT", "TM")
_REMOVED_VRS = {"AE", "PN", "UR", *_TEMPORAL_VRS, "OB", "OD", "OF", "OL", "OV", "OW", "UN"}
"""Value representations that are removed unless the table says otherwise."""

_CURVE_GROUP, _OVERLAY_GROUP = 0x5000, 0x6000
_DICOM_UID_ROOT = "1.2.840.10008."


def _load_table() -> dict[int, Action]:
    lists = dicom_anonymization_database_selector(f"dicomfields_{EDITION}")
    table: dict[int, Action] = {
        Tag(*tag): action
        for name, action in _ACTION_OF_LIST.items()
        for tag in lists[name]
        if len(tag) == 2  # the others are repeating groups, which are removed as a whole
    }
    table |= dict.fromkeys(_TYPE_2_TAGS, Action.EMPTY)
    return table | dict.fromkeys(_ENCRYPTED_TAGS, Action.REMOVE)


_TABLE = _load_table()

_WORD = re.compile(r"\w+")
_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)(\d{0,6}(?:\.\d{1,6})?(?:[+-]\d{4})?)")
_TIME = re.compile(r"\d{2,6}(\.\d{1,6})?")


def action_for(element: DataElement) -> Action:
    """Return the profile's action for an element, at any level of nesting.

    Examples
    --------
    >>> for keyword, value in [("PatientName", "A^B"), ("BodyPartExamined", "CHEST")]:
    ...     print(action_for(DataElement(tag_for_keyword(keyword), dictionary_VR(keyword), value)))
    Z
    K
    """
    tag = element.tag
    repeating_group = tag.group & 0xFF00
    if tag.is_private or tag.element == 0 or repeating_group in (_CURVE_GROUP, _OVERLAY_GROUP):
        return Action.REMOVE
    if tag in _TABLE:
        return _TABLE[tag]
    if not _has_dictionary_vr(element):
        return Action.REMOVE
    if element.VR in _REMOVED_VRS and tag not in _KEPT_DATA_TAGS:
        return Action.REMOVE
    if element.VR == "UI" and not all(uid.startswith(_DICOM_UID_ROOT) for uid in _values(element)):
        return Action.UID
    return Action.KEEP


def apply_profile(dataset: Dataset, pseudonyms: Pseudonyms, shift: timedelta | None) -> None:
    """Apply the profile to a dataset and its sequences; file meta information stays as it is.

    With a shift of dates, the option Retain Longitudinal Temporal Information with Modified Dates
    applies: times of day stay. Without, dates and times are removed, as by the profile's default.
    Damaged elements make pydicom raise many kinds of exceptions.
    """
    _Deidentifier(pseudonyms, shift, _find_identifiers(dataset)).apply(dataset)


class _Deidentifier:
    def __init__(
        self, pseudonyms: Pseudonyms, shift: timedelta | None, identifiers: frozenset[str]
    ) -> None:
        self._pseudonyms = pseudonyms
        self._shift = shift
        self._identifiers = identifiers

    def apply(self, dataset: Dataset) -> None:
        for tag in list(dataset.keys()):
            replacement = self._replace(dataset[tag])
            if replacement is None:
                del dataset[tag]
            else:
                dataset[tag] = replacement

    def _replace(self, element: DataElement) -> DataElement | None:
        """Return the element that replaces an element; None to remove it."""
        if self._shift is not None and element.VR in _TEMPORAL_VRS and _may_be_shifted(element):
            return _shift_element(element, self._shift)
        action = action_for(element)
        if action is Action.REMOVE:
            return None
        if action is Action.EMPTY:
            return DataElement(element.tag, dictionary_VR(element.tag), None)
        if action is Action.DUMMY:
            return _dummy(element)
        if action is Action.UID:
            uids = [self._pseudonyms.uid(uid) for uid in _values(element)]
            return DataElement(element.tag, "UI", uids[0] if len(uids) == 1 else uids)
        if element.VR == "SQ":
            for item in element.value:
                self.apply(item)
        elif element.VR in _TEXT_VRS and self._repeats_identifier(element):
            return _dummy(element)
        return element

    def _repeats_identifier(self, element: DataElement) -> bool:
        """Return whether a text contains an identifier that is removed elsewhere."""
        text = "\\".join(_values(element)).casefold()
        words = set(_WORD.findall(text))
        return any(
            identifier in words or (len(identifier) > 3 and identifier in text)
            for identifier in self._identifiers
        )


def _find_identifiers(dataset: Dataset) -> frozenset[str]:
    """Return the words of all person names, and the identifiers, in lower case."""
    identifiers: set[str] = set()
    for element in dataset.iterall():
        texts = [text.casefold() for text in _values(element)]
        if element.VR == "PN":
            words = (word for text in texts for word in _WORD.findall(text))
            identifiers.update(word for word in words if len(word) > 1)
        elif element.tag in _IDENTIFIER_TAGS:
            identifiers.update(text for text in texts if len(text) > 1)
    return frozenset(identifiers)


def _has_dictionary_vr(element: DataElement) -> bool:
    """Return whether an element is in DICOM's data dictionary with the same VR."""
    try:
        return element.VR in dictionary_VR(element.tag).split(" or ")
    except KeyError:
        return False


def _values(element: DataElement) -> list[str]:
    """Return the non-empty values of an element as text."""
    if element.value is None:
        return []
    values = element.value if isinstance(element.value, MultiValue) else [element.value]
    return [text for value in values if (text := str(value).strip())]


def _dummy(element: DataElement) -> DataElement | None:
    """Return an element with a dummy value; None if its VR is wrong."""
    if not _has_dictionary_vr(element):
        return None
    if element.VR == "SQ":
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator = "ANONYMIZED", "99PNEUMOSCOPE"
        item.CodeMeaning = "ANONYMIZED"
        return DataElement(element.tag, "SQ", [item])
    dummy = DataElement(element.tag, element.VR, None)
    replace_element(dummy)
    return dummy


def _may_be_shifted(element: DataElement) -> bool:
    return element.tag not in _BIRTH_TAGS and _has_dictionary_vr(element)


def _shift_element(element: DataElement, shift: timedelta) -> DataElement | None:
    """Return an element with shifted dates, or with its times of day as they are.

    None if a value is not a valid date or time: then it may be anything.
    """
    convert = _require_time if element.VR == "TM" else partial(_shift_date, shift=shift)
    try:
        values = [convert(value) for value in _values(element)]
    except (ValueError, OverflowError):
        return None
    return DataElement(element.tag, element.VR, values)


def _shift_date(text: str, shift: timedelta) -> str:
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError("not a date")
    year, month, day, time = match.groups()
    return (date(int(year), int(month), int(day)) + shift).isoformat().replace("-", "") + time


def _require_time(text: str) -> str:
    if _TIME.fullmatch(text) is None:
        raise ValueError("not a time")
    return text
