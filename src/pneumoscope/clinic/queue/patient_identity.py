"""Identity of a patient: the identifier with its issuer, and what name, birth date and sex say."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pneumoscope.clinic.storage.tables import Study

_STATED_SEXES = {"F", "M"}
"""Sexes that can contradict each other; O (other) is also sent where nobody knows."""

_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "ı": "i"})
"""Letters that Unicode does not decompose into a letter and an accent."""

_UMLAUTS = {"ae": "a", "oe": "o", "ue": "u"}
"""Ways to write umlauts without accents, as in Mueller for Müller."""


@dataclass(frozen=True, slots=True)
class PatientIdentity:
    """Patient as files or senders name one; None for what they do not state."""

    id: str | None = None
    issuer: str | None = None
    """Issuer of the identifier, Issuer of Patient ID (0010,0021)."""
    name: str | None = None
    birth_date: date | None = None
    sex: str | None = None

    @classmethod
    def of(cls, study: Study) -> "PatientIdentity":
        """Return the patient of a study."""
        return cls(
            study.patient_id,
            study.patient_id_issuer,
            study.patient_name,
            study.birth_date,
            study.sex,
        )

    @property
    def is_stated(self) -> bool:
        """Whether anything says whose study it is: an identifier or a name."""
        return self.id is not None or self.name is not None


def contradictions(first: PatientIdentity, second: PatientIdentity) -> tuple[str, ...]:
    """Return which of name, birth date and sex contradict each other, where both are stated.

    Examples
    --------
    >>> first = PatientIdentity("1", None, "MÜLLER^Änne", date(2020, 1, 1), "F")
    >>> contradictions(first, PatientIdentity("1", None, "Anne Mueller", None, "female"))
    ()
    >>> contradictions(first, PatientIdentity("1", None, "Meier^Änne", date(2020, 1, 2), "M"))
    ('name', 'birth date', 'sex')
    """
    sexes = {_sex(first.sex), _sex(second.sex)}
    contradictory = {
        "name": not _names_agree(first.name, second.name),
        "birth date": None not in (first.birth_date, second.birth_date)
        and first.birth_date != second.birth_date,
        "sex": sexes == _STATED_SEXES,
    }
    return tuple(name for name, differs in contradictory.items() if differs)


def differences(study: PatientIdentity, image: PatientIdentity) -> tuple[str, ...]:
    """Return why an image cannot be of the patient of a study; empty if it can.

    What the image does not state is no difference; but an image that names a patient is not filed
    under a study that names none, whose other images may be anybody's.
    """
    return (
        *(["patient ID"] if image.id not in (None, study.id) else []),
        *(
            ["issuer of the patient ID"]
            if None not in (study.issuer, image.issuer) and study.issuer != image.issuer
            else []
        ),
        *(["patient"] if image.is_stated and image.id is None and not study.is_stated else []),
        *contradictions(study, image),
    )


def details_agree(first: PatientIdentity, second: PatientIdentity) -> bool:
    """Return whether both state name, birth date and sex, and all of them agree.

    Names in different scripts cannot be compared, so that they do not agree either.

    Examples
    --------
    >>> first = PatientIdentity("1", "Ward", "Kim^Tiny", date(2020, 1, 1), "F")
    >>> details_agree(first, PatientIdentity("1", None, "KIM^TINY", date(2020, 1, 1), "F"))
    True
    >>> details_agree(first, PatientIdentity("1", None, "KIM^TINY", date(2020, 1, 1), None))
    False
    """
    return (
        bool(_comparable_names(first.name, second.name))
        and None not in (first.birth_date, second.birth_date)
        and bool(_sex(first.sex))
        and _sex(first.sex) == _sex(second.sex)
        and not contradictions(first, second)
    )


def _sex(sex: str | None) -> str:
    return (sex or "")[:1].upper()


def _names_agree(first: str | None, second: str | None) -> bool:
    """Return whether two names may be those of one person.

    DICOM writes a name in up to three scripts (component groups). It is enough if one agrees;
    names in different scripts cannot be compared, and contradict nothing.
    """
    pairs = _comparable_names(first, second)
    return not pairs or any(_words_agree(*pair) for pair in pairs)


def _comparable_names(first: str | None, second: str | None) -> list[tuple[list[str], list[str]]]:
    """Return the words of two names for each pair of scripts in which both are written."""
    return [
        (one_words, other_words)
        for one_words in _groups(first)
        for other_words in _groups(second)
        if _is_latin(one_words) == _is_latin(other_words)
    ]


def _groups(name: str | None) -> list[list[str]]:
    groups = (_words(group) for group in (name or "").split("="))
    return [group for group in groups if group]


def _words(text: str) -> list[str]:
    """Return the words of a name without case, accents and punctuation."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    letters = (c if c.isalnum() else "" if unicodedata.combining(c) else " " for c in decomposed)
    plain = "".join(letters)
    for written, umlaut in _UMLAUTS.items():
        plain = plain.replace(written, umlaut)
    return plain.split()


def _is_latin(words: Sequence[str]) -> bool:
    return "".join(words).isascii()


def _words_agree(first: Sequence[str], second: Sequence[str]) -> bool:
    """Return whether all words of the shorter name are in the longer one, or are its initials.

    One of them must be a whole word: J. Smith may be S. Jones by initials alone.
    """
    shorter, longer = sorted((first, second), key=len)
    if not {word for word in shorter if len(word) > 1} & set(longer):
        return "".join(shorter) == "".join(longer)
    left = list(longer)
    for word in sorted(shorter, key=len, reverse=True):  # initials last: they fit many words
        fitting = next((other for other in left if _word_agrees(word, other)), None)
        if fitting is None:
            return "".join(shorter) == "".join(longer)  # Van der Berg, Vanderberg
        left.remove(fitting)
    return True


def _word_agrees(first: str, second: str) -> bool:
    if 1 in (len(first), len(second)):
        return first[0] == second[0]
    return first == second
