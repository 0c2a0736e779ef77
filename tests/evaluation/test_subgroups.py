import time
import timeit
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from pneumoscope.evaluation import bootstrap
from pneumoscope.evaluation.intervals import Estimate, Interval
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.subgroup_columns import memberships
from pneumoscope.evaluation.subgroup_draws import SubgroupDraws
from pneumoscope.evaluation.subgroup_figures import subgroup_figure
from pneumoscope.evaluation.subgroups import SubgroupTable, subgroup_table


def predictions_of(count, seed, images_per_patient=1, **groups):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    # A patient's images resemble each other.
    own = np.repeat(rng.normal(0, 0.2, count), images_per_patient)[:count]
    scores = np.clip(0.3 + 0.3 * labels + own + rng.normal(0, 0.15, count), 0, 1).round(2)
    files = tuple(f"image{row}.png" for row in range(count))
    patients = tuple(f"p{row // images_per_patient}" for row in range(count))
    return Predictions(files, labels, scores, patients, {k: tuple(v) for k, v in groups.items()})


def by_value(table):
    return {(group.column, group.value): group for group in table.groups}


def values(column, cells):
    return {each.value: each.rows.tolist() for each in memberships({column: cells})[0]}


# The columns.


def test_ages_are_cut_into_the_stated_bands():
    ages = ["0", "4", "4.9", "5", "17", "18", "39", "40", "59", "60", "79", "80", "120", "4,5"]
    bands = ["0-4"] * 3 + ["5-17"] * 2 + ["18-39"] * 2 + ["40-59"] * 2 + ["60-79"] * 2
    bands += ["80+"] * 2 + ["0-4"]
    got = values(" Age", ages)
    assert list(got) == ["0-4", "5-17", "18-39", "40-59", "60-79", "80+"]
    for band, rows in got.items():
        assert rows == [each == band for each in bands]


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
    assert list(values("ward", ["045Y", "006M", "045Y"])) == ["006M", "045Y"]


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
    got, left_out = memberships({"exposure": [*exposures, word]})
    assert not left_out
    assert [each.value for each in got][-1] == "not stated"
    assert [int(each.rows.sum()) for each in got] == [16, 15, 15, 15, 1]


@pytest.mark.parametrize(("words", "numeric"), [(4, True), (5, False)])
def test_a_column_is_one_of_numbers_if_nine_stated_cells_in_ten_are(words, numeric):
    # 36 of 40 stated cells are nine in ten; 36 of 41 are less. Empty cells do not count.
    cells = [str(n) for n in range(36)] + ["none"] * words + [""] * 30
    groups, left_out = memberships({"dose": cells})
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


def test_columns_that_make_no_groups_are_left_out_with_the_reason():
    cells = [f"v{row}" for row in range(31)]
    groups, left_out = memberships(
        {"uid": cells, "site": ["A"] * 31, "note": [""] * 31, "ward": [*cells[:30], ""]}
    )
    assert left_out == {
        "uid": "31 values, more than 30",
        "site": "one value only",
        "note": "no value is stated",
    }
    assert {each.column for each in groups} == {"ward"}
    assert subgroup_table(predictions_of(31, 0, uid=cells), 0.5).left_out["uid"].startswith("31")


def test_a_table_without_columns_has_no_subgroups():
    assert subgroup_table(predictions_of(50, 0), 0.5) == SubgroupTable((), {})


# The figures.


def test_a_table_made_by_hand(table):
    # M: 20 ill of whom 15 are called, 20 healthy of whom 2 are called. F: all are called rightly.
    labels = [1] * 20 + [0] * 20 + [1] * 25 + [0] * 30
    scores = [0.9] * 15 + [0.2] * 5 + [0.8] * 2 + [0.1] * 18 + [0.9] * 25 + [0.1] * 30
    made = replace(table(labels, scores), groups={"sex": ("M",) * 40 + ("F",) * 55})
    women, men = subgroup_table(made, 0.5).groups
    assert (men.column, men.value, men.n, men.positives, men.patients) == ("sex", "M", 40, 20, 40)
    assert (women.value, women.n, women.positives) == ("F", 55, 25)
    assert (men.sensitivity.value, men.specificity.value) == (0.75, 0.9)
    # Pairs won: 15 ill at 0.9 against all 20; 5 ill at 0.2 against the 18 at 0.1.
    assert men.auc.value == pytest.approx((15 * 20 + 5 * 18) / 400)
    assert women.auc.value == 1.0
    assert men.auc_gap.value == pytest.approx(390 / 400 - 1)
    assert women.auc_gap.value == pytest.approx(1 - 390 / 400)
    assert men.too_few == women.too_few == ()
    assert men.against is None


