"""The simulation of interval coverage, on fewer data sets, and the simulated model."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binom, norm
from sklearn.metrics import roc_auc_score

from benchmarks.interval_coverage import (
    AUC,
    CUT_OFF,
    N_VALID,
    SENSITIVITY,
    count,
    count_bootstrap,
    draw,
    methods,
)

FALSE_FAILURE_RATE = 1e-4
"""Probability that a valid interval fails here, were other data sets drawn."""


def acceptable(data_sets: int) -> tuple[int, int]:
    """Return the range of the number of intervals that contain the true value.

    The number is binomial: at a coverage of 93 %, a number below the range has the probability
    `FALSE_FAILURE_RATE`; at 97 %, a number above it.
    """
    low = binom.ppf(FALSE_FAILURE_RATE, data_sets, 0.93)
    high = binom.isf(FALSE_FAILURE_RATE, data_sets, 0.97)
    return int(low), int(high)


@pytest.mark.parametrize("number", range(N_VALID))
def test_intervals_without_resampling_cover_the_truth(number: int) -> None:
    low, high = acceptable(1_000)
    assert (low, high) == (898, 988)
    assert low <= count(methods()[number], 1_000) <= high


@pytest.mark.parametrize("number", [3, 4])
def test_they_are_too_narrow_where_patients_have_several_images(number: int) -> None:
    assert count(methods()[number], 1_000) < acceptable(1_000)[0]


def test_resampling_patients_covers_several_images() -> None:
    low, high = acceptable(150)
    assert (low, high) == (126, 150)
    for held in count_bootstrap(data_sets=150, resamples=200):
        assert low <= held <= high


def test_large_samples_have_the_true_values() -> None:
    rng = np.random.default_rng(1)
    tables = [draw(rng, 4) for _ in range(100)]
    labels = np.concatenate([table.labels for table in tables])
    probabilities = np.concatenate([table.probabilities for table in tables])
    # 75,000 images of 30,000 patients: three standard errors are less than 0.01 and 0.015.
    assert roc_auc_score(labels, probabilities) == pytest.approx(AUC, abs=0.01)
    called = probabilities[labels == 1] >= norm.cdf(CUT_OFF)
    assert called.mean() == pytest.approx(SENSITIVITY, abs=0.015)


def test_every_interval_is_a_row(run_benchmark: Callable) -> None:
    (rows,) = run_benchmark("interval_coverage").values()
    assert len(rows) == 7
    for row in rows:
        assert row["share"] == row["held"] / row["data sets"] > 0.4
