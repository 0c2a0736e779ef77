import time

import numpy as np
import pytest
import sklearn.metrics as reference

from pneumoscope.evaluation.statistics import bootstrap
from pneumoscope.evaluation.statistics.bootstrap import (
    bootstrap_intervals,
    patient_draws,
    patient_weights,
)
from pneumoscope.evaluation.statistics.intervals import Interval
from pneumoscope.evaluation.statistics.metrics import METRIC_NAMES


def rows_of(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    return labels, np.clip(0.3 + 0.4 * labels + rng.normal(0, 0.25, count), 0, 1).round(2)


def test_a_draw_takes_whole_patients_and_as_many_as_there_are():
    patient = np.array([0, 2, 1, 1, 2, 2, 3])
    weights = patient_weights(patient, 4000, np.random.default_rng(1))
    first = [0, 2, 1, 6]
    times = weights[:, first]
    assert weights.shape == (4000, 7)
    np.testing.assert_array_equal(weights, times[:, patient])
    assert np.all(times.sum(axis=1) == 4)
    # Binomial(4, 1/4): mean 1, and no draw for a given patient with probability (3/4)^4.
    np.testing.assert_allclose(times.mean(axis=0), 1, atol=0.06)
    np.testing.assert_allclose((times == 0).mean(axis=0), 0.75**4, atol=0.03)


def test_draws_one_after_another_are_those_that_are_made_at_once():
    patient = np.array([0, 2, 1, 1, 2, 2, 3])
    weights = patient_weights(patient, 50, np.random.default_rng(1))
    draws = list(patient_draws(4, 50, np.random.default_rng(1)))
    np.testing.assert_array_equal(weights, np.stack(draws)[:, patient])


def test_intervals_are_those_of_a_plain_loop_over_patients(table):
    labels, probabilities = rows_of(24, seed=3)
    patients = [f"p{row // 3}" for row in range(24)]
    draws = 3000
    rng = np.random.default_rng(99)
    members = [np.flatnonzero([name == p for p in patients]) for name in sorted(set(patients))]
    loop = {name: [] for name in ("accuracy", "recall", "precision", "auc", "average_precision")}
    for _ in range(draws):
        drawn = np.concatenate([members[k] for k in rng.integers(0, len(members), len(members))])
        truth, score = labels[drawn], probabilities[drawn]
        loop["accuracy"].append(np.mean((score >= 0.5) == truth))
        loop["recall"].append(np.mean(score[truth == 1] >= 0.5))
        loop["precision"].append(np.mean(truth[score >= 0.5]))
        loop["auc"].append(fast_auc(truth, score))
        loop["average_precision"].append(step_wise_precision(truth, score))
    got = bootstrap_intervals(table(labels, probabilities, patients), 0.5, draws=draws, seed=5)
    for name, values in loop.items():
        low, high = np.percentile(values, [2.5, 97.5])
        # Two independent bootstraps of 3,000 draws differ by their own noise only.
        assert (got[name].low, got[name].high) == pytest.approx((low, high), abs=0.03), name


def fast_auc(truth, score):
    differences = score[truth == 1][:, None] - score[truth == 0][None, :]
    return np.mean((differences > 0) + (differences == 0) / 2)


def step_wise_precision(truth, score):
    distinct = np.unique(score)[::-1]
    called = score[None, :] >= distinct[:, None]
    hits = (called & (truth == 1)).sum(axis=1)
    return np.sum(np.diff(hits, prepend=0) * hits / called.sum(axis=1)) / hits[-1]


def test_the_loops_own_formulas_are_right():
    labels, probabilities = rows_of(24, seed=3)
    assert fast_auc(labels, probabilities) == pytest.approx(
        reference.roc_auc_score(labels, probabilities)
    )
    assert step_wise_precision(labels, probabilities) == pytest.approx(
        reference.average_precision_score(labels, probabilities)
    )


def test_images_of_one_patient_are_not_independent(table):
    # Ten images of a patient are all right or all wrong, so there is a tenth of the information.
    right = np.repeat(np.arange(20) % 4 > 0, 10)
    labels = np.repeat(np.arange(20) % 2, 10)
    probabilities = np.where(right == (labels == 1), 0.9, 0.1)
    patients = [f"p{row // 10}" for row in range(200)]
    by_patient = bootstrap_intervals(table(labels, probabilities, patients), 0.5)["accuracy"]
    by_image = bootstrap_intervals(table(labels, probabilities), 0.5)["accuracy"]
    ratio = (by_patient.high - by_patient.low) / (by_image.high - by_image.low)
    assert ratio == pytest.approx(np.sqrt(10), rel=0.15)


def test_a_metric_that_cannot_vary_has_an_interval_of_no_width(table):
    got = bootstrap_intervals(table([0, 1] * 10, [0.1, 0.9] * 10), 0.5, draws=200)
    assert got == dict.fromkeys(METRIC_NAMES, Interval(1.0, 1.0))


def test_an_undefined_metric_has_no_interval(table):
    got = bootstrap_intervals(table([0, 0, 0], [0.1, 0.2, 0.7]), 0.5, draws=100)
    assert (got["recall"], got["auc"], got["average_precision"]) == (None, None, None)
    assert got["specificity"] is not None


def test_one_patient_says_nothing_about_others(table):
    got = bootstrap_intervals(table([0, 1], [0.1, 0.9], ["p", "p"]), 0.5, draws=10)
    assert got == dict.fromkeys(METRIC_NAMES)


def test_draws_in_which_a_metric_is_undefined_are_left_out(table):
    # With two patients a quarter of the draws has no PNEUMONIA; recall is 1 in all the others.
    got = bootstrap_intervals(table([0, 1], [0.1, 0.9]), 0.5, draws=200)
    assert got["recall"] == Interval(1.0, 1.0)


def test_the_seed_decides(table):
    made = table(*rows_of(40, seed=2))
    assert bootstrap_intervals(made, 0.5, 300, seed=1) == bootstrap_intervals(made, 0.5, 300, 1)
    assert bootstrap_intervals(made, 0.5, 300, seed=1) != bootstrap_intervals(made, 0.5, 300, 2)


def test_a_large_table_is_done_in_chunks_with_every_draw(table, monkeypatch):
    shapes = []
    original = bootstrap.patient_weights

    def watched(patient, draws, rng):
        shapes.append((draws, len(patient)))
        return original(patient, draws, rng)

    monkeypatch.setattr(bootstrap, "_CELLS_AT_ONCE", 1000)
    monkeypatch.setattr(bootstrap, "patient_weights", watched)
    bootstrap_intervals(table(*rows_of(90, seed=2)), 0.5, draws=25)
    assert shapes == [(11, 90), (11, 90), (3, 90)]


def test_the_notebooks_test_set_takes_no_time(table):
    start = time.perf_counter()
    bootstrap_intervals(table(*rows_of(624, seed=2)), 0.5)
    assert time.perf_counter() - start < 5  # about 0.2 s on one free core
