import numpy as np
import pytest

from pneumoscope.evaluation.statistics.verification_bias import (
    Stratum,
    accuracy_among_verified,
    correct_verification_bias,
)

# Hepatic scintigraphy, Drum and Christacopoulos, J Nucl Med 13:908-915, 1972: the worked example
# of Begg and Greenes and of those after them, who give 0.836 and 0.738, and 0.895 and 0.628 of the
# verified alone (Arifin and Yusof, Diagnostics 12:2839, 2022).
LIVER = (
    Stratum(called=True, ill=231, well=32, unverified=166),
    Stratum(called=False, ill=27, well=54, unverified=140),
)


def test_the_published_example() -> None:
    naive, found = accuracy_among_verified(LIVER), correct_verification_bias(LIVER)
    assert naive.sensitivity.value == pytest.approx(0.895, abs=0.0005)
    assert naive.specificity.value == pytest.approx(0.628, abs=0.0005)
    assert found.sensitivity.value == pytest.approx(0.836, abs=0.0005)
    assert found.specificity.value == pytest.approx(0.738, abs=0.0005)


def test_the_interval_of_the_example_is_that_of_the_delta_method() -> None:
    # On the logit scale, by Begg and Greenes' appendix as Zhou (1993) writes it.
    called, other = LIVER
    p, q = called.ill / called.verified, other.ill / other.verified
    n, m = called.verified + called.unverified, other.verified + other.unverified
    logit = np.log(n * p / (m * q))
    variance = (n + m) / (n * m) + (1 - p) / (p * called.verified) + (1 - q) / (q * other.verified)
    ends = [1 / (1 + np.exp(-(logit + side * 1.96 * np.sqrt(variance)))) for side in (-1, 1)]
    interval = correct_verification_bias(LIVER).sensitivity.interval
    assert interval is not None
    assert interval == pytest.approx(ends, abs=0.01)


def test_where_all_are_verified_nothing_is_to_be_corrected() -> None:
    whole = [Stratum(True, 90, 12, 0), Stratum(False, 10, 88, 0)]
    found, naive = correct_verification_bias(whole), accuracy_among_verified(whole)
    assert found.sensitivity.value == pytest.approx(naive.sensitivity.value)
    assert found.specificity.value == pytest.approx(naive.specificity.value)


def test_more_strata_see_what_two_do_not() -> None:
    # Truly: 100 of 100, 40 of 100 and 0 of 100 ill; the doubtful were verified most.
    strata = [Stratum(True, 50, 0, 50), Stratum(False, 40, 60, 0), Stratum(False, 0, 20, 80)]
    assert correct_verification_bias(strata).sensitivity.value == pytest.approx(100 / 140)
    coarse = [strata[0], Stratum(False, 40, 80, 80)]
    assert correct_verification_bias(coarse).sensitivity.value == pytest.approx(
        100 / (100 + 200 / 3)
    )


def test_strata_without_a_verified_patient_go_with_those_called_alike() -> None:
    apart = [Stratum(True, 8, 2, 5), Stratum(True, 0, 0, 5), Stratum(False, 1, 9, 10)]
    together = [Stratum(True, 8, 2, 10), Stratum(False, 1, 9, 10)]
    assert correct_verification_bias(apart) == correct_verification_bias(together)
    assert correct_verification_bias(
        [*together, Stratum(False, 0, 0, 0)]
    ) == correct_verification_bias(together)


def test_that_nobody_was_missed_among_a_few_is_no_certainty() -> None:
    found = correct_verification_bias(
        [Stratum(True, 80, 20, 0), Stratum(False, 0, 20, 480)]
    ).sensitivity
    assert found.value == 1.0
    assert found.interval is not None
    # Up to 3 in 20 may be ill (the rule of three): 75 of 500 missed beside 80 found.
    assert found.low < 80 / (80 + 0.11 * 500)
    assert found.high == 1.0


@pytest.mark.parametrize(
    "strata",
    [
        [],
        [Stratum(True, 0, 0, 0), Stratum(False, 0, 0, 0)],
        [Stratum(True, 8, 2, 0)],
        [Stratum(True, 8, 2, 0), Stratum(False, 0, 0, 10)],
    ],
)
def test_where_one_side_is_unknown_so_is_the_accuracy(strata: list[Stratum]) -> None:
    assert correct_verification_bias(strata).sensitivity.value is None
    assert correct_verification_bias(strata).specificity.value is None


def test_nobody_ill_has_no_sensitivity() -> None:
    found = correct_verification_bias([Stratum(True, 0, 5, 1), Stratum(False, 0, 9, 1)])
    assert found.sensitivity.value is None
    assert found.specificity.value == pytest.approx(0.625)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        ill = rng.random(500) < 0.3
        called = rng.random(500) < np.where(ill, 0.95, 0.2)
        known = rng.random(500) < np.where(called, 0.8, 0.2)
        strata = [
            Stratum(
                side,
                int((ill & known & (called == side)).sum()),
                int((~ill & known & (called == side)).sum()),
                int((~known & (called == side)).sum()),
            )
            for side in (True, False)
        ]
        interval = correct_verification_bias(strata).sensitivity.interval
        assert interval is not None
        held += interval[0] <= 0.95 <= interval[1]
    assert held >= 275  # of 300; of 95 % intervals 285 are expected, give or take 4
