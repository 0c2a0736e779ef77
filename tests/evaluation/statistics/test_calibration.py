"""Calibration against statsmodels, scikit-learn, sums by hand and simulation."""

import numpy as np
import pytest
import sklearn.metrics
import statsmodels.api as sm
from matplotlib.figure import Figure

from pneumoscope.evaluation.report.figures.calibration import calibration_figure
from pneumoscope.evaluation.statistics.calibration import PROBABILITY_MARGIN, assess_calibration
from pneumoscope.evaluation.statistics.intervals import proportion


def drawn(
    count: int, seed: int, slope: float = 1.0, shift: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and the log-odds said, of which the true ones are a line."""
    rng = np.random.default_rng(seed)
    said = rng.normal(0, 1.5, count)
    return (rng.random(count) < sigmoid(slope * said + shift)).astype(int), said


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def in_threes(count):
    return np.arange(count) // 3


@pytest.mark.parametrize(("slope", "shift"), [(1, 0), (0.4, -0.7), (2.5, 1)])
def test_slope_and_its_interval_are_those_of_statsmodels(slope, shift, table):
    labels, said = drawn(300, seed=1, slope=slope, shift=shift)
    reference = sm.Logit(labels, sm.add_constant(said)).fit(
        disp=0, cov_type="cluster", cov_kwds={"groups": in_threes(300)}
    )
    got = assess_calibration(
        table(labels, sigmoid(said), in_threes(300).astype(str).tolist())
    ).slope
    assert got.value == pytest.approx(reference.params[1], rel=1e-6)
    assert interval(got) == pytest.approx(reference.conf_int()[1], rel=1e-6)


@pytest.mark.parametrize("shift", [0, -2, 3])
def test_calibration_in_the_large_and_its_interval_are_those_of_statsmodels(shift, table):
    labels, said = drawn(300, seed=2, shift=shift)
    reference = sm.GLM(labels, np.ones(300), sm.families.Binomial(), offset=said).fit(
        cov_type="cluster", cov_kwds={"groups": in_threes(300)}
    )
    got = assess_calibration(
        table(labels, sigmoid(said), in_threes(300).astype(str).tolist())
    ).in_the_large
    assert got.value == pytest.approx(reference.params[0], rel=1e-6)
    assert interval(got) == pytest.approx(reference.conf_int()[0], rel=1e-6)


def test_brier_score_is_that_of_scikit_learn_and_its_interval_that_of_statsmodels(table):
    labels, said = drawn(300, seed=3)
    got = assess_calibration(
        table(labels, sigmoid(said), in_threes(300).astype(str).tolist())
    ).brier
    assert got.value == pytest.approx(sklearn.metrics.brier_score_loss(labels, sigmoid(said)))
    reference = sm.OLS((sigmoid(said) - labels) ** 2, np.ones(300)).fit(
        cov_type="cluster", cov_kwds={"groups": in_threes(300)}, use_t=False
    )
    assert interval(got) == pytest.approx(reference.conf_int()[0], rel=1e-9)


def interval(estimate):
    return estimate.low, estimate.high


def test_intervals_cover_the_truth_as_often_as_they_say(table):
    # Both images of half of the patients are the same: who counts images is too sure.
    patients = np.concatenate([np.arange(100), np.arange(100, 200).repeat(2)])
    names = patients.astype(str).tolist()
    truth = {"slope": 1.0, "in_the_large": 0.4}
    covered = dict.fromkeys(truth, 0)
    for seed in range(1000):
        labels, said = drawn(200, seed=seed, shift=0.4)
        got = assess_calibration(table(labels[patients], sigmoid(said[patients]), names))
        for name, value in truth.items():
            low, high = interval(getattr(got, name))
            covered[name] += low <= value <= high
    for name, times in covered.items():
        assert 930 <= times <= 970, name


def test_parts_of_the_brier_score_are_those_worked_out_by_hand(table):
    made = assess_calibration(table([0, 1, 1, 0, 1], [0.0, 0.2, 0.6, 0.8, 1.0]), bins=2)
    # Predicted 0.1 and 0.8, observed 1/2 and 2/3; 2 and 3 images of 5; overall 3/5.
    assert [part.n for part in made.bins] == [2, 3]
    assert made.reliability == pytest.approx(0.4 * 0.4**2 + 0.6 * (0.8 - 2 / 3) ** 2)
    assert made.resolution == pytest.approx(0.4 * 0.1**2 + 0.6 * (2 / 3 - 0.6) ** 2)
    assert made.uncertainty == pytest.approx(0.24)
    assert made.ece == pytest.approx(0.4 * 0.4 + 0.6 * (0.8 - 2 / 3))
    # Squares 0, 0.64, 0.16, 0.64, 0 have the mean 0.288.
    assert made.brier.value == pytest.approx(0.288)
    # Variance of probabilities in the bins 0.02 / 5 + 0.08 / 5; twice the covariance
    # with the labels, (0.05 + 0.05) / 5 and (-0.2 / 3 + 0 + 0.2 / 3) / 5.
    assert made.within_bins == pytest.approx(0.02 - 2 * 0.02)


@pytest.mark.parametrize("bins", [1, 3, 10, 50])
def test_the_parts_add_up_to_the_brier_score(bins, table):
    labels, said = drawn(97, seed=5, slope=0.5)
    made = assess_calibration(table(labels, sigmoid(said).round(2)), bins)
    parts = made.reliability - made.resolution + made.uncertainty + made.within_bins
    assert parts == pytest.approx(sklearn.metrics.brier_score_loss(labels, sigmoid(said).round(2)))


def test_bins_are_of_equal_count_and_tell_of_their_images(table):
    labels, said = drawn(100, seed=6)
    probabilities = sigmoid(said)
    made = assess_calibration(table(labels, probabilities)).bins
    order = np.argsort(probabilities)
    assert [part.n for part in made] == [10] * 10
    for part, rows in zip(made, order.reshape(10, 10), strict=True):
        assert (part.low, part.high) == (probabilities[rows[0]], probabilities[rows[-1]])
        assert part.predicted == pytest.approx(probabilities[rows].mean())
        assert part.observed.value == labels[rows].mean()
        assert part.observed == proportion(labels[rows].sum(), 10)


def test_images_of_one_probability_stay_together(table):
    made = assess_calibration(table([0, 1] * 10, [0.2] * 3 + [0.5] * 15 + [0.9] * 2), bins=5)
    assert [(part.low, part.high, part.n) for part in made.bins] == [
        (0.2, 0.2, 3),
        (0.5, 0.5, 15),
        (0.9, 0.9, 2),
    ]


def test_fewer_images_than_bins_are_a_bin_each(table):
    made = assess_calibration(table([0, 1, 1], [0.2, 0.5, 0.9]), bins=10)
    assert [part.n for part in made.bins] == [1, 1, 1]


def test_the_histogram_counts_every_image_once(table):
    made = assess_calibration(table([0, 0, 1, 1], [0.0, 0.06, 0.52, 1.0]))
    assert made.histogram == (1, 1, *[0] * 8, 1, *[0] * 8, 1)


def test_probabilities_of_zero_and_one_are_taken_as_almost_so(table):
    # Wrong once each way, with certainty: beyond any finite log-odds.
    certain = table([0, 0, 1, 1, 0, 1], [0.0, 1.0, 0.0, 1.0, 0.3, 0.6])
    almost = table(
        [0, 0, 1, 1, 0, 1],
        [
            PROBABILITY_MARGIN,
            1 - PROBABILITY_MARGIN,
            PROBABILITY_MARGIN,
            1 - PROBABILITY_MARGIN,
            0.3,
            0.6,
        ],
    )
    assert np.isfinite(assess_calibration(certain).slope.value)
    got, reference = assess_calibration(certain), assess_calibration(almost)
    assert got.slope.value == pytest.approx(reference.slope.value)
    assert got.in_the_large.value == pytest.approx(reference.in_the_large.value)


@pytest.mark.parametrize(
    ("labels", "probabilities"),
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]),
        ([1, 1, 0, 0], [0.1, 0.2, 0.8, 0.9]),
        ([0, 0, 1, 1], [0.1, 0.5, 0.5, 0.9]),
        ([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5]),
    ],
    ids=["separated", "the wrong way round", "but for a tie", "all the same"],
)
def test_without_a_finite_best_slope_it_is_undefined(labels, probabilities, table):
    made = assess_calibration(table(labels, probabilities))
    assert (made.slope.value, made.slope.interval) == (None, None)
    assert made.in_the_large.value == pytest.approx(0, abs=1e-9)


def test_outputs_that_hardly_differ_have_the_slope_of_what_differs(table):
    labels, said = drawn(200, seed=9)
    spread = assess_calibration(table(labels, sigmoid(said))).slope
    narrow = assess_calibration(table(labels, sigmoid(4 + 1e-9 * said))).slope
    assert narrow.value * 1e-9 == pytest.approx(spread.value, rel=1e-3)
    assert narrow.low * 1e-9 == pytest.approx(spread.low, rel=1e-3)


def test_certainty_gone_wrong_everywhere_still_gives_calibration_in_the_large(table):
    # Half of those at 1e-6 are ill: the whole first step of Newton's method would be far too long.
    made = assess_calibration(table([0, 1] * 20, [0.0] * 40))
    assert made.in_the_large.value == pytest.approx(
        np.log((1 - PROBABILITY_MARGIN) / PROBABILITY_MARGIN)
    )


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_neither_slope_nor_calibration_in_the_large(label, table):
    made = assess_calibration(table([label] * 3, [0.2, 0.5, 0.9]))
    assert (made.slope.value, made.in_the_large.value) == (None, None)
    assert (made.resolution, made.uncertainty) == (0, 0)


def test_a_single_patient_gives_no_intervals(table):
    labels, said = drawn(30, seed=7)
    made = assess_calibration(table(labels, sigmoid(said), ["p"] * 30))
    assert made.slope.value is not None
    assert (made.slope.interval, made.in_the_large.interval, made.brier.interval) == (None,) * 3


def test_the_interval_of_a_brier_score_stays_possible(table):
    made = assess_calibration(table([0, 0, 0, 1], [0.01, 0.0, 0.02, 0.01]))
    assert made.brier.low == 0
    assert made.brier.high <= 1


def written(figure: Figure) -> list:
    figure.draw_without_rendering()
    texts = [text for legend in figure.legends for text in legend.get_texts()]
    for axes in figure.axes:
        texts += [axes.xaxis.label, axes.yaxis.label, axes._left_title]
        texts += [tick.label1 for axis in (axes.xaxis, axes.yaxis) for tick in drawn_ticks(axis)]
    return [text for text in texts if text.get_visible() and text.get_text()]


def drawn_ticks(axis):
    low, high = axis.get_view_interval()
    return [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]


def test_the_diagram_shows_each_bin_with_its_interval(table):
    made = assess_calibration(table([0, 1, 1, 1], [0.2, 0.2, 0.8, 0.8]), bins=2)
    diagram, counts = calibration_figure(made, None, "calibration").axes
    points, _, (bars,) = diagram.containers[0]
    np.testing.assert_allclose(points.get_xydata(), [(0.2, 0.5), (0.8, 1.0)])
    ends = [proportion(1, 2), proportion(2, 2)]
    for bar, expected in zip(bars.get_segments(), ends, strict=True):
        np.testing.assert_allclose(bar[:, 1], (expected.low, expected.high))
    assert counts.patches[0].get_data().values.sum() == 4


@pytest.mark.parametrize("recalibrated", [False, True])
def test_nothing_written_on_the_diagram_covers_anything_else(recalibrated, table):
    labels, said = drawn(200, seed=8)
    before = assess_calibration(table(labels, sigmoid(3 * said)))
    after = assess_calibration(table([0, 1], [0.2, 0.9])) if recalibrated else None
    figure = calibration_figure(before, after, "Calibration of the default bundle")
    texts = written(figure)
    boxes = [text.get_window_extent() for text in texts]
    for row, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:row]), texts[row]
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
    words = " | ".join(text.get_text() for text in texts)
    assert ("after: slope undefined" in words) == recalibrated
