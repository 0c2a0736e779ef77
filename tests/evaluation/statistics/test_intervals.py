import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

from pneumoscope.evaluation.statistics.intervals import proportion, ratio, weighted_sum
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


@pytest.mark.parametrize("counts", [(2, 386, 129, 209), (328, 386, 4, 209), (56, 386, 74, 209)])
def test_a_ratio_of_shares_has_nearly_the_score_interval(counts):
    """Miettinen and Nurminen's, in statsmodels; both agree to some percent."""
    got = ratio(proportion(*counts[:2]), proportion(*counts[2:]))
    reference = confint_proportions_2indep(*counts, method="score", compare="ratio")
    assert got.value == pytest.approx(counts[0] / counts[1] / (counts[2] / counts[3]))
    assert (got.low, got.high) == pytest.approx(reference, rel=0.06)


def test_a_ratio_to_nothing_is_undefined_and_one_of_nothing_has_a_width():
    assert ratio(proportion(3, 10), proportion(0, 10)) == Estimate(None)
    nothing = ratio(proportion(0, 50), proportion(10, 20))
    assert (nothing.value, nothing.low) == (0.0, 0.0)
    reference = confint_proportions_2indep(0, 50, 10, 20, method="score", compare="ratio")
    assert nothing.high == pytest.approx(reference[1], rel=0.1)
