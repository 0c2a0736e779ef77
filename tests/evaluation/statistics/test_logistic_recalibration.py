"""Platt's recalibration against scikit-learn and by its properties."""

import numpy as np
import pytest
from sklearn.calibration import _SigmoidCalibration
from sklearn.linear_model import LogisticRegression

from pneumoscope.evaluation.statistics.calibration import assess_calibration
from pneumoscope.evaluation.statistics.logistic_recalibration import (
    LogisticRecalibration,
    cross_fit_recalibration,
    fit_logistic,
    fit_recalibration,
)
from pneumoscope.support.errors import PredictionsError


def drawn(count: int, slope: float, intercept: float, seed: int = 0):
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(0.5, 2, count)
    probabilities = 1 / (1 + np.exp(-(slope * log_odds + intercept)))
    return log_odds, (rng.random(count) < probabilities).astype(np.int8)


@pytest.mark.parametrize(
    ("count", "slope", "intercept"), [(40, 0.4, -1), (500, 1, 0), (2000, 1.8, 1)]
)
def test_it_is_the_sigmoid_calibration_of_scikit_learn(count, slope, intercept):
    log_odds, labels = drawn(count, slope, intercept)
    reference = _SigmoidCalibration().fit(log_odds, labels)
    got = fit_recalibration(log_odds, labels)
    assert (got.slope, got.intercept) == pytest.approx((-reference.a_, -reference.b_), abs=2e-3)
    np.testing.assert_allclose(got.apply(log_odds), reference.predict(log_odds), atol=3e-4)


def test_the_coefficients_that_made_the_labels_are_recovered():
    got = fit_recalibration(*drawn(20_000, 0.6, -0.8))
    assert (got.slope, got.intercept) == pytest.approx((0.6, -0.8), abs=0.05)


def test_separated_classes_get_the_smoothed_shares():
    # Two values, two classes: the curve goes through Platt's 1 / (2 + 2) and (3 + 1) / (3 + 2).
    got = fit_recalibration(np.array([-9.0, -9.0, 2.0, 2.0, 2.0]), np.array([0, 0, 1, 1, 1]))
    np.testing.assert_allclose(got.apply(np.array([-9.0, 2.0])), [0.25, 0.8])


@pytest.mark.parametrize("shift", [0, 34.5, -300])
def test_shifted_log_odds_give_the_same_probabilities(shift):
    log_odds, labels = drawn(200, 0.7, 0.3)
    got = fit_recalibration(log_odds + shift, labels).apply(log_odds + shift)
    np.testing.assert_allclose(got, fit_recalibration(log_odds, labels).apply(log_odds), atol=1e-9)


def test_log_odds_that_hardly_differ_are_no_trouble():
    log_odds, labels = drawn(200, 0.7, 0.3)
    got = fit_recalibration(2 + 1e-9 * log_odds, labels).apply(2 + 1e-9 * log_odds)
    np.testing.assert_allclose(got, fit_recalibration(log_odds, labels).apply(log_odds), atol=1e-4)


def test_slope_one_and_intercept_zero_change_nothing_and_extremes_do_not_overflow():
    with np.errstate(all="raise"):
        got = LogisticRecalibration(1.0, 0.0).apply(np.array([-1e5, np.log(3), 1e5]))
    np.testing.assert_allclose(got, [0, 0.75, 1])


@pytest.mark.parametrize("offset", [0.0, 8.0, -30.0])
def test_the_solver_takes_an_offset_however_far_away(offset):
    # One in five: whatever is offset, the coefficient makes up for.
    got = fit_logistic(np.ones((5, 1)), np.array([0.0, 0, 0, 0, 1]), np.full(5, offset))
    assert got[0] == pytest.approx(np.log(1 / 4) - offset)


def test_the_solver_agrees_with_scikit_learn_on_two_coefficients():
    log_odds, labels = drawn(300, 0.7, 0.3)
    reference = LogisticRegression(C=np.inf, tol=1e-10).fit(log_odds[:, None], labels)
    got = fit_logistic(np.stack([np.ones(300), log_odds], axis=1), labels.astype(float))
    expected = (reference.intercept_[0], reference.coef_[0, 0])
    assert tuple(got) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_is_refused(label):
    with pytest.raises(PredictionsError, match="both classes and has"):
        fit_recalibration(np.array([0.1, 0.2]), np.array([label, label]))


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(PredictionsError, match="not finite"):
        fit_recalibration(np.array([0.1, np.inf]), np.array([0, 1]))


