"""The simulation of coverage, on fewer data sets, and the model that it draws from."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binom, norm
from sklearn.metrics import roc_auc_score

from benchmarks.interval_coverage import (
    AUC,
    CUT,
    SENSITIVITY,
    count,
    count_bootstrap,
    draw,
    methods,
)

CHANCE = 1e-4
"""That a valid interval fails here, were other data sets drawn."""


def acceptable(sets: int) -> tuple[int, int]:
    """Return how many data sets may hold the truth if the coverage is 93 to 97 %.

    The number is binomial: fewer than the first are as unlikely as `CHANCE` at a coverage of 93 %,
    more than the second at 97 %.
    """
    return int(binom.ppf(CHANCE, sets, 0.93)), int(binom.isf(CHANCE, sets, 0.97))


@pytest.mark.parametrize("number", [0, 1])
def test_intervals_without_resampling_hold_the_truth_of_independent_images(number: int) -> None:
    low, high = acceptable(1_000)
    assert (low, high) == (898, 988)
    assert low <= count(methods()[number], 1_000) <= high


@pytest.mark.parametrize("number", [2, 3])
def test_they_hold_it_too_seldom_where_patients_have_several_images(number: int) -> None:
    assert count(methods()[number], 1_000) < acceptable(1_000)[0]


def test_resampling_patients_holds_the_truth_of_several_images() -> None:
    low, high = acceptable(150)
    assert (low, high) == (126, 150)
    for held in count_bootstrap(sets=150, draws=200):
        assert low <= held <= high


def test_the_truth_is_that_of_the_model() -> None:
    rng = np.random.default_rng(1)
    tables = [draw(rng, 4) for _ in range(100)]
    labels = np.concatenate([table.labels for table in tables])
    probabilities = np.concatenate([table.probabilities for table in tables])
    # 75,000 images of 30,000 patients: three standard errors are less than 0.01 and 0.015.
    assert roc_auc_score(labels, probabilities) == pytest.approx(AUC, abs=0.01)
    called = probabilities[labels == 1] >= norm.cdf(CUT)
    assert called.mean() == pytest.approx(SENSITIVITY, abs=0.015)


def test_every_interval_is_a_row(run_benchmark: Callable) -> None:
    (rows,) = run_benchmark("interval_coverage").values()
    assert len(rows) == 6
    for row in rows:
        assert row["share"] == row["held"] / row["data sets"] > 0.4
