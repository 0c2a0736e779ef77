from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import entropy, norm

from pneumoscope.evaluation.statistics.drift import (
    MIN_PATIENTS,
    ShiftSize,
    ks_test,
    population_stability_index,
)

RNG = np.random.default_rng(0)
REFERENCE = RNG.normal(size=568)


def test_the_index_is_the_relative_entropy_one_way_plus_the_other() -> None:
    for _ in range(20):
        counts, expected = RNG.integers(0, 40, 10), RNG.integers(1, 90, 10)
        p, q = counts + 0.5, expected + 0.5  # entropy() makes them sum to 1
        assert population_stability_index(counts, expected) == pytest.approx(
            entropy(p, q) + entropy(q, p)
        )


def test_the_distance_is_the_largest_between_the_distribution_functions() -> None:
    sample = RNG.normal(0.3, 1, 90)
    shift = ks_test(sample, REFERENCE)
    assert shift is not None
    everywhere = np.concatenate([sample, REFERENCE])
    gaps = [abs(np.mean(sample <= at) - np.mean(at >= REFERENCE)) for at in everywhere]
    assert shift.distance == pytest.approx(max(gaps))


def test_shares_are_those_between_the_references_tenths() -> None:
    sample = RNG.normal(0.5, 1, 200)
    shift = ks_test(sample, REFERENCE)
    assert shift is not None
    ends = (-np.inf, *np.quantile(REFERENCE, np.arange(1, 10) / 10), np.inf)
    shares = [float(np.mean((sample > low) & (sample <= high))) for low, high in pairwise(ends)]
    assert shift.shares == pytest.approx(shares)
    assert shift.expected == pytest.approx([0.1] * 10, abs=0.002)


@pytest.mark.parametrize(
    ("by", "band"), [(0.0, ShiftSize.SMALL), (0.4, ShiftSize.MODERATE), (0.8, ShiftSize.LARGE)]
)
def test_the_bands_of_a_shift_of_a_normal_distribution(by: float, band: ShiftSize) -> None:
    edges = norm.ppf(np.arange(1, 10) / 10)
    shares = np.diff(norm.cdf(edges - by), prepend=0, append=1)
    index = entropy(shares, np.full(10, 0.1)) + entropy(np.full(10, 0.1), shares)
    sample = np.random.default_rng(1).normal(by, 1, 20_000)
    shift = ks_test(sample, np.random.default_rng(2).normal(size=20_000))
    assert shift is not None
    assert shift.index == pytest.approx(index, abs=0.03)
    assert shift.band is band


def test_the_index_expected_by_chance_is_that_of_samples_without_shift() -> None:
    shifts = [ks_test(RNG.normal(size=60), REFERENCE) for _ in range(400)]
    indices = [shift.index for shift in shifts if shift is not None]
    assert shifts[0] is not None
    # All samples are compared with the same reference: hence the tolerance.
    assert np.mean(indices) == pytest.approx(shifts[0].by_chance, rel=0.15)


def test_false_positives_are_as_rare_as_p_says() -> None:
    rng = np.random.default_rng(3)
    shifts = [ks_test(rng.normal(size=100), rng.normal(size=300)) for _ in range(1500)]
    p = np.array([shift.p for shift in shifts if shift is not None])
    for level in (0.01, 0.05, 0.2):
        assert (p <= level).mean() <= level + 3 * np.sqrt(level * (1 - level) / len(p))
    assert (p <= 0.2).mean() > 0.12


def test_equal_values_make_the_test_conservative() -> None:
    rng = np.random.default_rng(4)
    shifts = [ks_test(rng.integers(0, 4, 100) * 1.0, rng.integers(0, 4, 300)) for _ in range(800)]
    assert np.mean([shift.p <= 0.05 for shift in shifts if shift is not None]) <= 0.05


def test_too_few_patients_and_a_constant_reference_are_not_compared() -> None:
    enough = RNG.normal(size=MIN_PATIENTS)
    assert ks_test(enough, REFERENCE) is not None
    assert ks_test(enough[1:], REFERENCE) is None
    assert ks_test(REFERENCE, enough[1:]) is None
    assert ks_test(enough, np.ones(100)) is None
    assert ks_test(np.empty(0), np.empty(0)) is None
