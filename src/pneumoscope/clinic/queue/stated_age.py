"""Age of a patient as the sender of an image states it, beside what its file says."""

from dataclasses import dataclass, replace
from datetime import date

from pneumoscope.radiograph import DecodingNote, Radiograph
from pneumoscope.radiograph.acquisition import age_between

MAX_DIFFERENCE_YEARS = 1.0
"""Largest difference of two ages that agree; stated ages are in completed years."""


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
    """

    years: float | None = None
    contradicted: bool = False

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


def _with_contradiction(radiograph: Radiograph, reason: str) -> Radiograph:
    message = f"{reason}; check whose radiograph it is, and send it again"
    note = DecodingNote("age_contradicted", message, doubtful=True)
    return replace(radiograph, notes=(*radiograph.notes, note))