def test_values_are_those_of_scikit_learn():
    sex = np.random.default_rng(50).choice(["F", "M", "X"], 300)
    made = predictions_of(300, 5, sex=sex)
    for group in subgroup_table(made, 0.5, draws=10).groups:
        inside = sex == group.value
        labels, scores = made.labels, made.probabilities
        auc = roc_auc_score(labels[inside], scores[inside])
        assert group.auc.value == pytest.approx(auc)
        assert group.auc_gap.value == pytest.approx(
            auc - roc_auc_score(labels[~inside], scores[~inside])
        )
        found, cleared = scores >= 0.5, scores < 0.5
        for rows, right, share, gap in (
            (labels == 1, found, group.sensitivity, group.sensitivity_gap),
            (labels == 0, cleared, group.specificity, group.specificity_gap),
        ):
            assert share.value == np.mean(right[inside & rows])
            assert gap.value == pytest.approx(
                np.mean(right[inside & rows]) - np.mean(right[~inside & rows])
            )


def test_the_rest_of_overlapping_findings_is_that_of_scikit_learn():
    rng = np.random.default_rng(51)
    findings = ["|".join(rng.choice(["a", "b", "c"], 2)) for _ in range(300)]
    made = predictions_of(300, 5, images_per_patient=2, finding=findings)
    groups = subgroup_table(made, 0.5, draws=10).groups
    assert len(groups) == 3
    for group in groups:
        inside = np.array([group.value in cell for cell in findings])
        aucs = [
            roc_auc_score(made.labels[rows], made.probabilities[rows]) for rows in (inside, ~inside)
        ]
        assert group.auc_gap.value == pytest.approx(aucs[0] - aucs[1])


def test_intervals_are_those_of_a_plain_loop_over_patients():
    sex = np.repeat(np.random.default_rng(60).choice(["F", "M"], 50), 3)
    made = predictions_of(150, 6, images_per_patient=3, sex=sex)
    men = by_value(subgroup_table(made, 0.5, draws=3000, seed=1))[("sex", "M")]
    rng = np.random.default_rng(99)
    names = ("auc", "sensitivity", "specificity")
    loop = {name: [] for one in names for name in (one, f"{one}_gap")}
    for _ in range(1500):
        drawn = (3 * rng.integers(0, 50, 50)[:, None] + np.arange(3)).ravel()
        labels, scores, inside = made.labels[drawn], made.probabilities[drawn], sex[drawn] == "M"
        auc = fast_auc(labels[inside], scores[inside])
        loop["auc"].append(auc)
        loop["auc_gap"].append(auc - fast_auc(labels[~inside], scores[~inside]))
        for name, rows, right in (
            ("sensitivity", labels == 1, scores >= 0.5),
            ("specificity", labels == 0, scores < 0.5),
        ):
            share = np.mean(right[inside & rows])
            loop[name].append(share)
            loop[f"{name}_gap"].append(share - np.mean(right[~inside & rows]))
    for name, drawn in loop.items():
        interval = getattr(men, name).interval
        low, high = np.percentile(drawn, [2.5, 97.5])
        # Two independent bootstraps differ by their own noise only.
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.03), name


def fast_auc(labels, scores):
    differences = scores[labels == 1][:, None] - scores[labels == 0][None, :]
    return np.mean((differences > 0) + (differences == 0) / 2)


