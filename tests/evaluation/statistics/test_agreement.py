"""Cohen's kappa, beside scikit-learn and the analytic interval of independent images."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from pneumoscope.evaluation.statistics.agreement import cohen_kappa
from pneumoscope.evaluation.statistics.intervals import proportion


def draw_readers(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    first = (rng.uniform(size=count) < 0.6).astype(np.int8)
    return first, np.where(rng.uniform(size=count) < 0.8, first, 1 - first).astype(np.int8)


def test_kappa_is_that_of_scikit_learn():
    for seed in range(5):
        first, second = draw_readers(80, seed)
        kappa = cohen_kappa(first, second, np.arange(80), draws=10)
        assert kappa.value == pytest.approx(cohen_kappa_score(first, second))


def test_the_interval_of_independent_images_is_the_analytic_one():
    # Fleiss, Cohen, Everitt 1969: the large-sample standard error, by statsmodels.
    from statsmodels.stats.inter_rater import cohens_kappa

    first, second = draw_readers(600, 0)
    expected = cohens_kappa(np.histogram2d(first, second, bins=2)[0])
    kappa = cohen_kappa(first, second, np.arange(600))
    assert kappa.interval == pytest.approx((expected.kappa_low, expected.kappa_upp), abs=0.01)


def test_more_images_of_the_same_patients_do_not_narrow_the_interval():
    first, second = draw_readers(60, 1)
    once = cohen_kappa(first, second, np.arange(60), draws=200)
    again = cohen_kappa(
        np.repeat(first, 3), np.repeat(second, 3), np.repeat(np.arange(60), 3), draws=200
    )
    assert again.interval == pytest.approx(once.interval)


def test_complete_agreement_has_an_interval_and_one_class_no_kappa():
    first = np.array([0, 1] * 15, np.int8)
    kappa = cohen_kappa(first, first, np.arange(30), draws=50)
    lowest = proportion(30, 30).low
    assert (kappa.value, kappa.high) == (1, 1)
    assert kappa.low == pytest.approx((lowest - 0.5) / 0.5)  # half of it is agreement by chance
    ones = np.ones(30, np.int8)
    assert cohen_kappa(ones, ones, np.arange(30), draws=50).value is None


def test_no_interval_exceeds_what_kappa_can_be():
    """One ill image of 390 of 195 patients: Wilson's bound of the agreement alone leads to -2.8."""
    first = np.zeros(390, np.int8)
    first[7] = 1
    kappa = cohen_kappa(first, first, np.arange(390) // 2, draws=50)
    assert (kappa.value, kappa.low, kappa.high) == (1, -1, 1)
