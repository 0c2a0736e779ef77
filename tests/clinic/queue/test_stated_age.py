"""Ages that senders state, beside what the files say."""

from datetime import date

import numpy as np
import pytest

from pneumoscope.clinic.queue.stated_age import StatedAge
from pneumoscope.radiograph import Radiograph

DAY = date(2026, 11, 29)
BIRTH = date(2023, 11, 29)


def radiograph(age: float | None) -> Radiograph:
    return Radiograph(np.zeros((2, 2), np.float32), "sha", age=age)


@pytest.mark.parametrize(
    ("birth_date", "years"),
    # Birthdays, at which the networks' ages begin and end.
    [(BIRTH, 3), (date(2025, 11, 29), 1), (DAY, 0), (date(2008, 11, 29), 18)],
)
def test_the_age_is_the_time_from_birth_to_the_study(birth_date: date, years: float) -> None:
    stated = StatedAge.at(DAY, None, birth_date, None)
    assert stated == StatedAge(years)


@pytest.mark.parametrize(
    ("age", "birth_date", "in_file", "contradicted"),
    [
        (None, None, BIRTH, False),
        (7.0, None, None, False),
        (None, BIRTH, BIRTH, False),
        (3.0, BIRTH, None, False),
        (None, BIRTH, date(2023, 11, 28), True),
        (45.0, BIRTH, None, True),
        (None, date(2026, 11, 30), None, True),  # born after the study
        (None, date(1826, 11, 29), None, True),
    ],
)
def test_contradictions_of_birth_dates(
    age: float | None, birth_date: date | None, in_file: date | None, contradicted: bool
) -> None:
    assert StatedAge.at(DAY, age, birth_date, in_file).contradicted is contradicted


@pytest.mark.parametrize(
    ("stated", "in_file", "age", "doubtful"),
    [
        (3.0, None, 3.0, False),
        (None, 45.0, 45.0, False),
        (3.0, 3.9, 3.9, False),  # the file counts; people state completed years
        (3.0, 45.0, 45.0, True),
        (None, None, None, False),
    ],
)
def test_the_stated_age_counts_where_the_file_has_none(
    stated: float | None, in_file: float | None, age: float | None, doubtful: bool
) -> None:
    applied = StatedAge(stated).apply_to(radiograph(in_file))
    assert applied.age == age
    assert [note.doubtful for note in applied.notes] == [True] * doubtful


def test_a_contradicted_birth_date_leaves_doubt_whatever_the_file_says() -> None:
    (note,) = StatedAge(3.0, contradicted=True).apply_to(radiograph(None)).notes
    assert (note.code, note.doubtful) == ("age_contradicted", True)
