"""Population of a bundle: the patients and images that it may answer for, by their attributes."""

import math
import re
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from pneumoscope.radiograph import Radiograph
from pneumoscope.radiograph.dicom import MODALITIES
from pneumoscope.reader.quality_gate import QualityFinding, Severity

ADULT_AGE = 18
"""Age in years from which a patient is an adult."""

FRONTAL_VIEWS = ("AP", "PA")
CHEST = ("CHEST", "THORAX", "LUNG", "RIBS")

OTHER_IMAGE_CODES = frozenset({"modality", "view", "body_part"})
"""Codes of the findings that an image is no frontal chest radiograph."""

_LATERAL = {"LAT", "LATERAL"}
_UPRIGHT = ("L", "F")
"""Patient Orientation of a frontal view: rows run to the patient's left, columns to the feet."""


class Population(BaseModel):
    """Patients and images that a bundle may answer for.

    Examples
    --------
    >>> children = Population(name="children", min_age=1, max_age=5)
    >>> [children.covers_age(age) for age in (0.9, 1.0, 5.9, 6.0)]
    [False, True, True, False]
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "all patients"
    """Name of the patients, such as ``children`` or ``adults``."""
    min_age: int | None = None
    """Youngest age in completed years; None for no limit."""
    max_age: int | None = None
    """Oldest age in completed years; None for no limit."""
    views: tuple[str, ...] = FRONTAL_VIEWS
    """View Positions."""
    body_parts: tuple[str, ...] = CHEST
    """Body Parts Examined."""
    modalities: tuple[str, ...] = MODALITIES
    """Modalities."""

    @property
    def has_all_ages(self) -> bool:
        """Whether patients of every age, and so of unknown age, belong to the population."""
        return self.min_age is None and self.max_age is None

    def covers_age(self, age: float) -> bool:
        """Return whether a patient of this age in years belongs to the population."""
        low = -math.inf if self.min_age is None else self.min_age
        high = math.inf if self.max_age is None else self.max_age + 1
        return low <= age < high

    def describe_ages(self) -> str:
        """Return the name and the ages of the patients in words.

        Examples
        --------
        >>> Population(name="children", min_age=1, max_age=5).describe_ages()
        'children of 1 to 5 years'
        >>> Population(name="adults", min_age=18).describe_ages()
        'adults from 18 years'
        """
        if self.has_all_ages:
            return self.name
        if self.max_age is None:
            return f"{self.name} from {self.min_age} years"
        ages = f"{self.min_age or 0} to {self.max_age}"
        return f"{self.name} of {ages} years"

    @property
    def network(self) -> str:
        """Name of the network that is for these patients.

        Examples
        --------
        >>> Population(name="children").network, Population(name="adults").network
        ("the children's network", "the adults' network")
        """
        possessive = "'" if self.name.endswith("s") else "'s"
        return f"the {self.name}{possessive} network"

    def findings(
        self, radiograph: Radiograph, refusal: QualityFinding | None = None
    ) -> Iterator[QualityFinding]:
        """Yield the reasons for which a radiograph is outside of the population.

        An attribute that the file does not have is no reason.

        Parameters
        ----------
        radiograph
            Radiograph with the attributes of its file.
        refusal
            Reason about the patient's age that replaces the population's own.

        References
        ----------
        DICOM PS3.3, C.7.6.1.1.1 (Patient Orientation).
        """
        if refusal is not None:
            yield refusal
        elif radiograph.age is not None and not self.covers_age(radiograph.age):
            yield outside("age", f"{format_age(radiograph.age)}; {self.network} does not apply")
        if radiograph.modality and radiograph.modality not in self.modalities:
            yield outside("modality", f"of modality {radiograph.modality}, not a radiograph")
        if radiograph.view and radiograph.view not in self.views:
            yield outside(
                "view", f"a view {radiograph.view}; only {_either(self.views)} can be read"
            )
        if radiograph.body_part:
            yield from self._body_part_findings(radiograph.body_part)
        if radiograph.orientation is not None:
            yield from _orientation_findings(radiograph.orientation)

    def _body_part_findings(self, body_part: str) -> Iterator[QualityFinding]:
        """Yield why a body part is outside; many hospitals add the view to it ("CHEST PA")."""
        words = set(re.findall(r"\w+", body_part.replace("_", " ")))
        if body_part not in self.body_parts and words.isdisjoint(self.body_parts):
            yield outside(
                "body_part", f"another part of the body ({body_part}); only chests can be read"
            )
        elif words & _LATERAL:
            yield outside("view", f"a lateral view ({body_part}); only frontal can be read")


def format_age(age: float) -> str:
    """Return an age in words.

    Examples
    --------
    >>> [format_age(age) for age in (45.3, 7.0, 1.5, 0.25)]
    ['adult, 45 years', 'child, 7 years', 'child, 1 year', 'child, 3 months']
    """
    kind = "adult" if age >= ADULT_AGE else "child"
    years, months = int(age), int(12 * age)
    if years:
        return f"{kind}, {years} year{'s' * (years != 1)}"
    return f"{kind}, {months} month{'s' * (months != 1)}"


def _orientation_findings(orientation: tuple[str, str]) -> Iterator[QualityFinding]:
    rows, columns = (direction[:1] for direction in orientation)
    if {rows, columns} & {"A", "P"}:
        yield outside("view", "a lateral view by its Patient Orientation; only frontal can be read")
    elif (rows, columns) == ("R", "F"):
        yield outside(
            "orientation", "left and right are exchanged by its Patient Orientation; mirror it back"
        )
    elif (rows, columns) != _UPRIGHT:
        stated = "\\".join(orientation)
        yield outside(
            "orientation", f"turned by its Patient Orientation ({stated}); turn it upright"
        )


def outside(code: str, message: str) -> QualityFinding:
    """Return the finding that a bundle may not answer for a radiograph."""
    return QualityFinding(code, Severity.OUTSIDE, message)


def _either(names: tuple[str, ...]) -> str:
    return " or ".join(names)
