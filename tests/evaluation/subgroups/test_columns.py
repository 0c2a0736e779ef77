"""Subgroups from the columns of a table."""

import pytest

from pneumoscope.evaluation.subgroups.columns import find_subgroups
from pneumoscope.evaluation.subgroups.table import subgroup_table


def values(column, cells):
    subgroups, _ = find_subgroups({column: cells})
    return {subgroup.value: subgroup.rows.tolist() for subgroup in subgroups}


def test_ages_are_cut_into_the_stated_bands():
    ages = ["0", "4", "4.9", "5", "17", "18", "39", "40", "59", "60", "79", "80", "120", "4,5"]
    bands = ["0-4"] * 3 + ["5-17"] * 2 + ["18-39"] * 2 + ["40-59"] * 2 + ["60-79"] * 2
    bands += ["80+"] * 2 + ["0-4"]
    got = values(" Age", ages)
    assert list(got) == ["0-4", "5-17", "18-39", "40-59", "60-79", "80+"]
    for band, rows in got.items():
        assert rows == [expected == band for expected in bands]


def test_no_age_and_impossible_ages_are_not_stated():
    assert values("age", ["30", "", " ", "-1", "999", "121"]) == {
        "18-39": [True] + [False] * 5,
        "not stated": [False] + [True] * 5,
    }


def test_ages_that_are_words_are_values_as_they_are():
    assert list(values("age", ["child", "30", "child"])) == ["30", "child"]


def test_ages_are_read_as_dicom_writes_them():
    # PS3.5, value representation AS: three digits and a unit. 59 months are less than five years,
    # 260 weeks 4.98 years and 261 weeks 5.002 years; 999 days are 2.7 years.
    ages = ["045Y", "004Y", "059M", "060M", "260W", "261W", "999D", "005Y", "080Y", "999Y"]
    assert values("age", ages) == {
        "0-4": [False, True, True, False, True, False, True, False, False, False],
        "5-17": [False, False, False, True, False, True, False, True, False, False],
        "40-59": [True] + [False] * 9,
        "80+": [False] * 8 + [True, False],
        "not stated": [False] * 9 + [True],
    }


def test_a_unit_makes_no_age_of_another_column():
    assert list(values("department", ["045Y", "006M", "045Y"])) == ["006M", "045Y"]


@pytest.mark.parametrize("word", ["NA", "n/a", "unknown", "nan", "inf", "?"])
def test_one_word_among_numbers_is_not_stated(word):
    ages = [str(age) for age in range(19)]
    assert values("age", [*ages, word]) == {
        "0-4": [True] * 5 + [False] * 15,
        "5-17": [False] * 5 + [True] * 13 + [False] * 2,
        "18-39": [False] * 18 + [True, False],
        "not stated": [False] * 19 + [True],
    }
    exposures = [str(n) for n in range(61)]
    got, left_out = find_subgroups({"exposure": [*exposures, word]})
    assert not left_out
    assert got[-1].value == "not stated"
    assert [int(subgroup.rows.sum()) for subgroup in got] == [16, 15, 15, 15, 1]


@pytest.mark.parametrize(("words", "numeric"), [(4, True), (5, False)])
def test_a_column_is_one_of_numbers_if_nine_stated_cells_in_ten_are(words, numeric):
    # 36 of 40 stated cells are nine in ten; 36 of 41 are less. Empty cells do not count.
    cells = [str(n) for n in range(36)] + ["none"] * words + [""] * 30
    groups, left_out = find_subgroups({"dose": cells})
    assert bool(left_out) != numeric
    if numeric:
        assert int(groups[-1].rows.sum()) == words + 30


def test_words_among_few_numbers_stay_values():
    assert list(values("scanner", ["1", "2"] * 20 + ["3A"])) == ["1", "2", "3A"]


def test_many_numbers_are_cut_at_their_quartiles_with_the_limits_named():
    numbers = list(range(1, 101))
    got = values("exposure", [*map(str, numbers), ""])
    assert list(got) == [
        "up to 25",
        "above 25 to 50",
        "above 50 to 75",
        "above 75",
        "not stated",
    ]
    assert [sum(rows) for rows in got.values()] == [25, 25, 25, 25, 1]
    assert got["above 25 to 50"][25:50] == [True] * 25


def test_a_date_written_as_a_number_keeps_its_digits():
    got = values("date", [str(20240101 + day) for day in range(20)])
    assert next(iter(got)) == "up to 20240105"


def test_quartiles_that_coincide_make_fewer_bands():
    got = values("dose", ["0"] * 60 + [str(n) for n in range(1, 21)])
    assert [sum(rows) for rows in got.values()] == [60, 20]
    assert list(got) == ["up to 0", "above 0"]


def test_few_numbers_are_categories():
    got = values("scanner", [str(n % 12) for n in range(48)])
    assert len(got) == 12
    assert all(sum(rows) == 4 for rows in got.values())


def test_a_cell_of_several_findings_belongs_to_each():
    got = values("findings", ["Mass|Effusion", "Effusion", "", " Mass | Mass "])
    assert got == {
        "Effusion": [True, True, False, False],
        "Mass": [True, False, False, True],
        "not stated": [False, False, True, False],
    }


def test_columns_that_make_no_groups_are_left_out_with_the_reason(drawn):
    cells = [f"v{row}" for row in range(31)]
    groups, left_out = find_subgroups(
        {"uid": cells, "site": ["A"] * 31, "note": [""] * 31, "department": [*cells[:30], ""]}
    )
    assert left_out == {
        "uid": "31 values, more than 30",
        "site": "a single value",
        "note": "no value is stated",
    }
    assert {group.column for group in groups} == {"department"}
    assert subgroup_table(drawn(31, 0, uid=cells), 0.5).left_out["uid"].startswith("31")
