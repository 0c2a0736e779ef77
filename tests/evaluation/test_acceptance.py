import pytest

from pneumoscope.evaluation.acceptance import (
    Criterion,
    Outcome,
    Requirements,
    State,
    decide_acceptance,
)
from pneumoscope.evaluation.statistics.intervals import proportion
from pneumoscope.report.estimate import Estimate
from pneumoscope.support.errors import PredictionsError

REQUIREMENTS = Requirements()
MANY = (200, 200)


def decide(criteria, n=100, patients=MANY):
    return decide_acceptance(criteria, n, patients, REQUIREMENTS)


def criterion(name, low, high, *, recalibrated=False, limits=(0.9, None)):
    middle = (low + high) / 2
    return Criterion(name, recalibrated, Estimate(middle, low, high), *limits)


GOOD = [criterion(name, 0.95, 0.99) for name in ("auc", "sensitivity", "specificity")]
GOOD_AFTER = [
    criterion(name, 0.95, 0.99, recalibrated=True) for name in ("sensitivity", "specificity")
]
POOR = criterion("specificity", 0.2, 0.4)
POOR_AFTER = criterion("specificity", 0.2, 0.4, recalibrated=True)
POOR_BOTH = [
    criterion(name, 0.2, 0.4, recalibrated=True) for name in ("sensitivity", "specificity")
]
OPEN_SLOPE = criterion("slope", 1.5, 2.5, limits=(0.5, 2))
UNDEFINED_SLOPE = Criterion("slope", False, Estimate(None), low=0.5, high=2)
MANY_REJECTED = Criterion("rejected", False, Estimate(0.5, 0.4, 0.6), high=0.1)
OPEN = criterion("sensitivity", 0.85, 0.95)
OPEN_AFTER = criterion("sensitivity", 0.85, 0.95, recalibrated=True)


@pytest.mark.parametrize(
    ("low", "high", "limits", "state"),
    [
        (0.91, 0.99, (0.9, None), State.MET),
        (0.90, 0.99, (0.9, None), State.MET),
        (0.85, 0.89, (0.9, None), State.FAILED),
        (0.85, 0.95, (0.9, None), State.UNDECIDED),
        (-0.1, 0.1, (-0.5, 0.5), State.MET),
        (0.6, 0.9, (-0.5, 0.5), State.FAILED),
        (0.4, 0.9, (-0.5, 0.5), State.UNDECIDED),
    ],
)
def test_a_criterion_is_judged_by_its_whole_interval(low, high, limits, state):
    assert criterion("any", low, high, limits=limits).state is state


def test_without_an_interval_nothing_is_decided():
    assert Criterion("auc", False, Estimate(1.0), low=0.9).state is State.UNDECIDED
    assert Criterion("auc", False, Estimate(None), low=0.9).sample_factor() is None


@pytest.mark.parametrize(
    ("criteria", "outcome"),
    [
        (GOOD + GOOD_AFTER, Outcome.FIT),
        ([*GOOD, POOR_AFTER], Outcome.FIT),
        ([*GOOD[:2], POOR, *GOOD_AFTER], Outcome.AFTER_RECALIBRATION),
        (
            [*GOOD, criterion("slope", 3, 5, limits=(0.5, 2)), *GOOD_AFTER],
            Outcome.AFTER_RECALIBRATION,
        ),
        ([GOOD[0], OPEN, GOOD[2], *GOOD_AFTER], Outcome.AFTER_RECALIBRATION),
        ([criterion("auc", 0.4, 0.6), *GOOD[1:], *GOOD_AFTER], Outcome.NOT_FIT),
        ([*GOOD[:2], POOR, GOOD_AFTER[0], POOR_AFTER], Outcome.NOT_FIT),
        ([GOOD[0], OPEN, GOOD[2], OPEN_AFTER, GOOD_AFTER[1]], Outcome.UNDECIDED),
        ([criterion("auc", 0.85, 0.95), *GOOD[1:], *GOOD_AFTER], Outcome.UNDECIDED),
        ([*GOOD[:2], POOR], Outcome.NOT_FIT),
        ([*GOOD[:2], OPEN], Outcome.UNDECIDED),
        ([*GOOD, OPEN_SLOPE, *POOR_BOTH], Outcome.UNDECIDED),
        ([*GOOD, UNDEFINED_SLOPE, *GOOD_AFTER], Outcome.UNDECIDED),
        ([*GOOD, MANY_REJECTED, *GOOD_AFTER], Outcome.NOT_FIT),
    ],
)
def test_the_outcome_follows_the_stated_rule(criteria, outcome):
    assert decide(criteria).outcome is outcome


