"""The simulation of monitoring, on fewer years."""

from collections.abc import Callable

import numpy as np

from benchmarks.monitoring import STATISTICS, days_until_seen, false_alarms, patients


def test_the_rule_raises_no_alarm_where_others_raise_many() -> None:
    rule, uncorrected, index = false_alarms(3, years=4)
    assert rule == 0  # each year with a chance of at most 1 in 20
    assert uncorrected >= 3
    assert index >= 1


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
