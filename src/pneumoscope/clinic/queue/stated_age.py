"""Age of a patient as the sender of an image states it, beside what its file says."""

from dataclasses import dataclass, replace
from datetime import date

from pneumoscope.radiograph import DecodingNote, Radiograph
from pneumoscope.radiograph.acquisition import age_between

MAX_DIFFERENCE_YEARS = 1.0
"""Largest difference of two ages that agree; stated ages are in completed years."""

MAX_AGE_YEARS = 130
"""Largest age of a patient; a birth date that gives a larger one is a mistake."""

FIRST_BIRTH_YEAR = 1900
"""First year of birth dates; earlier ones are placeholders or mistakes."""

_CONTRADICTED = "age_contradicted"

_AGE_NOTES = {_CONTRADICTED, "age_contradiction"}
"""Codes of notes about contradictory ages, the sender's and the file's own."""


@dataclass(frozen=True, slots=True)
class StatedAge:
    """Age that the sender of an image stated.

    Parameters
    ----------
    years
        Age in years at the time of the study; None if the sender stated none.
    contradicted
        Whether what was stated contradicts itself, the date of the study, or the birth date in the
        file.
    corrected
        Whether a person corrected the patient, so that the age counts instead of the file's; then
        None is an unknown age.
    """

    years: float | None = None
    contradicted: bool = False
    corrected: bool = False

    @classmethod
    def at(
        cls, day: date, age: float | None, birth_date: date | None, birth_date_in_file: date | None
    ) -> "StatedAge":
        """Return the age on the day of the study, by the stated birth date or else the stated age.

        Examples
        --------
        >>> stated = StatedAge.at(date(2026, 7, 2), None, date(2023, 1, 1), None)
        >>> round(stated.years, 1), stated.contradicted
        (3.5, False)
        >>> StatedAge.at(date(2026, 7, 2), None, date(2023, 1, 1), date(2022, 1, 1)).contradicted
        True
        """
        if birth_date is None:
            return cls(age)
        years = age_between(birth_date, day)
        contradicted = (
            years is None
            or birth_date_in_file not in (None, birth_date)
            or (age is not None and abs(age - years) > MAX_DIFFERENCE_YEARS)
        )
        return cls(years, contradicted)

    def apply_to(self, radiograph: Radiograph) -> Radiograph:
        """Return a radiograph with the stated age, which counts where the file has none.

        If file and sender contradict each other, no finding may be given: either the age or the
        patient is wrong.
        """
        if self.corrected:
            notes = tuple(note for note in radiograph.notes if note.code not in _AGE_NOTES)
            return replace(radiograph, age=self.years, notes=notes)
        if self.contradicted:
            return _with_contradiction(
                radiograph,
                "the stated birth date contradicts the stated age, the date of the study or the "
                "birth date in the file",
            )
        if self.years is None:
            return radiograph
        if radiograph.age is None:
            return replace(radiograph, age=self.years)
        if abs(radiograph.age - self.years) > MAX_DIFFERENCE_YEARS:
            return _with_contradiction(radiograph, "the stated age contradicts the age in the file")
        return radiograph


def require_possible_birth_date(birth_date: date | None, study_date: date) -> None:
    """Raise ValueError if nobody who was born on a date can have been examined on another.

    Examples
    --------
    >>> require_possible_birth_date(date(2020, 1, 1), date(2026, 1, 1))
    >>> require_possible_birth_date(date(2026, 1, 2), date(2026, 1, 1))
    Traceback (most recent call last):
    ValueError: the birth date is after the study
    """
    if birth_date is None:
        return
    if birth_date > study_date:
        raise ValueError("the birth date is after the study")
    if birth_date.year < FIRST_BIRTH_YEAR:
        raise ValueError(f"the birth date is before {FIRST_BIRTH_YEAR}")
    if study_date.year - birth_date.year > MAX_AGE_YEARS:
        raise ValueError(f"the birth date gives an age of more than {MAX_AGE_YEARS} years")


def _with_contradiction(radiograph: Radiograph, reason: str) -> Radiograph:
    message = f"{reason}; check whose radiograph it is, and send it again"
    note = DecodingNote(_CONTRADICTED, message, doubtful=True)
    return replace(radiograph, notes=(*radiograph.notes, note))
