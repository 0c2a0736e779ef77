"""Identity of a patient: the identifier with its issuer, and what name, birth date and sex say."""

from dataclasses import dataclass
from datetime import date

from pneumoscope.clinic.queue.person_name import are_comparable, names_agree
from pneumoscope.clinic.storage.tables import Study

_STATED_SEXES = {"F", "M"}
"""Sexes that can contradict each other; O (other) is also sent where nobody knows."""


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
        "name": not names_agree(first.name, second.name),
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
        are_comparable(first.name, second.name)
        and None not in (first.birth_date, second.birth_date)
        and bool(_sex(first.sex))
        and _sex(first.sex) == _sex(second.sex)
        and not contradictions(first, second)
    )


def _sex(sex: str | None) -> str:
    return (sex or "")[:1].upper()