def test_a_model_with_one_probability_for_all_is_refused():
    with pytest.raises(PredictionsError, match="same probability"):
        fit_recalibration(np.array([0.7, 0.7]), np.array([0, 1]))


def test_no_image_is_recalibrated_by_its_own_patient():
    log_odds, labels = drawn(60, 0.5, 1)
    patients = [f"p{row // 3}" for row in range(60)]
    before = cross_fit_recalibration(log_odds, labels, patients)
    for patient in ("p0", "p7", "p19"):
        own = np.array([name == patient for name in patients])
        # The other labels of a patient do not matter to it, and do matter to others.
        changed = cross_fit_recalibration(log_odds, labels ^ _one_flip(labels, own), patients)
        np.testing.assert_array_equal(changed[own], before[own])
        assert not np.array_equal(changed, before)


def _one_flip(labels, own):
    """Return a mask that changes one label of a patient and leaves it ill or healthy as it was."""
    rows = np.flatnonzero(own)
    for row in rows:
        changed = labels.copy()
        changed[row] ^= 1
        if changed[rows].any() == labels[rows].any():
            return (np.arange(len(labels)) == row).astype(np.int8)
    raise AssertionError("choose a patient with two images of one class")


def test_each_fold_is_fitted_on_the_patients_of_the_others():
    log_odds, labels = drawn(30, 0.5, 1)
    patients = [f"p{row // 2:02}" for row in range(30)]
    # As many folds as patients: leave one patient out.
    got = cross_fit_recalibration(log_odds, labels, patients, folds=15)
    for patient in range(15):
        own = np.arange(30) // 2 == patient
        fitted = fit_recalibration(log_odds[~own], labels[~own])
        np.testing.assert_allclose(got[own], fitted.apply(log_odds[own]))
    np.testing.assert_array_equal(
        got, cross_fit_recalibration(log_odds, labels, patients, folds=40)
    )


def test_folds_are_stratified_by_class():
    # Two ill patients among fifty: in one fold together they would leave none to fit on.
    log_odds, labels = drawn(50, 1, 0)
    labels = (np.arange(50) % 25 == 3).astype(np.int8)
    for seed in range(40):
        assert np.all(
            np.isfinite(cross_fit_recalibration(log_odds, labels, [*map(str, range(50))], 2, seed))
        )


def test_one_ill_patient_is_refused():
    with pytest.raises(PredictionsError, match="more than one patient"):
        cross_fit_recalibration(
            np.arange(6.0), np.array([0, 0, 0, 0, 1, 1]), ("a", "b", "c", "d", "e", "e")
        )


def test_the_seed_decides():
    log_odds, labels = drawn(60, 0.5, 1)
    patients = [*map(str, range(60))]
    one = cross_fit_recalibration(log_odds, labels, patients, seed=1)
    np.testing.assert_array_equal(one, cross_fit_recalibration(log_odds, labels, patients, seed=1))
    assert not np.array_equal(one, cross_fit_recalibration(log_odds, labels, patients, seed=2))


def test_cross_fitted_probabilities_are_calibrated_without_bias(table):
    # On few images what was fitted looks at least right where it was fitted, and is not elsewhere.
    slopes = []
    for seed in range(60):
        log_odds, labels = drawn(60, 0.5, 1, seed)
        patients = [*map(str, range(60))]
        held_out = table(labels, cross_fit_recalibration(log_odds, labels, patients))
        own = table(labels, fit_recalibration(log_odds, labels).apply(log_odds))
        slopes.append([assess_calibration(made).slope.value for made in (held_out, own)])
    honest, flattering = np.mean(slopes, axis=0)
    assert honest < 0.9 < 1 < flattering
    log_odds, labels = drawn(4000, 0.5, 1)
    many = cross_fit_recalibration(log_odds, labels, [*map(str, range(4000))])
    assert assess_calibration(table(labels, many)).slope.value == pytest.approx(1, abs=0.02)
