"""DICOM's Basic Application Level Confidentiality Profile (PS3.15, Annex E) for radiographs.

What is done to which attribute is said by PS3.15, Table E.1-1, in the edition that the library
dicom-anonymizer carries. Where the table leaves the choice to what an object needs, it is made for
CR, DX and secondary capture images: none of the attributes in question is of type 1 there, and two
are of type 2. More is removed than the profile asks for: what the dictionary of DICOM does not
know, names, addresses and dates that the table does not know, and data that may hold anything.

References
----------
DICOM PS3.15, Annex E, https://dicom.nema.org/medical/dicom/current/output/chtml/part15/chapter_E.html
"""

import re
from datetime import date, timedelta
from enum import StrEnum

from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector
from dicomanonymizer.simpledicomanonymizer import replace_element
from pydicom import DataElement, Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from pneumoscope.clinic.privacy.pseudonyms import Pseudonyms

EDITION = "2026c"


class Action(StrEnum):
    """What is done to an attribute, named by the codes of Table E.1-1a."""

    REMOVE = "X"
    EMPTY = "Z"
    DUMMY = "D"
    UID = "U"
    KEEP = "K"


_CHOICES = {
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
_TYPE_2 = ("AcquisitionContextSequence", "PatientSexNeutered")
_OVERLAYS_AND_CURVES = (0x6000, 0x5000)
# What it holds is encrypted for somebody, and so cannot be looked at.
_UNSEEN = ("EncryptedAttributesSequence", "EncryptedContent")
_BIRTH = ("PatientBirthDate", "PatientBirthTime")
_IDENTIFIERS = ("PatientID", "OtherPatientIDs", "AccessionNumber")

_TEXTS = ("CS", "LO", "LT", "SH", "ST", "UC", "UT")
_TEMPORAL = ("DA", "DT", "TM")
_UNLISTED_REMOVED = {"AE", "PN", "UR", *_TEMPORAL, "OB", "OD", "OF", "OL", "OV", "OW", "UN"}
_DATA_KEPT = {
    "PixelData",
    "LUTData",
    *(f"{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
}
_DICOMS_OWN = "1.2.840.10008."


def _tags(keywords: tuple[str, ...] | set[str]) -> frozenset[int]:
    return frozenset(tag for word in keywords if (tag := tag_for_keyword(word)) is not None)


def _table() -> dict[int, Action]:
    lists = dicom_anonymization_database_selector(f"dicomfields_{EDITION}")
    table: dict[int, Action] = {
        Tag(*tag): action
        for name, action in _CHOICES.items()
        for tag in lists[name]
        if len(tag) == 2  # groups that repeat are removed whole
    }
    table |= dict.fromkeys(_tags(_TYPE_2), Action.EMPTY)
    return table | dict.fromkeys(_tags(_UNSEEN), Action.REMOVE)


_TABLE = _table()
_BIRTH_TAGS = _tags(_BIRTH)
_IDENTIFIER_TAGS = _tags(_IDENTIFIERS)
_DATA_KEPT_TAGS = _tags(_DATA_KEPT)


def action(element: DataElement) -> Action:
    """Return what the profile does to an element, wherever it stands.

    Examples
    --------
    >>> for keyword, value in [("PatientName", "A^B"), ("BodyPartExamined", "CHEST")]:
    ...     print(action(DataElement(tag_for_keyword(keyword), dictionary_VR(keyword), value)))
    Z
    K
    """
    tag = element.tag
    if tag.is_private or tag.element == 0 or tag.group & 0xFF00 in _OVERLAYS_AND_CURVES:
        return Action.REMOVE
    if tag in _TABLE:
        return _TABLE[tag]
    if not _is_what_it_says(element):
        return Action.REMOVE
    if element.VR in _UNLISTED_REMOVED and tag not in _DATA_KEPT_TAGS:
        return Action.REMOVE
    if element.VR == "UI" and not all(one.startswith(_DICOMS_OWN) for one in _values(element)):
        return Action.UID
    return Action.KEEP


def apply_profile(dataset: Dataset, pseudonyms: Pseudonyms, shift: timedelta | None) -> None:
    """Apply the profile to an object, its sequences included; file meta information is not changed.

    Parameters
    ----------
    dataset
        Changed in place.
    pseudonyms
        What stands for its UIDs.
    shift
        By how much dates are moved, for the option Retain Longitudinal Temporal Information with
        Modified Dates; times of day stay. None: dates and times go, as the profile has it.

    Raises
    ------
    Exception
        pydicom raises many kinds on damaged elements.
    """
    _Cleaner(pseudonyms, shift, _words_of_identifiers(dataset)).clean(dataset)


class _Cleaner:
    def __init__(
        self, pseudonyms: Pseudonyms, shift: timedelta | None, identifiers: frozenset[str]
    ) -> None:
        self._pseudonyms = pseudonyms
        self._shift = shift
        self._identifiers = identifiers

    def clean(self, dataset: Dataset) -> None:
        for tag in list(dataset.keys()):
            cleaned = self._cleaned(dataset[tag])
            if cleaned is None:
                del dataset[tag]
            else:
                dataset[tag] = cleaned

    def _cleaned(self, element: DataElement) -> DataElement | None:
        if self._shift is not None and element.VR in _TEMPORAL and _may_be_shifted(element):
            return _shifted(element, self._shift)
        todo = action(element)
        if todo is Action.REMOVE:
            return None
        if todo is Action.EMPTY:
            return DataElement(element.tag, dictionary_VR(element.tag), None)
        if todo is Action.DUMMY:
            return _dummy(element)
        if todo is Action.UID:
            new = [self._pseudonyms.uid(one) for one in _values(element)]
            return DataElement(element.tag, "UI", new[0] if len(new) == 1 else new)
        if element.VR == "SQ":
            for item in element.value:
                self.clean(item)
        elif element.VR in _TEXTS and self._repeats_an_identifier(element):
            return _dummy(element)
        return element

    def _repeats_an_identifier(self, element: DataElement) -> bool:
        """Tell whether a text that the profile keeps says what it removes elsewhere."""
        text = "\\".join(_values(element)).casefold()
        words = set(_WORDS.findall(text))
        return any(one in words or (len(one) > 3 and one in text) for one in self._identifiers)


_WORDS = re.compile(r"\w+")
_DAY = re.compile(r"(\d{4})(\d\d)(\d\d)(\d{0,6}(?:\.\d{1,6})?(?:[+-]\d{4})?)")
_TIME = re.compile(r"\d{2,6}(\.\d{1,6})?")


def _words_of_identifiers(dataset: Dataset) -> frozenset[str]:
    words: set[str] = set()
    for element in dataset.iterall():
        texts = [text.casefold() for text in _values(element)]
        if element.VR == "PN":
            words.update(word for text in texts for word in _WORDS.findall(text) if len(word) > 1)
        elif element.tag in _IDENTIFIER_TAGS:
            words.update(text for text in texts if len(text) > 1)
    return frozenset(words)


def _is_what_it_says(element: DataElement) -> bool:
    try:
        return element.VR in dictionary_VR(element.tag).split(" or ")
    except KeyError:
        return False


def _values(element: DataElement) -> list[str]:
    many = isinstance(element.value, MultiValue)
    found = [str(one).strip() for one in (element.value if many else [element.value])]
    return [one for one in found if one] if element.value is not None else []


def _dummy(element: DataElement) -> DataElement | None:
    if not _is_what_it_says(element):
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
    return element.tag not in _BIRTH_TAGS and _is_what_it_says(element)


def _shifted(element: DataElement, shift: timedelta) -> DataElement | None:
    """Return moved dates, or times as they are; None if one of them is not written as DICOM has it.

    That may be anything, and cannot be moved.
    """
    try:
        moved = [
            _time(one) if element.VR == "TM" else _moved(one, shift) for one in _values(element)
        ]
    except (ValueError, OverflowError):
        return None
    return DataElement(element.tag, element.VR, moved)


def _moved(text: str, shift: timedelta) -> str:
    found = _DAY.fullmatch(text)
    if found is None:
        raise ValueError("no date")
    year, month, day, time = found.groups()
    return (date(int(year), int(month), int(day)) + shift).isoformat().replace("-", "") + time


def _time(text: str) -> str:
    if _TIME.fullmatch(text) is None:
        raise ValueError("no time")
    return text