def test_with_a_handful_of_patients_nothing_is_decided():
    acceptance = decide(GOOD + GOOD_AFTER, 60, (19, 41))
    assert acceptance.outcome is Outcome.UNDECIDED
    assert "too few for a verdict" in acceptance.reasons[0]
    assert acceptance.sample_size == 64  # 20 with pneumonia, at the same share
    assert decide(GOOD + GOOD_AFTER, 60, (20, 40)).outcome is Outcome.FIT


def test_reasons_name_what_failed_with_its_interval_and_limit():
    acceptance = decide_acceptance(
        [*GOOD[:2], POOR, GOOD_AFTER[0], POOR_AFTER], 100, MANY, REQUIREMENTS
    )
    assert acceptance.reasons == (
        "specificity: 0.300 (0.200 to 0.400) is not at least 0.9",
        "specificity with calibration and threshold fitted here: 0.300 (0.200 to 0.400) is not at "
        "least 0.9",
    )
    assert decide(GOOD).reasons == ()
    undefined = decide([*GOOD, UNDEFINED_SLOPE])
    assert undefined.reasons == ("calibration slope: cannot be computed on these images",)


def test_the_sample_is_one_whose_interval_would_settle_it():
    # 98 of 100 ill found in 200 images, 0.95 required: Wilson's interval is 0.930 to 0.994.
    estimate = proportion(98, 100)
    both = [Criterion("sensitivity", after, estimate, low=0.95) for after in (False, True)]
    acceptance = decide([criterion("auc", 0.95, 0.99), *both], 200, MANY)
    assert acceptance.outcome is Outcome.UNDECIDED
    ill = acceptance.sample_size // 2
    assert proportion(round(0.98 * ill), ill).low == pytest.approx(0.95, abs=0.006)
    assert 200 < acceptance.sample_size < 1000


def test_an_auc_on_its_way_to_failing_settles_it_before_all_others():
    # A quarter more images would take its interval's end from 0.92 to below 0.90.
    auc = Criterion("auc", False, Estimate(0.70, 0.48, 0.92), low=0.9)
    at_the_limit = Criterion("sensitivity", False, Estimate(0.95, 0.9, 0.99), low=0.95)
    acceptance = decide([auc, at_the_limit])
    assert acceptance.sample_size == pytest.approx(121, abs=1)


def test_the_longer_arm_counts_where_an_interval_is_cut_short():
    # 14 of 16 found where 0.95 is required; by the normal approximation 1.96² p (1 - p) / d².
    criterion = Criterion("sensitivity", False, Estimate(0.875, 0.713, 1.0), low=0.95)
    assert 16 * criterion.sample_factor() == pytest.approx(
        1.96**2 * 0.875 * 0.125 / 0.075**2, rel=0.02
    )


def test_no_sample_size_is_stated_where_none_would_settle_it():
    for value in (0.95, 0.9501):
        estimate = Estimate(value, 0.9, 0.99)
        both = [Criterion("sensitivity", after, estimate, low=0.95) for after in (False, True)]
        assert decide([GOOD[0], *both]).sample_size is None


def test_a_requirement_in_percent_is_refused():
    with pytest.raises(PredictionsError, match="--min-sensitivity must be between 0 and 1, not 95"):
        Requirements(min_sensitivity=95)
