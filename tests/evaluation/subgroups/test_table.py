"""Metrics of subgroups and their intervals."""

import timeit
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from pneumoscope.evaluation.statistics import bootstrap
from pneumoscope.evaluation.subgroups.columns import find_subgroups
from pneumoscope.evaluation.subgroups.resampling import SubgroupRanking
from pneumoscope.evaluation.subgroups.table import SubgroupTable, _p_value, subgroup_table
from pneumoscope.report.estimate import Estimate


def by_value(table):
    return {(group.column, group.value): group for group in table.groups}


def test_a_table_without_columns_has_no_subgroups(drawn):
    assert subgroup_table(drawn(50, 0), 0.5) == SubgroupTable((), {})


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


def test_values_are_those_of_scikit_learn(drawn):
    sex = np.random.default_rng(50).choice(["F", "M", "X"], 300)
    made = drawn(300, 5, sex=sex)
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


def test_the_rest_of_overlapping_findings_is_that_of_scikit_learn(drawn):
    rng = np.random.default_rng(51)
    findings = ["|".join(rng.choice(["a", "b", "c"], 2)) for _ in range(300)]
    made = drawn(300, 5, images_per_patient=2, finding=findings)
    groups = subgroup_table(made, 0.5, draws=10).groups
    assert len(groups) == 3
    for group in groups:
        inside = np.array([group.value in cell for cell in findings])
        aucs = [
            roc_auc_score(made.labels[rows], made.probabilities[rows]) for rows in (inside, ~inside)
        ]
        assert group.auc_gap.value == pytest.approx(aucs[0] - aucs[1])


def test_intervals_are_those_of_a_plain_loop_over_patients(drawn):
    sex = np.repeat(np.random.default_rng(60).choice(["F", "M"], 50), 3)
    made = drawn(150, 6, images_per_patient=3, sex=sex)
    men = by_value(subgroup_table(made, 0.5, draws=3000, seed=1))[("sex", "M")]
    rng = np.random.default_rng(99)
    names = ("auc", "sensitivity", "specificity")
    loop = {name: [] for metric in names for name in (metric, f"{metric}_gap")}
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
        assert interval == pytest.approx((low, high), abs=0.03), name


def fast_auc(labels, scores):
    differences = scores[labels == 1][:, None] - scores[labels == 0][None, :]
    return np.mean((differences > 0) + (differences == 0) / 2)


def test_gaps_of_equal_subgroups_exclude_zero_in_5_percent(drawn):
    outside = {"auc_gap": 0, "sensitivity_gap": 0, "specificity_gap": 0}
    for seed in range(200):
        made = drawn(200, 1000 + seed, sex=["F", "M"] * 100)
        group = subgroup_table(made, 0.5, draws=150, seed=seed).groups[0]
        for name in outside:
            gap = getattr(group, name)
            outside[name] += not gap.low <= 0 <= gap.high
    for name, times in outside.items():
        # Binomial(200, 0.05): mean 10, and 3 standard deviations are 9.
        assert 1 <= times <= 19, name


def test_where_every_patient_has_one_image_a_share_has_wilsons_interval(drawn):
    made = drawn(120, 7, view=["AP", "PA"] * 60)
    for group in subgroup_table(made, 0.5, draws=20).groups:
        called = round(group.sensitivity.value * group.positives)
        low, high = proportion_confint(called, group.positives, method="wilson")
        interval = group.sensitivity.interval
        assert interval == pytest.approx((low, high))


def test_a_share_of_one_has_an_interval_that_counts_patients(table):
    # 40 ill images of 10 patients, all called: 10 of 10, not 40 of 40, and not certain.
    labels, patients = [1] * 40 + [0] * 40, [f"p{row // 4}" for row in range(80)]
    made = replace(table(labels, [0.9] * 40 + [0.1] * 40, patients), groups={"s": ("a", "b") * 40})
    for group in subgroup_table(made, 0.5, draws=20).groups:
        low, _ = proportion_confint(10, 10, method="wilson")
        assert group.sensitivity.value == group.specificity.value == 1.0
        assert group.sensitivity.interval == (pytest.approx(low), 1.0)
        assert group.specificity.interval == (pytest.approx(low), 1.0)
        # Nor is the AUC of one, of ten patients in the smaller class, nor that nothing is between.
        assert group.auc == Estimate(1.0, pytest.approx(low), 1.0)
        ends = confint_proportions_2indep(10, 10, 10, 10, compare="diff", method="newcomb")
        for gap in (group.auc_gap, group.sensitivity_gap, group.specificity_gap):
            assert gap == Estimate(0.0, *map(pytest.approx, ends))


