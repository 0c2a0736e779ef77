import numpy as np
import pytest

from pneumoscope.evaluation.statistics.label_errors import (
    LabelErrorCandidate,
    LabelErrors,
    label_error_candidates,
)


def test_the_papers_formulas_by_hand(table):
    labels = [0, 0, 0, 0, 1, 1, 1, 1]
    ill = [0.1, 0.2, 0.6, 0.9, 0.95, 0.7, 0.85, 0.3]
    # Thresholds: NORMAL (0.9 + 0.8 + 0.4 + 0.1) / 4 = 0.55, PNEUMONIA (0.95 + ... + 0.3) / 4 = 0.7.
    # Only row 3 (0.9 >= 0.7) and row 7 (1 - 0.3 >= 0.55) are confidently of the other class: row 2,
    # which 0.5 would call ill, is of neither.
    candidates = label_error_candidates(table(labels, ill)).candidates
    assert [(error.file, error.label, error.probability) for error in candidates] == [
        ("image3.png", 0, 0.9),
        ("image7.png", 1, 0.3),
    ]
    assert [error.score for error in candidates] == pytest.approx([0.1, 0.3])


def test_of_two_confident_classes_the_likelier_counts(table):
    # Thresholds: NORMAL (0.6 + 0.4 + 0.2) / 3 = 0.4, PNEUMONIA (0.5 + 0.55) / 2 = 0.525. Row 1,
    # (0.4, 0.6), and row 4, (0.45, 0.55), reach both: PNEUMONIA is likelier of both.
    errors = label_error_candidates(table([0, 0, 0, 1, 1], [0.4, 0.6, 0.8, 0.5, 0.55])).candidates
    # Row 3, (0.5, 0.5), is confidently NORMAL alone.
    assert [error.file for error in errors] == ["image2.png", "image1.png", "image3.png"]


def test_an_image_of_neither_class_is_no_candidate(table):
    # Thresholds 0.9 and 0.725: the last row, (0.5, 0.5), reaches neither.
    assert label_error_candidates(table([0, 0, 1, 1], [0.1, 0.1, 0.95, 0.5])).total == 0


def test_the_normalised_margin_would_rank_alike(table):
    rng = np.random.default_rng(3)
    errors = label_error_candidates(
        table(np.arange(400) % 2, rng.random(400)), limit=400
    ).candidates
    scores = np.array([error.score for error in errors])
    margins = scores - (1 - scores)
    assert len(errors) > 100
    assert np.all(np.diff(margins) >= 0)
    for error in errors:
        of_label = error.probability if error.label else 1 - error.probability
        assert error.score == pytest.approx(of_label)


def test_planted_errors_are_found_first(table):
    rng = np.random.default_rng(4)
    truth = np.arange(600) % 2
    ill = 1 / (1 + np.exp(-(6 * truth - 3 + rng.normal(0, 1, 600))))
    planted = rng.choice(600, 30, replace=False)
    labels = truth.copy()
    labels[planted] = 1 - labels[planted]
    likeliest = label_error_candidates(table(labels, ill), limit=30).candidates
    hits = len({error.file for error in likeliest} & {f"image{row}.png" for row in planted})
    assert hits >= 28
    assert {error.label for error in likeliest} == {0, 1}


def test_a_perfect_table_has_no_candidates(table):
    assert label_error_candidates(table([0, 1] * 5, [0.0, 1.0] * 5)) == LabelErrors((), 0)


def test_equal_probabilities_of_a_class_reach_their_own_mean(table):
    # The mean of seven times 0.1 rounds above 0.1 or not; row 7 is called like the others.
    labels = [0] * 7 + [1] * 8
    errors = label_error_candidates(table(labels, [0.1] * 7 + [0.1] + [0.7] * 7)).candidates
    assert [error.file for error in errors] == ["image7.png"]


def test_the_limit_keeps_the_likeliest(table):
    made = table([0, 0, 0, 0, 1, 1], [0.1, 0.9, 0.95, 0.1, 0.8, 0.9])
    likeliest = LabelErrorCandidate("image2.png", 0, 0.95, pytest.approx(0.05))
    assert label_error_candidates(made, limit=1) == LabelErrors((likeliest,), total=2)
    assert label_error_candidates(made, limit=0) == LabelErrors((), total=2)


def test_those_beyond_the_limit_are_counted(table):
    # All 70 that are called ill are healthy by their labels; the mean of the ill is 0.5.
    labels, ill = [0] * 170 + [1] * 100, [0.9] * 70 + [0.1] * 100 + [0.5] * 100
    errors = label_error_candidates(table(labels, ill))
    assert (len(errors.candidates), errors.total) == (50, 70)


def test_one_class_alone_has_no_candidates(table):
    assert label_error_candidates(table([1, 1, 1], [0.1, 0.8, 0.9])) == LabelErrors((), 0)
