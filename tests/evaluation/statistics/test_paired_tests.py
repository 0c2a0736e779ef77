from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.multitest import multipletests

from pneumoscope.evaluation.report.figures.forest_plot import forest_figure
from pneumoscope.evaluation.statistics.delong import compare_aucs
from pneumoscope.evaluation.statistics.paired_tests import (
    McNemarTest,
    align_predictions,
    compare_pairs,
    holm,
    mcnemar,
)
from pneumoscope.report.estimate import Estimate
from pneumoscope.support.errors import PredictionsError


def calls(both, first_only, second_only, neither):
    first = np.repeat([True, True, False, False], (both, first_only, second_only, neither))
    second = np.repeat([True, False, True, False], (both, first_only, second_only, neither))
    return first, second


@pytest.mark.parametrize(
    "counts", [(30, 5, 1, 4), (794, 86, 150, 570), (0, 0, 7, 0), (3, 12, 12, 1), (9, 1, 0, 0)]
)
def test_mcnemar_is_that_of_statsmodels(counts):
    both, first_only, second_only, neither = counts
    reference = reference_mcnemar([[both, first_only], [second_only, neither]], exact=True)
    got = mcnemar(*calls(*counts))
    assert (got.both, got.first_only, got.second_only, got.neither) == counts
    assert got.p == pytest.approx(float(reference.pvalue), rel=1e-9)


def test_mcnemar_by_hand():
    # Of 6 images on which one alone is right, 5 or more are one's: 2 (6 + 1) / 2^6.
    assert mcnemar(*calls(10, 5, 1, 2)).p == 14 / 64


def test_models_that_are_right_together_do_not_differ():
    assert mcnemar(*calls(8, 0, 0, 2)) == McNemarTest(8, 0, 0, 2, 1.0)


def test_calls_of_other_images_are_refused():
    with pytest.raises(PredictionsError, match="called 3 images and the second 2"):
        mcnemar(np.array([True] * 3), np.array([True] * 2))


def test_holm_by_hand():
    # Smallest first: 0.005 x 4, 0.01 x 3, 0.03 x 2, and 0.04 x 1, which may not fall below 0.06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))


def test_holm_is_that_of_statsmodels():
    rng = np.random.default_rng(0)
    for count in (1, 2, 7, 21):
        ps = [*(rng.random(count) ** 4).tolist(), 0.02, 0.02, 1.0]
        assert holm(ps) == pytest.approx(multipletests(ps, method="holm")[1])
    assert holm([]) == ()


def test_under_no_difference_one_false_alarm_among_all_is_as_rare_as_promised():
    rng = np.random.default_rng(1)
    alarms = np.mean([min(holm(rng.random(21).tolist())) < 0.05 for _ in range(4000)])
    assert alarms == pytest.approx(0.05, abs=0.011)  # three standard errors


@pytest.fixture(scope="module")
def models(table):
    rng = np.random.default_rng(2)
    labels = np.arange(120) % 2
    made = {}
    for name, noise in (("sharp", 0.2), ("plain", 0.4), ("poor", 0.9)):
        odds = np.clip(0.5 + 0.3 * (labels - 0.5) + rng.normal(0, noise, 120), 0, 1)
        made[name] = (table(labels, odds.round(2)), 0.5)
    return made


def test_every_pair_is_compared_and_corrected_for_their_number(models):
    pairs = compare_pairs(models)
    assert [(pair.first, pair.second) for pair in pairs] == [
        ("sharp", "plain"),
        ("sharp", "poor"),
        ("plain", "poor"),
    ]
    for pair in pairs:
        for name, area in ((pair.first, pair.auc.first), (pair.second, pair.auc.second)):
            predictions = models[name][0]
            assert area == pytest.approx(
                roc_auc_score(predictions.labels, predictions.probabilities)
            )
    for plain, adjusted in (
        ([pair.auc.p for pair in pairs], [pair.auc_p_holm for pair in pairs]),
        ([pair.calls.p for pair in pairs], [pair.calls_p_holm for pair in pairs]),
    ):
        assert adjusted == pytest.approx(multipletests(plain, method="holm")[1].tolist())


def test_calls_are_made_at_each_models_own_threshold(table):
    labels = [0, 0, 1, 1]
    careful = table(labels, [0.1, 0.3, 0.25, 0.4])
    (pair,) = compare_pairs({"own": (careful, 0.2), "half": (careful, 0.5)})
    # At 0.2 one healthy image is called ill; at 0.5 both ill ones are missed.
    assert pair.calls == McNemarTest(1, 2, 1, 0, 1.0)


