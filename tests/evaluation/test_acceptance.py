import pytest

from pneumoscope.evaluation.acceptance import Criterion, Outcome, Requirements, State, decide
from pneumoscope.evaluation.statistics.intervals import proportion
from pneumoscope.report.estimate import Estimate
from pneumoscope.support.errors import PredictionsError

ASKED = Requirements()
MANY = (200, 200)


def criterion(name, low, high, *, recalibrated=False, least=0.9, most=None):
    middle = (low + high) / 2
    return Criterion(name, recalibrated, Estimate(middle, low, high), least, most)


GOOD = [criterion(name, 0.95, 0.99) for name in ("auc", "sensitivity", "specificity")]
GOOD_AFTER = [
    criterion(name, 0.95, 0.99, recalibrated=True) for name in ("sensitivity", "specificity")
]
POOR = criterion("specificity", 0.2, 0.4)
POOR_AFTER = criterion("specificity", 0.2, 0.4, recalibrated=True)
POOR_BOTH = [
    criterion(name, 0.2, 0.4, recalibrated=True) for name in ("sensitivity", "specificity")
]
OPEN_SLOPE = criterion("slope", 1.5, 2.5, least=0.5, most=2)
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
    least, most = limits
    assert criterion("any", low, high, least=least, most=most).state is state


def test_without_an_interval_nothing_is_decided():
    assert Criterion("auc", False, Estimate(1.0), low=0.9).state is State.UNDECIDED
    assert Criterion("auc", False, Estimate(None), low=0.9).factor_needed() is None


@pytest.mark.parametrize(
    ("criteria", "answer"),
    [
        (GOOD + GOOD_AFTER, Outcome.FIT),
        ([*GOOD, POOR_AFTER], Outcome.FIT),
        ([*GOOD[:2], POOR, *GOOD_AFTER], Outcome.AFTER_RECALIBRATION),
        (
            [*GOOD, criterion("slope", 3, 5, least=0.5, most=2), *GOOD_AFTER],
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
def test_the_rule_is_what_its_words_say(criteria, answer):
    assert decide(criteria, 100, MANY, ASKED).answer is answer


def test_with_a_handful_of_patients_nothing_is_decided():
    found = decide(GOOD + GOOD_AFTER, 60, (19, 41), ASKED)
    assert found.answer is Outcome.UNDECIDED
    assert "too few to say" in found.reasons[0]
    assert found.sample == 64  # 20 with pneumonia, at the same share
    assert decide(GOOD + GOOD_AFTER, 60, (20, 40), ASKED).answer is Outcome.FIT


def test_reasons_name_what_failed_with_its_interval_and_limit():
    found = decide([*GOOD[:2], POOR, GOOD_AFTER[0], POOR_AFTER], 100, MANY, ASKED)
    assert found.reasons == (
        "specificity: 0.300 (0.200 to 0.400) is not at least 0.9",
        "specificity with calibration and threshold fitted here: 0.300 (0.200 to 0.400) is not at "
        "least 0.9",
    )
    assert decide(GOOD, 100, MANY, ASKED).reasons == ()
    undefined = decide([*GOOD, UNDEFINED_SLOPE], 100, MANY, ASKED)
    assert undefined.reasons == ("calibration slope: cannot be computed on these images",)


def test_the_sample_is_one_whose_interval_would_settle_it():
    # 98 of 100 ill found, of 200 images, where 0.95 is asked for: Wilson says 0.930 to 0.994.
    found = proportion(98, 100)
    both = [Criterion("sensitivity", after, found, low=0.95) for after in (False, True)]
    verdict = decide([criterion("auc", 0.95, 0.99), *both], 200, MANY, ASKED)
    assert verdict.answer is Outcome.UNDECIDED
    ill = verdict.sample // 2
    assert proportion(round(0.98 * ill), ill).low == pytest.approx(0.95, abs=0.006)
    assert 200 < verdict.sample < 1000


def test_an_auc_on_its_way_to_failing_settles_it_before_all_others():
    # A quarter more images would take its interval's end from 0.92 to below 0.90.
    auc = Criterion("auc", False, Estimate(0.70, 0.48, 0.92), low=0.9)
    at_the_limit = Criterion("sensitivity", False, Estimate(0.95, 0.9, 0.99), low=0.95)
    verdict = decide([auc, at_the_limit], 100, MANY, ASKED)
    assert verdict.sample == pytest.approx(121, abs=1)


def test_the_longer_arm_counts_where_an_interval_is_cut_short():
    # 14 of 16 found where 0.95 is asked for; by the normal approximation 1.96² p (1 - p) / d².
    seen = Criterion("sensitivity", False, Estimate(0.875, 0.713, 1.0), low=0.95)
    assert 16 * seen.factor_needed() == pytest.approx(1.96**2 * 0.875 * 0.125 / 0.075**2, rel=0.02)


def test_no_sample_is_named_where_none_would_settle_it():
    for value in (0.95, 0.9501):
        open_one = Estimate(value, 0.9, 0.99)
        both = [Criterion("sensitivity", after, open_one, low=0.95) for after in (False, True)]
        assert decide([GOOD[0], *both], 100, MANY, ASKED).sample is None


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(PredictionsError, match="least sensitivity of 95"):
        Requirements(sensitivity=95)
