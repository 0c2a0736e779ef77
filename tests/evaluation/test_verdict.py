import pytest

from pneumoscope.errors import PredictionsError
from pneumoscope.evaluation.intervals import Estimate, Interval, wilson
from pneumoscope.evaluation.verdict import Answer, Criterion, Requirements, State, decide

ASKED = Requirements()


def criterion(name, low, high, *, recalibrated=False, least=0.9, most=None):
    middle = (low + high) / 2
    return Criterion(name, recalibrated, Estimate(middle, Interval(low, high)), least, most)


GOOD = [criterion(name, 0.95, 0.99) for name in ("auc", "sensitivity", "specificity")]
GOOD_AFTER = [
    criterion(name, 0.95, 0.99, recalibrated=True) for name in ("sensitivity", "specificity")
]
POOR = criterion("specificity", 0.2, 0.4)
POOR_AFTER = criterion("specificity", 0.2, 0.4, recalibrated=True)
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
        (GOOD + GOOD_AFTER, Answer.FIT),
        ([*GOOD, POOR_AFTER], Answer.FIT),
        ([*GOOD[:2], POOR, *GOOD_AFTER], Answer.AFTER_RECALIBRATION),
        (
            [*GOOD, criterion("slope", 3, 5, least=0.5, most=2), *GOOD_AFTER],
            Answer.AFTER_RECALIBRATION,
        ),
        ([GOOD[0], OPEN, GOOD[2], *GOOD_AFTER], Answer.AFTER_RECALIBRATION),
        ([criterion("auc", 0.4, 0.6), *GOOD[1:], *GOOD_AFTER], Answer.NOT_FIT),
        ([*GOOD[:2], POOR, GOOD_AFTER[0], POOR_AFTER], Answer.NOT_FIT),
        ([GOOD[0], OPEN, GOOD[2], OPEN_AFTER, GOOD_AFTER[1]], Answer.UNDECIDED),
        ([criterion("auc", 0.85, 0.95), *GOOD[1:], *GOOD_AFTER], Answer.UNDECIDED),
        ([*GOOD[:2], POOR], Answer.UNDECIDED),
    ],
)
def test_the_rule_is_what_its_words_say(criteria, answer):
    assert decide(criteria, 100, ASKED).answer is answer


def test_reasons_name_what_failed_with_its_interval_and_limit():
    found = decide([*GOOD[:2], POOR, GOOD_AFTER[0], POOR_AFTER], 100, ASKED)
    assert found.reasons == (
        "specificity after recalibration: 0.300 (0.200 to 0.400) is not at least 0.9",
    )
    assert decide(GOOD, 100, ASKED).reasons == ()


def test_the_sample_is_one_whose_interval_would_settle_it():
    # 98 of 100 ill found, of 200 images, where 0.95 is asked for: Wilson says 0.930 to 0.994.
    found = Estimate(0.98, wilson(98, 100))
    both = [Criterion("sensitivity", after, found, low=0.95) for after in (False, True)]
    verdict = decide([criterion("auc", 0.95, 0.99), *both], 200, ASKED)
    assert verdict.answer is Answer.UNDECIDED
    ill = verdict.sample // 2
    assert wilson(round(0.98 * ill), ill).low == pytest.approx(0.95, abs=0.006)
    assert 200 < verdict.sample < 1000


def test_no_sample_is_named_where_none_would_settle_it():
    at_the_limit = Criterion("sensitivity", True, Estimate(0.95, Interval(0.9, 0.99)), low=0.95)
    assert decide([GOOD[0], at_the_limit], 100, ASKED).sample is None
    beside_it = Criterion("sensitivity", True, Estimate(0.9501, Interval(0.9, 0.99)), low=0.95)
    assert decide([GOOD[0], beside_it], 100, ASKED).sample is None


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(PredictionsError, match="least sensitivity of 95"):
        Requirements(sensitivity=95)
