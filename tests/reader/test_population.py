"""Populations: ages in completed years, and the attributes of DICOM files that say otherwise."""

import numpy as np
import pytest

from pneumoscope.radiograph import Radiograph
from pneumoscope.reader.population import Population, format_age, outside
from pneumoscope.reader.quality_gate import Severity

CHILDREN = Population(name="children", min_age=1, max_age=5)


def codes(population: Population, **attributes: object) -> list[str]:
    radiograph = Radiograph(np.zeros((2, 2), np.float32), "", **attributes)
    return [finding.code for finding in population.findings(radiograph)]


def test_attributes_that_the_file_does_not_state_are_no_reason() -> None:
    assert codes(CHILDREN) == []


@pytest.mark.parametrize("population", [CHILDREN, Population(min_age=18), Population(max_age=17)])
def test_ages_are_covered_in_completed_years(population: Population) -> None:
    """A patient is of the age of N years until the day before the birthday after it."""
    low = 0 if population.min_age is None else population.min_age
    high = 130 if population.max_age is None else population.max_age
    for age in np.linspace(0, 100, 1201):
        assert population.covers_age(age) == (low <= int(age + 1e-9) <= high)
        assert codes(population, age=age) == ([] if population.covers_age(age) else ["age"])


def test_a_population_without_ages_covers_every_age() -> None:
    assert Population().has_all_ages
    assert not CHILDREN.has_all_ages
    assert codes(Population(), age=99.0) == codes(Population(), age=0.0) == []


@pytest.mark.parametrize(
    ("body_part", "expected"),
    [
        ("CHEST", []),
        ("CHEST PA", []),
        ("PORT_CHEST", []),
        ("HAND", ["body_part"]),
        ("CHESTNUT", ["body_part"]),
        ("CHEST LAT", ["view"]),
    ],
)
def test_body_parts_may_have_more_words(body_part: str, expected: list[str]) -> None:
    assert codes(CHILDREN, body_part=body_part) == expected


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        # PS3.3, C.7.6.1.1.1: directions of rows and of columns in the patient's body. A frontal
        # view that is hung as radiologists hang it has the patient's left at the right.
        (("L", "F"), []),
        (("LF", "FR"), []),
        (("R", "F"), ["orientation"]),
        (("L", "H"), ["orientation"]),
        (("R", "H"), ["orientation"]),
        (("F", "L"), ["orientation"]),
        (("H", "R"), ["orientation"]),
        (("A", "F"), ["view"]),
        (("P", "F"), ["view"]),
        (("F", "A"), ["view"]),
    ],
)
def test_only_upright_frontal_orientations_are_covered(
    orientation: tuple[str, str], expected: list[str]
) -> None:
    assert codes(CHILDREN, orientation=orientation) == expected


def test_the_remedy_fits_the_orientation() -> None:
    for orientation, remedy in {
        ("R", "F"): "mirror it back",
        ("R", "H"): "turn it upright",
    }.items():
        radiograph = Radiograph(np.zeros((2, 2), np.float32), "", orientation=orientation)
        (finding,) = CHILDREN.findings(radiograph)
        assert remedy in finding.message


@pytest.mark.parametrize(
    ("attribute", "covered", "others"),
    [
        ("view", ["AP", "PA"], ["LL", "RL", "LLD", "LAO"]),
        ("body_part", ["CHEST", "THORAX"], ["HAND", "SKULL", "EXTREMITY", "ABDOMEN"]),
        ("modality", ["CR", "DX", "RF", "SC", "OT"], ["CT", "MR", "US"]),
    ],
)
def test_other_values_of_an_attribute_are_outside(
    attribute: str, covered: list[str], others: list[str]
) -> None:
    for value in covered:
        assert codes(CHILDREN, **{attribute: value}) == []
    for value in others:
        assert codes(CHILDREN, **{attribute: value}) == [attribute]


def test_every_reason_is_given_and_means_no_answer() -> None:
    radiograph = Radiograph(np.zeros((2, 2), np.float32), "", view="LL", body_part="HAND", age=45.0)
    findings = list(CHILDREN.findings(radiograph))
    assert [finding.code for finding in findings] == ["age", "view", "body_part"]
    assert {finding.severity for finding in findings} == {Severity.OUTSIDE}
    assert findings[0].message == "adult, 45 years; the children's network does not apply"


def test_a_refusal_replaces_the_population_s_own_reason_about_the_age() -> None:
    radiograph = Radiograph(np.zeros((2, 2), np.float32), "", view="LL", age=45.0)
    refusal = outside("age", "another reason")
    findings = list(CHILDREN.findings(radiograph, refusal))
    assert findings[0] is refusal
    assert [finding.code for finding in findings] == ["age", "view"]


@pytest.mark.parametrize(
    ("population", "words"),
    [
        (Population(name="infants", max_age=1), "infants of 0 to 1 years"),
        (Population(name="adults", min_age=18), "adults from 18 years"),
        (Population(name="teenagers", min_age=13, max_age=17), "teenagers of 13 to 17 years"),
        (Population(), "all patients"),
    ],
)
def test_ages_are_described_in_words(population: Population, words: str) -> None:
    assert population.describe_ages() == words


def test_the_kind_of_patient_follows_the_age() -> None:
    assert format_age(17.99) == "child, 17 years"
    assert format_age(18.0) == "adult, 18 years"
    assert format_age(0.0) == "child, 0 months"