def test_gaps_of_alike_subgroups_leave_out_zero_as_rarely_as_promised():
    outside = {"auc_gap": 0, "sensitivity_gap": 0, "specificity_gap": 0}
    for seed in range(200):
        made = predictions_of(200, 1000 + seed, sex=["F", "M"] * 100)
        group = subgroup_table(made, 0.5, draws=150, seed=seed).groups[0]
        for name in outside:
            gap = getattr(group, name)
            outside[name] += not gap.interval.low <= 0 <= gap.interval.high
    for name, times in outside.items():
        # Binomial(200, 0.05): mean 10, and 3 standard deviations are 9.
        assert 1 <= times <= 19, name


def test_where_every_patient_has_one_image_a_share_has_wilsons_interval():
    made = predictions_of(120, 7, view=["AP", "PA"] * 60)
    for group in subgroup_table(made, 0.5, draws=20).groups:
        called = round(group.sensitivity.value * group.positives)
        low, high = proportion_confint(called, group.positives, method="wilson")
        interval = group.sensitivity.interval
        assert (interval.low, interval.high) == pytest.approx((low, high))


def test_a_share_of_one_has_an_interval_that_counts_patients(table):
    # 40 ill images of 10 patients, all called: 10 of 10, not 40 of 40, and not certain.
    labels, patients = [1] * 40 + [0] * 40, [f"p{row // 4}" for row in range(80)]
    made = replace(table(labels, [0.9] * 40 + [0.1] * 40, patients), groups={"s": ("a", "b") * 40})
    for group in subgroup_table(made, 0.5, draws=20).groups:
        low, _ = proportion_confint(10, 10, method="wilson")
        assert group.sensitivity.value == group.specificity.value == 1.0
        assert group.sensitivity.interval == Interval(pytest.approx(low), 1.0)
        assert group.specificity.interval == Interval(pytest.approx(low), 1.0)
        # Nor is the AUC of one, of ten patients in the smaller class, nor that nothing is between.
        assert group.auc == Estimate(1.0, Interval(pytest.approx(low), 1.0))
        ends = confint_proportions_2indep(10, 10, 10, 10, compare="diff", method="newcomb")
        for gap in (group.auc_gap, group.sensitivity_gap, group.specificity_gap):
            assert gap == Estimate(0.0, Interval(*map(pytest.approx, ends)))


def test_a_gap_to_a_share_of_one_is_that_of_newcombe(table):
    # Everybody has one image: 30 of 30 ill women are found, and 27 of 36 ill men.
    labels = [1] * 66 + [0] * 60
    scores = [0.9] * 57 + [0.1] * 9 + np.linspace(0.2, 0.8, 60).tolist()
    sex = ("F",) * 30 + ("M",) * 36 + ("F", "M") * 30
    groups = subgroup_table(replace(table(labels, scores), groups={"sex": sex}), 0.5, draws=50)
    gap = groups.groups[0].sensitivity_gap
    low, high = confint_proportions_2indep(30, 30, 27, 36, compare="diff", method="newcomb")
    assert gap == Estimate(0.25, Interval(pytest.approx(low), pytest.approx(high)))


def test_ill_images_alone_are_set_against_all_normal_ones():
    made = predictions_of(200, 8)
    kinds = np.random.default_rng(80).choice(["bacteria", "virus"], 200)
    cause = tuple(kind if ill else "" for kind, ill in zip(kinds, made.labels, strict=True))
    table = by_value(subgroup_table(replace(made, groups={"cause": cause}), 0.5, draws=200))
    ill, scores = made.labels == 1, made.probabilities
    aucs = {}
    for kind in ("bacteria", "virus"):
        rows = (~ill) | (kinds == kind)
        aucs[kind] = roc_auc_score(made.labels[rows], scores[rows])
        group = table[("cause", kind)]
        assert group.against == "all NORMAL"
        assert (group.auc.value, group.n) == (pytest.approx(aucs[kind]), group.positives)
        assert group.specificity == Estimate(None)
        assert group.too_few == ()
    gap = table[("cause", "bacteria")].auc_gap
    assert gap.value == pytest.approx(aucs["bacteria"] - aucs["virus"])
    assert gap.interval.low < gap.value < gap.interval.high
    healthy = table[("cause", "not stated")]
    assert healthy.against == "all PNEUMONIA"
    # Nobody else is healthy, so there is nothing to compare with.
    assert healthy.auc_gap == healthy.specificity_gap == Estimate(None)
    assert healthy.sensitivity == healthy.sensitivity_gap == Estimate(None)