def test_a_gap_to_a_share_of_one_is_that_of_newcombe(table):
    # Everybody has one image: 30 of 30 ill women are found, and 27 of 36 ill men.
    labels = [1] * 66 + [0] * 60
    scores = [0.9] * 57 + [0.1] * 9 + np.linspace(0.2, 0.8, 60).tolist()
    sex = ("F",) * 30 + ("M",) * 36 + ("F", "M") * 30
    groups = subgroup_table(replace(table(labels, scores), groups={"sex": sex}), 0.5, draws=50)
    gap = groups.groups[0].sensitivity_gap
    low, high = confint_proportions_2indep(30, 30, 27, 36, compare="diff", method="newcomb")
    assert gap == Estimate(0.25, pytest.approx(low), pytest.approx(high))


def test_ill_images_alone_are_compared_with_all_normal_ones(drawn):
    made = drawn(200, 8)
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
    assert gap.low < gap.value < gap.high
    healthy = table[("cause", "not stated")]
    assert healthy.against == "all PNEUMONIA"
    # Nobody else is healthy, so there is nothing to compare with.
    assert healthy.auc_gap == healthy.specificity_gap == Estimate(None)
    assert healthy.sensitivity == healthy.sensitivity_gap == Estimate(None)


def test_other_diseases_among_the_negatives_are_compared_with_all_ill_ones(drawn):
    made = drawn(200, 9)
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


METRICS = {"auc", "sensitivity", "specificity", "auc_gap", "sensitivity_gap", "specificity_gap"}


@pytest.mark.parametrize(
    ("ill", "healthy", "too_few"),
    [
        (19, 40, {"sensitivity", "sensitivity_gap", "auc", "auc_gap"}),
        (40, 19, {"specificity", "specificity_gap", "auc", "auc_gap"}),
        (20, 20, set()),
        (3, 2, METRICS),
    ],
)
def test_metrics_of_too_few_images_are_withheld(ill, healthy, too_few, table):
    rng = np.random.default_rng(10)
    labels = [1] * ill + [0] * healthy + [0, 1] * 50
    column = ("small",) * (ill + healthy) + ("large",) * 100
    made = replace(table(labels, rng.random(len(labels))), groups={"site": column})
    groups = by_value(subgroup_table(made, 0.5, draws=50))
    small = groups[("site", "small")]
    assert set(small.too_few) == too_few
    for name in METRICS:
        assert (getattr(small, name) == Estimate(None)) == (name in too_few)
    # The gaps of the large one rest on the small one as well.
    gaps = {name for name in METRICS if name.endswith("gap")}
    assert set(groups[("site", "large")].too_few) == too_few & gaps


def test_a_subgroup_of_one_patient_has_metrics_without_intervals(table):
    rng = np.random.default_rng(11)
    patients = ["only"] * 50 + [f"p{row}" for row in range(60)]
    made = replace(
        table([0, 1] * 55, rng.random(110), patients), groups={"site": ("x",) * 50 + ("y",) * 60}
    )
    single, rest = subgroup_table(made, 0.5, draws=50).groups
    assert (single.value, single.patients, single.n) == ("x", 1, 50)
    assert single.auc.value is not None
    gaps = [getattr(group, name) for group in (single, rest) for name in METRICS if "gap" in name]
    for estimate in (single.auc, single.sensitivity, single.specificity, *gaps):
        assert estimate.interval is None
        assert estimate.value is not None
    assert rest.auc.interval is not None


def test_a_class_of_a_single_patient_gives_no_interval(table):
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


