import numpy as np
import pytest
import sklearn.metrics as reference
from statsmodels.stats.proportion import proportion_confint

from pneumoscope.evaluation.statistics import bootstrap
from pneumoscope.evaluation.statistics.bootstrap import estimate_from_resamples, patient_draws
from pneumoscope.evaluation.statistics.discrimination import bootstrap_metrics
from pneumoscope.evaluation.statistics.metrics import RESULT_METRICS
from pneumoscope.report.estimate import Estimate


def rows_of(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    return labels, np.clip(0.3 + 0.4 * labels + rng.normal(0, 0.25, count), 0, 1).round(2)


def test_a_draw_takes_whole_patients_and_as_many_as_there_are():
    times = np.stack(list(patient_draws(4, 4000, np.random.default_rng(1))))
    assert times.shape == (4000, 4)
    assert np.all(times.sum(axis=1) == 4)
    # Binomial(4, 1/4): mean 1, and no draw for a given patient with probability (3/4)^4.
    np.testing.assert_allclose(times.mean(axis=0), 1, atol=0.06)
    np.testing.assert_allclose((times == 0).mean(axis=0), 0.75**4, atol=0.03)


def test_intervals_are_those_of_a_plain_loop_over_patients(table):
    labels, probabilities = rows_of(24, seed=3)
    patients = [f"p{row // 3}" for row in range(24)]
    draws = 3000
    rng = np.random.default_rng(99)
    members = [np.flatnonzero([name == p for p in patients]) for name in sorted(set(patients))]
    loop = {name: [] for name in ("accuracy", "sensitivity", "ppv", "auc", "average_precision")}
    for _ in range(draws):
        drawn = np.concatenate([members[k] for k in rng.integers(0, len(members), len(members))])
        truth, score = labels[drawn], probabilities[drawn]
        loop["accuracy"].append(np.mean((score >= 0.5) == truth))
        loop["sensitivity"].append(np.mean(score[truth == 1] >= 0.5))
        loop["ppv"].append(np.mean(truth[score >= 0.5]))
        loop["auc"].append(fast_auc(truth, score))
        loop["average_precision"].append(step_wise_precision(truth, score))
    got = bootstrap_metrics(table(labels, probabilities, patients), 0.5, draws=draws, seed=5)
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
    by_patient = bootstrap_metrics(table(labels, probabilities, patients), 0.5)["accuracy"]
    by_image = bootstrap_metrics(table(labels, probabilities), 0.5)["accuracy"]
    ratio = (by_patient.high - by_patient.low) / (by_image.high - by_image.low)
    assert ratio == pytest.approx(np.sqrt(10), rel=0.15)


def test_a_proportion_of_one_has_wilsons_interval_and_other_metrics_none(table):
    got = bootstrap_metrics(table([0, 1] * 10, [0.1, 0.9] * 10), 0.5, draws=200)
    for name, patients in {"accuracy": 20, "sensitivity": 10, "ppv": 10, "auc": 10}.items():
        low, _ = proportion_confint(patients, patients, method="wilson")
        assert got[name] == Estimate(1.0, pytest.approx(low), 1.0), name
    assert got["f1"] == got["average_precision"] == Estimate(1.0)


def test_an_undefined_metric_has_no_interval(table):
    got = bootstrap_metrics(table([0, 0, 0], [0.1, 0.2, 0.7]), 0.5, draws=100)
    undefined = Estimate(None)
    assert got["sensitivity"] == got["auc"] == got["average_precision"] == undefined
    assert got["specificity"].interval is not None


def test_a_single_patient_gives_no_intervals(table):
    got = bootstrap_metrics(table([0, 1], [0.1, 0.9], ["p", "p"]), 0.5, draws=10)
    assert {got[name] for name in RESULT_METRICS.values()} == {Estimate(1.0)}


def test_draws_in_which_a_metric_is_undefined_are_left_out(table):
    # With two patients a quarter of the draws has no PNEUMONIA; half of both are found in others.
    got = bootstrap_metrics(table([0, 1, 1], [0.1, 0.9, 0.2], ["p", "q", "q"]), 0.5, draws=200)
    assert got["sensitivity"] == Estimate(0.5, 0.5, 0.5)


def test_the_seed_decides(table):
    made = table(*rows_of(40, seed=2))
    assert bootstrap_metrics(made, 0.5, 300, seed=1) == bootstrap_metrics(made, 0.5, 300, 1)
    assert bootstrap_metrics(made, 0.5, 300, seed=1) != bootstrap_metrics(made, 0.5, 300, 2)


def test_threads_give_the_same_resamples(table, monkeypatch):
    made = table(*rows_of(40, seed=2))
    alone = bootstrap_metrics(made, 0.5, 300, seed=1)
    monkeypatch.setattr(bootstrap, "_MIN_PARALLEL", 40)
    monkeypatch.setattr(bootstrap, "usable_cores", lambda: 3)
    assert bootstrap_metrics(made, 0.5, 300, seed=1) == alone


@pytest.mark.parametrize("infinite", [-np.inf, np.inf])
def test_infinite_resamples_leave_no_interval_of_nan(infinite):
    estimate = estimate_from_resamples(np.array([0.5, *[infinite] * 30, *[0.4] * 70]))
    assert estimate.value == 0.5
    assert estimate.interval is None
