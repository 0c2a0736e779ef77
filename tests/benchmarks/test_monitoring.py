"""The simulation of a clinic's monitoring, on fewer years."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import ks_2samp, kstwobign

from benchmarks.monitoring import (
    N_REFERENCE_PATIENTS,
    N_STATISTICS,
    PAST_DAYS,
    Year,
    detection_delays,
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
    window, reference = patients(rng, 84), patients(rng, N_REFERENCE_PATIENTS)
    tests = [ks_2samp(*pair, method="asymp") for pair in zip(window, reference, strict=True)]
    distance = max(test.statistic for test in tests)
    n, m = 84, N_REFERENCE_PATIENTS
    limit = kstwobign.sf(distance * np.sqrt(n * m / (n + m)))
    assert smallest_p(window, reference) == pytest.approx(limit, rel=0.05)


def test_no_check_that_raises_an_alert_is_ruled_out() -> None:
    year = Year(np.random.default_rng(1), 5, 40)
    year.patients[2, PAST_DAYS * 5 :] += 0.8
    raised = [year.raises(day) for day in range(1, 41)]
    assert any(raised)
    assert not all(raised)
    assert all(year.might_raise(day) for day in range(1, 41) if raised[day - 1])


def test_a_large_shift_is_detected_sooner_than_a_small_one() -> None:
    small, large = (detection_delays(10, shift, years=3) for shift in (0.5, 1.5))
    assert large.max() < small.min()


def test_patients_statistics_are_correlated() -> None:
    correlations = np.corrcoef(patients(np.random.default_rng(0), 20_000))
    assert np.abs(correlations[~np.eye(N_STATISTICS, dtype=bool)] - 0.5).max() < 0.03


def test_every_clinic_is_a_row(run_benchmark: Callable) -> None:
    false_alarms, delays, coverage = run_benchmark("monitoring").values()
    assert [row["patients a day"] for row in false_alarms] == ["3", "10", "30", "all"]
    assert false_alarms[-1]["years"] == 3
    assert len(delays) == 9
    assert all(0.5 < row["held, sensitivity"] <= 1 for row in coverage)