def test_the_order_of_rows_does_not_matter_and_the_seed_decides(drawn):
    made = drawn(240, 12, images_per_patient=2, sex=["F", "F", "M"] * 80)
    first = subgroup_table(made, 0.5, draws=100, seed=3)
    shuffled = made.rows(np.random.default_rng(0).permutation(240))
    again = subgroup_table(shuffled, 0.5, draws=100, seed=3)
    for group, same in zip(first.groups, again.groups, strict=True):
        assert (group.auc.low, group.auc.value) == pytest.approx((same.auc.low, same.auc.value))
    assert subgroup_table(made, 0.5, draws=100, seed=4) != first


def test_the_number_of_threads_does_not_matter(drawn, monkeypatch):
    made = drawn(100, 13, sex=["F", "M"] * 50)
    got = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(bootstrap, "usable_cores", lambda threads=threads: threads)
        got.append(subgroup_table(made, 0.5, draws=60, seed=2))
    assert got[0] == got[1] == got[2]


def test_every_value_of_several_columns_is_a_subgroup(drawn):
    rng = np.random.default_rng(14)
    columns = {name: map(str, rng.integers(0, 10, 5000)) for name in ("a", "b", "c")}
    made = drawn(5000, 14, **columns)
    assert len(subgroup_table(made, 0.5, draws=10).groups) == 30


def test_the_rest_is_not_counted_anew_for_every_subgroup(drawn):
    # Thirty subgroups of a column hold every image once; counted with the rest, thirty times.
    rng = np.random.default_rng(15)
    seconds = {}
    for kinds in (2, 30):
        made = drawn(60_000, 15, kind=map(str, rng.integers(0, kinds, 60_000)))
        rows = [subgroup.rows for subgroup in find_subgroups(made.groups)[0]]
        ranking = SubgroupRanking.of(made, np.arange(60_000), 0.5, rows)
        times = np.ones(60_000, np.int32)
        seconds[kinds] = min(timeit.repeat(partial(ranking.metrics, times), number=3, repeat=7))
    assert seconds[30] < 5 * seconds[2]  # about 1.3 times


def test_p_values_of_gaps_agree_with_intervals_and_are_corrected_for_their_number(table) -> None:
    """By statsmodels' Holm, and by the duality of tests and intervals."""
    rng = np.random.default_rng(0)
    labels = np.arange(1200) % 2
    probabilities = np.clip(rng.normal(0.4 + 0.2 * labels, 0.2), 0, 1)
    sites = np.repeat(["A", "B", "C", "D"], 300)
    probabilities[(sites == "D") & (labels == 1)] *= 0.6
    made = replace(table(labels, probabilities), groups={"site": tuple(sites)})
    groups = subgroup_table(made, threshold=0.5, draws=2000).groups
    gaps = [group.sensitivity_gap for group in groups]
    raw = [_p_value(gap) for gap in gaps]
    for gap, p in zip(gaps, raw, strict=True):
        assert (p < 0.05) == (gap.low > 0 or gap.high < 0)
    expected = multipletests(raw, method="holm")[1]
    assert [group.gap_p_holm["sensitivity"] for group in groups] == pytest.approx(expected)
    assert groups[3].gap_p_holm["sensitivity"] < 0.001


def test_the_two_sides_of_one_comparison_are_one_test(table) -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(600) % 2
    probabilities = np.clip(rng.normal(0.4 + 0.2 * labels, 0.2), 0, 1)
    made = replace(table(labels, probabilities), groups={"sex": ("F",) * 300 + ("M",) * 300})
    first, second = subgroup_table(made, threshold=0.5).groups
    for name in ("auc", "sensitivity", "specificity"):
        p = first.gap_p_holm[name]
        assert p == second.gap_p_holm[name]
        # A single test needs no correction.
        assert p == pytest.approx(_p_value(getattr(first, f"{name}_gap")), rel=0.05)


def test_a_gap_whose_interval_has_no_width_has_no_p_value() -> None:
    assert _p_value(Estimate(0.1, 0.1, 0.3)) is None
    assert _p_value(Estimate(0.1)) is None
    assert _p_value(Estimate(0.0, -0.1, 0.1)) == 1