def test_other_diseases_among_the_negatives_are_set_against_all_ill_ones():
    made = predictions_of(200, 9)
    label = [
        "PNEUMONIA" if ill else "OTHER" if row % 2 else "NORMAL"
        for row, ill in enumerate(made.labels)
    ]
    table = by_value(subgroup_table(replace(made, groups={"label": tuple(label)}), 0.5, draws=50))
    other = table[("label", "OTHER")]
    rows = np.array([name != "NORMAL" for name in label])
    auc = roc_auc_score(made.labels[rows], made.probabilities[rows])
    rows = np.array([name != "OTHER" for name in label])
    assert other.against == "all PNEUMONIA"
    assert other.auc.value == pytest.approx(auc)
    assert other.auc_gap.value == pytest.approx(
        auc - roc_auc_score(made.labels[rows], made.probabilities[rows])
    )


FIGURES = {"auc", "sensitivity", "specificity", "auc_gap", "sensitivity_gap", "specificity_gap"}


@pytest.mark.parametrize(
    ("ill", "healthy", "too_few"),
    [
        (19, 40, {"sensitivity", "sensitivity_gap", "auc", "auc_gap"}),
        (40, 19, {"specificity", "specificity_gap", "auc", "auc_gap"}),
        (20, 20, set()),
        (3, 2, FIGURES),
    ],
)
def test_too_few_images_of_a_class_are_too_few_to_say(ill, healthy, too_few, table):
    rng = np.random.default_rng(10)
    labels = [1] * ill + [0] * healthy + [0, 1] * 50
    column = ("small",) * (ill + healthy) + ("large",) * 100
    made = replace(table(labels, rng.random(len(labels))), groups={"site": column})
    groups = by_value(subgroup_table(made, 0.5, draws=50))
    small = groups[("site", "small")]
    assert set(small.too_few) == too_few
    for name in FIGURES:
        assert (getattr(small, name) == Estimate(None)) == (name in too_few)
    # The gaps of the large one rest on the small one as well.
    gaps = {name for name in FIGURES if name.endswith("gap")}
    assert set(groups[("site", "large")].too_few) == too_few & gaps


def test_a_subgroup_of_one_patient_has_figures_and_no_intervals(table):
    rng = np.random.default_rng(11)
    patients = ["only"] * 50 + [f"p{row}" for row in range(60)]
    made = replace(
        table([0, 1] * 55, rng.random(110), patients), groups={"site": ("x",) * 50 + ("y",) * 60}
    )
    one, others = subgroup_table(made, 0.5, draws=50).groups
    assert (one.value, one.patients, one.n) == ("x", 1, 50)
    assert one.auc.value is not None
    gaps = [getattr(each, name) for each in (one, others) for name in FIGURES if "gap" in name]
    for estimate in (one.auc, one.sensitivity, one.specificity, *gaps):
        assert estimate.interval is None
        assert estimate.value is not None
    assert others.auc.interval is not None


def test_a_class_that_one_patient_stands_for_gives_no_interval(table):
    # All 30 ill images of the site are one person's, all called: nothing is known of others.
    labels, patients = (
        [1] * 30 + [0] * 30 + [0, 1] * 30,
        ["ill"] * 30 + [f"p{n}" for n in range(90)],
    )
    made = replace(
        table(labels, [0.9] * 30 + [0.1] * 30 + [0.2, 0.8] * 30, patients),
        groups={"site": ("x",) * 60 + ("y",) * 60},
    )
    group = subgroup_table(made, 0.5, draws=50).groups[0]
    assert (group.sensitivity, group.auc) == (Estimate(1.0), Estimate(1.0))
    assert group.specificity.interval is not None


