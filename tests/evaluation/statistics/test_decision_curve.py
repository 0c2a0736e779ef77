"""Decision curves against the printed results of the R package dcurves, loops and sums by hand."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from pneumoscope.evaluation.report.figures.decision_curve import decision_curve_figure
from pneumoscope.evaluation.statistics.decision_curve import (
    consequences_per_thousand,
    consequences_table,
    decision_curve,
)
from pneumoscope.evaluation.statistics.discrimination import assess_discrimination
from pneumoscope.report.estimate import Estimate
from pneumoscope.support.errors import PredictionsError


def test_family_history_gives_the_net_benefits_that_dcurves_prints(table):
    # The tutorial data of dcurves, 750 patients, 105 with cancer: 24 of them, and 91 of the others,
    # have a family history. Net benefits as in its test results r_dca_famhistory.csv.
    labels = np.repeat([1, 1, 0, 0], [24, 81, 91, 554])
    history = np.repeat([1.0, 0.0, 1.0, 0.0], [24, 81, 91, 554])
    printed = {
        0.05: (0.025614035087719297, 0.09473684210526317),
        0.10: (0.018518518518518517, 0.04444444444444445),
        0.15: (0.010588235294117645, -0.011764705882352927),
        0.20: (0.0016666666666666635, -0.07499999999999998),
        0.25: (-0.008444444444444449, -0.1466666666666666),
        0.50: (-0.08933333333333335, -0.72),
    }
    got = decision_curve(table(labels, history), np.array([*printed]), draws=2)
    np.testing.assert_allclose(got.model, [model for model, _ in printed.values()], rtol=1e-9)
    np.testing.assert_allclose(got.treat_all, [every for _, every in printed.values()], rtol=1e-9)


def test_age_gives_the_net_benefits_that_dcurves_prints(table):
    # The same patients: how many with and without cancer are at or above each threshold when age
    # is turned into a probability, and the net benefit, from r_simple_binary_dca_result_df.csv.
    printed = [
        (0.50, 14, 7, 0.009333333333333336),
        (0.52, 12, 6, 0.007333333333333332),
        (0.55, 9, 3, 0.0071111111111111115),
        (0.60, 6, 2, 0.004000000000000001),
        (0.67, 3, 1, 0.0012929292929292928),
        (0.70, 2, 0, 0.002666666666666667),
        (0.76, 0, 0, 0.0),
    ]
    thresholds, ill, healthy, benefits = map(np.array, zip(*printed, strict=True))
    at = np.append(0.1, thresholds)
    labels, probabilities = [], []
    for label, above, total in ((1, ill, 105), (0, healthy, 645)):
        # As many at exactly this threshold as are lost by the next one.
        counts = -np.diff(np.concatenate([[total], above, [0]]))
        labels += [label] * total
        probabilities += np.repeat(at, counts).tolist()
    got = decision_curve(table(labels, probabilities), thresholds, draws=2)
    np.testing.assert_allclose(got.model, benefits, rtol=1e-9, atol=1e-15)


def rows_of(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (rng.random(count) < 0.4).astype(int)
    return labels, np.clip(0.3 + 0.3 * labels + rng.normal(0, 0.2, count), 0, 1).round(2)


def net_benefit(labels, probabilities, threshold):
    called = probabilities >= threshold
    true, false = np.sum(called & (labels == 1)), np.sum(called & (labels == 0))
    return true / len(labels) - false / len(labels) * threshold / (1 - threshold)


def test_the_curve_is_that_of_a_plain_loop_over_hundredths(table):
    labels, probabilities = rows_of(80, seed=1)
    got = decision_curve(table(labels, probabilities), draws=2)
    assert len(got.thresholds) == 99
    for place in range(99):
        threshold = (place + 1) / 100
        assert got.thresholds[place] == threshold
        assert got.model[place] == pytest.approx(net_benefit(labels, probabilities, threshold))
        everyone = net_benefit(labels, np.ones(80), threshold)
        assert got.treat_all[place] == pytest.approx(everyone)


def test_the_band_is_that_of_a_plain_loop_over_patients(table):
    labels, probabilities = rows_of(60, seed=2)
    # Patients of one to three images: the number of images differs from draw to draw.
    patients = np.repeat(np.arange(30), [1, 2, 3] * 10)
    thresholds = np.array([0.2, 0.4, 0.6])
    rng = np.random.default_rng(7)
    loop = []
    for _ in range(3000):
        drawn = np.concatenate([np.flatnonzero(patients == p) for p in rng.integers(0, 30, 30)])
        loop.append([net_benefit(labels[drawn], probabilities[drawn], t) for t in thresholds])
    low, high = np.percentile(loop, [2.5, 97.5], axis=0)
    made = table(labels, probabilities, patients.astype(str).tolist())
    got = decision_curve(made, thresholds, draws=3000, seed=3)
    np.testing.assert_allclose(got.low, low, atol=0.012)
    np.testing.assert_allclose(got.high, high, atol=0.012)


def test_the_seed_decides_and_one_patient_has_no_band(table):
    labels, probabilities = rows_of(40, seed=3)
    made = table(labels, probabilities)
    curve = decision_curve(made, draws=50, seed=1)
    np.testing.assert_array_equal(curve.low, decision_curve(made, draws=50, seed=1).low)
    assert not np.array_equal(curve.low, decision_curve(made, draws=50, seed=2).low)
    alone = decision_curve(table(labels, probabilities, ["p"] * 40), draws=50)
    assert (alone.low, alone.high) == (None, None)
    np.testing.assert_array_equal(alone.model, curve.model)


def test_a_probability_of_exactly_the_threshold_is_called(table):
    got = decision_curve(table([0, 1, 1], [0.3, 0.3, 0.2]), np.array([0.3]), draws=2)
    assert got.model[0] == pytest.approx(1 / 3 - 1 / 3 * 3 / 7)


@pytest.mark.parametrize("threshold", [0.0, 1.0, -0.2, np.nan])
def test_thresholds_of_0_and_1_are_refused(threshold, table):
    with pytest.raises(PredictionsError, match="not above 0 and below 1"):
        decision_curve(table([0, 1], [0.2, 0.7]), np.array([0.5, threshold]))


def test_a_thousand_patients_are_those_counted_by_hand():
    # 150 ill, of whom four in five are found; 850 healthy, of whom 85 are called ill.
    row = consequences_per_thousand("ours", Estimate(0.8), Estimate(0.9), prevalence=0.15)
    estimates = (row.found, row.missed, row.needless, row.followups, row.followups_avoided)
    assert [estimate.value for estimate in estimates] == pytest.approx([120, 30, 85, 205, 795])
    assert {estimate.interval for estimate in estimates} == {None}
    assert (row.name, row.prevalence) == ("ours", 0.15)


def test_missed_and_needless_have_the_intervals_of_what_they_follow_from():
    # Of 200 ill, between 60 and 90 in 100 are found; of 800 healthy, 95 to 99 in 100 are cleared.
    found, cleared = Estimate(0.8, 0.6, 0.9), Estimate(0.98, 0.95, 0.99)
    row = consequences_per_thousand("ours", found, cleared, prevalence=0.2)
    for estimate, value, ends in (
        (row.found, 160, (120, 180)),
        (row.missed, 40, (20, 80)),
        (row.needless, 16, (8, 40)),
    ):
        got = (estimate.value, estimate.low, estimate.high)
        assert got == pytest.approx((value, *ends))
    # 160 and 16 of those referred may be 40 fewer or 20 more, and 8 fewer or 24 more.
    ends = (176 - np.hypot(40, 8), 176 + np.hypot(20, 24))
    got = row.followups.interval
    assert (row.followups.value, *got) == pytest.approx((176, *ends))
    got = row.followups_avoided.interval
    assert got == pytest.approx((1000 - ends[1], 1000 - ends[0]))


def test_intervals_are_those_of_the_draws(table):
    # Percentiles of what is missed and referred in each draw, counted in a loop over patients.
    labels, probabilities = rows_of(90, seed=6)
    made = table(labels, probabilities, [f"p{row // 3}" for row in range(90)])
    point = assess_discrimination(made, {"balanced": 0.4}, draws=1500).points[0].estimates
    row = consequences_per_thousand(
        "ours", point["sensitivity"], point["specificity"], prevalence=0.3
    )
    rng, missed, referred = np.random.default_rng(8), [], []
    for _ in range(1500):
        drawn = (3 * rng.integers(0, 30, 30)[:, None] + np.arange(3)).ravel()
        ill = labels[drawn] == 1
        missed.append(300 * np.mean(probabilities[drawn][ill] < 0.4))
        needless = 700 * np.mean(probabilities[drawn][~ill] >= 0.4)
        referred.append(300 - missed[-1] + needless)
    for found, drawn in ((row.missed, missed), (row.followups, referred)):
        ends = np.percentile(drawn, [2.5, 97.5])
        assert (found.low, found.high) == pytest.approx(ends, abs=9)


@pytest.mark.parametrize(
    ("sensitivity", "specificity", "prevalence", "message"),
    [
        (1.2, 0.5, 0.1, "sensitivity 1.2 is not between 0 and 1"),
        (0.5, -0.1, 0.1, "specificity -0.1 is not between 0 and 1"),
        (0.5, 0.5, 5, "prevalence 5 is not between 0 and 1"),
        (np.nan, 0.5, 0.5, "sensitivity nan is not between 0 and 1"),
        (0.5, None, 0.5, "specificity is undefined"),
    ],
)
def test_shares_beyond_zero_and_one_are_refused(sensitivity, specificity, prevalence, message):
    with pytest.raises(PredictionsError, match=message):
        consequences_per_thousand("ours", Estimate(sensitivity), Estimate(specificity), prevalence)


def test_the_table_starts_with_everyone_and_the_rivals():
    points = {
        "screening": (Estimate(0.99, 0.9, 1.0), Estimate(0.8, 0.7, 0.9)),
        "confirm": (Estimate(0.7), Estimate(0.99)),
    }
    rivals = {"radiologist": (Estimate(387 / 390), Estimate(114 / 234))}
    rows = consequences_table(points, prevalence=0.625, rivals=rivals)
    names = [row.name for row in rows]
    assert names == ["refer everyone", "radiologist", "screening", "confirm"]
    everyone, radiologist, screening, _ = rows
    # Exact, and without an interval.
    assert (everyone.missed, everyone.followups) == (Estimate(0.0), Estimate(1000.0))
    assert everyone.followups_avoided == Estimate(0.0)
    # At the prevalence of its own 624 images: 3 missed, 507 called.
    assert radiologist.missed == Estimate(pytest.approx(3 / 0.624))
    assert radiologist.followups == Estimate(pytest.approx(507 / 0.624))
    assert screening.needless.value == pytest.approx(75)
    assert screening.needless.high == pytest.approx(112.5)
    assert [row.name for row in consequences_table(points, 0.1)] == [names[0], *points]


def written(figure: Figure) -> list:
    figure.draw_without_rendering()
    (axes,) = figure.axes
    texts = [text for legend in figure.legends for text in legend.get_texts()]
    texts += [axes.xaxis.label, axes.yaxis.label, axes._left_title]
    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        texts += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    return texts


@pytest.mark.parametrize("patients", [None, ["p"] * 60])
def test_the_figure_shows_the_three_ways_to_decide_and_hides_no_words(patients, table):
    curve = decision_curve(table(*rows_of(60, seed=5), patients), draws=50)
    figure = decision_curve_figure(curve, "Decision curve of the default bundle")
    assert (len(figure.axes[0].collections) == 1) == (patients is None)
    model, everyone, nobody = figure.axes[0].lines
    shown = slice(50)  # to 0.5, since fewer than half are ill
    np.testing.assert_array_equal(model.get_ydata(), curve.model[shown])
    np.testing.assert_array_equal(everyone.get_ydata(), curve.treat_all[shown])
    assert set(nobody.get_ydata()) == {0}
    low, high = figure.axes[0].get_ylim()
    assert low < 0 < curve.model.max() < high < 1
    boxes = [text.get_window_extent() for text in written(figure) if text.get_text()]
    for row, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:row])


def test_without_anybody_ill_the_figure_still_stands(table):
    curve = decision_curve(table([0, 0, 0], [0.2, 0.3, 0.9]), draws=20)
    low, high = decision_curve_figure(curve, "nobody").axes[0].get_ylim()
    assert low < 0 < high


@pytest.mark.parametrize(
    ("ill", "healthy", "end"),
    [
        (5, 95, 0.50),  # rare: up to where a needless referral is as bad as a missed illness
        (50, 50, 0.50),
        (40, 20, 0.67),  # at 2/3 referring everyone gains 2/3 - 1/3 * (2/3) / (1/3) = 0
        (390, 234, 0.63),  # the notebook's test split: 390 of 624 are 0.625
    ],
)
def test_the_axis_ends_where_nobody_would_refer(table, ill, healthy, end):
    labels = [1] * ill + [0] * healthy
    curve = decision_curve(table(labels, np.linspace(0.9, 0.1, len(labels))), draws=2)
    assert curve.thresholds[curve.n_meaningful - 1] == pytest.approx(end)
    axes = decision_curve_figure(curve, "Decision curve").axes[0]
    assert axes.get_xlim() == pytest.approx((0, end))
    assert all(line.get_xdata()[-1] <= end for line in axes.lines[:2])
    assert len(curve.thresholds) == 99  # the JSON has all of them
