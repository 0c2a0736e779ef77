import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

from pneumoscope.evaluation.statistics.intervals import proportion, weighted_sum
from pneumoscope.report.estimate import Estimate


@pytest.mark.parametrize(
    ("first", "second", "published"),
    [((56, 70), (48, 80), (0.0524, 0.3339)), ((9, 10), (3, 10), (0.1705, 0.8090))],
)
def test_a_difference_of_shares_has_newcombes_interval(first, second, published):
    # Newcombe, Statistics in Medicine 17:873-890, 1998, table II, method 10.
    got = weighted_sum([(1, proportion(*first)), (-1, proportion(*second))])
    assert (got.low, got.high) == pytest.approx(published, abs=5e-5)
    reference = confint_proportions_2indep(*first, *second, method="newcomb", compare="diff")
    assert (got.low, got.high) == pytest.approx(reference)


def test_a_weight_scales_a_figure_and_a_negative_one_turns_its_interval():
    part = Estimate(0.5, 0.25, 0.625)
    assert weighted_sum([(-100, part)]) == Estimate(-50.0, -62.5, -25.0)


def test_what_is_missing_of_a_part_is_missing_of_the_sum():
    whole = Estimate(0.5, 0.25, 0.75)
    assert weighted_sum([(1, whole), (1, Estimate(0.25))]) == Estimate(0.75)
    assert weighted_sum([(1, whole), (1, Estimate(None))]) == Estimate(None)