def test_the_order_of_rows_does_not_matter_and_the_seed_decides():
    made = predictions_of(240, 12, images_per_patient=2, sex=["F", "F", "M"] * 80)
    first = subgroup_table(made, 0.5, draws=100, seed=3)
    shuffled = made.rows(np.random.default_rng(0).permutation(240))
    again = subgroup_table(shuffled, 0.5, draws=100, seed=3)
    for one, two in zip(first.groups, again.groups, strict=True):
        assert (one.auc.interval.low, one.auc.value) == pytest.approx(
            (two.auc.interval.low, two.auc.value)
        )
    assert subgroup_table(made, 0.5, draws=100, seed=4) != first


def test_the_number_of_threads_does_not_matter(monkeypatch):
    made = predictions_of(100, 13, sex=["F", "M"] * 50)
    got = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(bootstrap, "usable_cores", lambda threads=threads: threads)
        got.append(subgroup_table(made, 0.5, draws=60, seed=2))
    assert got[0] == got[1] == got[2]


def test_five_thousand_images_and_thirty_subgroups_take_seconds():
    rng = np.random.default_rng(14)
    columns = {name: map(str, rng.integers(0, 10, 5000)) for name in ("a", "b", "c")}
    made = predictions_of(5000, 14, **columns)
    start = time.perf_counter()
    assert len(subgroup_table(made, 0.5).groups) == 30
    assert time.perf_counter() - start < 15  # about 1 s on one free core


def test_the_rest_is_not_counted_anew_for_every_subgroup():
    # Thirty subgroups of a column hold every image once; counted with the rest, thirty times.
    rng = np.random.default_rng(15)
    seconds = {}
    for kinds in (2, 30):
        made = predictions_of(60_000, 15, kind=map(str, rng.integers(0, kinds, 60_000)))
        rows = [each.rows for each in memberships(made.groups)[0]]
        draws = SubgroupDraws.of(made, np.arange(60_000), 0.5, rows)
        times = np.ones(60_000, np.int32)
        seconds[kinds] = min(timeit.repeat(partial(draws.figures, times), number=3, repeat=7))
    assert seconds[30] < 5 * seconds[2]  # about 1.3 times


# The figure.


def test_the_figure_has_headings_values_and_what_is_too_few():
    made = predictions_of(200, 15, sex=["F", "M"] * 100, site=["A"] * 195 + ["B"] * 5)
    table = subgroup_table(made, 0.5, draws=50)
    figure = subgroup_figure(table, Estimate(0.8, Interval(0.7, 0.9)))
    figure.canvas.draw()
    left, right = figure.axes
    names = [label.get_text() for label in left.get_yticklabels()]
    words = [label.get_text() for label in right.get_yticklabels()]
    ill = [group.positives for group in table.groups]
    assert names[:3] == ["sex", f"F ({ill[0]} ill, {100 - ill[0]} not)", names[2]]
    assert names[3] == "site"
    assert words[1] == str(table.groups[0].auc)
    assert (words[0], words[3], words[5]) == ("", "", "too few to say")
    overall = [line for line in left.lines if line.get_linestyle() == "--"]
    assert overall[0].get_xdata()[0] == 0.8
    assert "0.800 (0.700 to 0.900)" in left.get_xlabel()


def test_the_figure_says_what_one_class_is_set_against():
    made = predictions_of(200, 16)
    label = tuple("PNEUMONIA" if ill else "NORMAL" for ill in made.labels)
    table = subgroup_table(replace(made, groups={"label": label}), 0.5, draws=20)

    axes = subgroup_figure(table, Estimate(0.8)).axes[0]
    names = [text.get_text() for text in axes.get_yticklabels()]
    ill = int(made.labels.sum())
    assert names == [
        "label",
        f"NORMAL ({200 - ill} not ill, against all PNEUMONIA)",
        f"PNEUMONIA ({ill} ill, against all NORMAL)",
    ]


def test_a_figure_without_subgroups_says_so():
    axes = subgroup_figure(SubgroupTable((), {}), Estimate(None)).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["no subgroups"]