def test_a_pair_without_a_p_still_counts_as_one(table):
    # One image of a class: DeLong knows no standard error, and McNemar has its p.
    labels = [0, 0, 0, 1]
    one, two = table(labels, [0.1, 0.2, 0.3, 0.9]), table(labels, [0.1, 0.2, 0.95, 0.9])
    (pair,) = compare_pairs({"one": (one, 0.5), "two": (two, 0.5)})
    assert (pair.auc.p, pair.auc_p_holm) == (None, None)
    assert pair.calls.first_only == 1


def test_the_order_of_the_rows_does_not_matter(models):
    shuffled = np.random.default_rng(3).permutation(120)
    others = models | {"poor": (models["poor"][0].rows(shuffled), 0.5)}
    assert compare_pairs(others) == compare_pairs(models)
    direct = compare_aucs(
        models["sharp"][0].labels,
        models["sharp"][0].probabilities,
        models["poor"][0].probabilities,
    )
    assert compare_pairs(others)[1].auc == direct


@pytest.mark.parametrize(
    ("labels", "files", "message"),
    [
        ([0, 1, 1], ["a", "b", "c"], "d: it is among the predictions of ours, but not of theirs"),
        (
            [0, 1, 1, 1, 0],
            ["a", "b", "c", "d", "e"],
            "e: it is among the predictions of theirs, but not of ours; evaluate both",
        ),
        ([0, 0, 1, 1], ["a", "c", "b", "d"], "c: PNEUMONIA in .* ours, but NORMAL in .* theirs"),
        ([0, 1, 1, 1], ["a", "b", "c", "b"], "b: it is twice in the predictions of theirs"),
    ],
)
def test_other_images_and_labels_are_refused_by_name(labels, files, message, table):
    ours = table([0, 1, 1, 1], [0.1, 0.2, 0.3, 0.4], files=["a", "b", "c", "d"])
    theirs = table(labels, [0.5] * len(labels), files=files)
    with pytest.raises(PredictionsError, match=message):
        align_predictions({"ours": ours, "theirs": theirs})


def test_files_given_twice_are_refused_in_the_first_table_too(table):
    twice = table([0, 1], [0.1, 0.2], files=["a", "a"])
    with pytest.raises(PredictionsError, match="a: it is twice in the predictions of ours"):
        align_predictions({"ours": twice, "theirs": table([0], [0.1], files=["a"])})


def test_patients_that_one_table_knows_count_in_either_order(drawn):
    known, other = drawn(120, seed=1, images_per_patient=5), drawn(120, seed=2)
    unknown = replace(known, probabilities=other.probabilities, patients=known.files)
    pairs = [("known", (known, 0.5)), ("unknown", (unknown, 0.5))]
    (first,), (second,) = compare_pairs(dict(pairs)), compare_pairs(dict(reversed(pairs)))
    assert first.auc.p == pytest.approx(second.auc.p)


def test_one_model_or_none_has_no_pairs(models):
    assert compare_pairs({"sharp": models["sharp"]}) == ()
    assert compare_pairs({}) == ()


@pytest.mark.parametrize("count", [1, 12])
def test_a_forest_plot_has_a_point_an_interval_and_words_for_each_row(count):
    rows = [
        (f"model_{place}", Estimate(0.9 - place / 50, 0.8 - place / 50, 0.95))
        for place in range(count)
    ]
    figure = forest_figure([*rows, ("one class", Estimate(None))], "Test split", "AUC")
    figure.canvas.draw()
    left, right = figure.axes
    points = [line for line in left.lines if line.get_marker() == "s"]
    intervals = [line for line in left.lines if line.get_marker() != "s"]
    for place, (_, estimate) in enumerate(rows):
        np.testing.assert_allclose(points[place].get_xydata(), [(estimate.value, place)])
        low, high = estimate.low, estimate.high
        np.testing.assert_allclose(intervals[place].get_xdata(), (low, high))
    assert len(points) == len(intervals) == count
    words = [label.get_text() for label in right.get_yticklabels()]
    assert words[0] == "0.900 (0.800 to 0.950)"
    assert words[-1] == "undefined"
    # The first row is at the top.
    assert left.get_ylim()[0] > left.get_ylim()[1]
    boxes = [label.get_window_extent() for label in left.get_yticklabels()]
    assert all(not upper.overlaps(lower) for upper, lower in pairwise(boxes))
