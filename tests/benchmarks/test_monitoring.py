"""The simulation of monitoring, on fewer years."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import ks_2samp, kstwobign

from benchmarks.monitoring import (
    PAST,
    REFERENCE,
    STATISTICS,
    Year,
    days_until_seen,
    false_alarms,
    patients,
    smallest_p,
)


def test_alarms_without_correction_are_many_and_by_the_rule_few() -> None:
    rules, uncorrected, _ = false_alarms(10, years=3)
    assert rules == 0  # each year with a chance of at most 1 in 20
    assert uncorrected == 3


def test_the_smallest_p_is_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    window, other = patients(rng, 84), patients(rng, REFERENCE)
    tests = [ks_2samp(*pair, method="asymp") for pair in zip(window, other, strict=True)]
    distance = max(test.statistic for test in tests)
    n, m = 84, REFERENCE
    limit = kstwobign.sf(distance * np.sqrt(n * m / (n + m)))
    assert smallest_p(window, other) == pytest.approx(limit, rel=0.05)


def test_no_look_that_raises_an_alert_is_passed_over() -> None:
    year = Year(np.random.default_rng(1), 5, 40)
    year.seen[2, PAST * 5 :] += 0.8
    raised = [year.raises(day) for day in range(1, 41)]
    assert any(raised)
    assert not all(raised)
    assert all(year.might_raise(day) for day in range(1, 41) if raised[day - 1])


def test_a_large_shift_is_seen_sooner_than_a_small_one() -> None:
    small, large = (days_until_seen(10, shift, years=3) for shift in (0.5, 1.5))
    assert large.max() < small.min()


def test_patients_statistics_are_correlated() -> None:
    drawn = np.corrcoef(patients(np.random.default_rng(0), 20_000))
    others = drawn[~np.eye(STATISTICS, dtype=bool)]
    assert np.abs(others - 0.5).max() < 0.03


def test_every_clinic_is_a_row(run_benchmark: Callable) -> None:
    false, seen, coverage = run_benchmark("monitoring").values()
    assert [row["patients a day"] for row in false] == ["3", "10", "30", "all"]
    assert false[-1]["years"] == 6
    assert len(seen) == 9
    assert all(0.5 < row["held, sensitivity"] <= 1 for row in coverage)
