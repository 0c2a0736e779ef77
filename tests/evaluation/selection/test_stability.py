import numpy as np
import pytest

from pneumoscope.evaluation.selection.rule import Candidate, choose_model
from pneumoscope.evaluation.selection.stability import choice_stability
from pneumoscope.evaluation.statistics.bootstrap import patient_draws
from pneumoscope.support.errors import PredictionsError


@pytest.fixture(scope="module")
def models(table):
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    patients = [f"p{row // 4}" for row in range(60)]
    made = {}
    for name, noise in (("a", 0.3), ("b", 0.35), ("c", 0.4)):
        scores = np.clip(0.3 + 0.45 * labels + rng.normal(0, noise, 60), 0, 1)
        made[name] = table(labels, scores.round(2), patients)
    return made


def chosen_by_loop(models, thresholds, min_recall, drawn):
    """Return the model chosen on some rows and those that tie, counted here."""
    candidates = []
    for name, predictions in models.items():
        truth = predictions.labels[drawn] == 1
        called = predictions.probabilities[drawn] >= thresholds[name]
        precision = float(np.mean(truth[called])) if called.any() else None
        recall = float(np.mean(called[truth])) if truth.any() else None
        candidates.append(Candidate(name, precision, recall))
    choice = choose_model(candidates, min_recall)
    return choice.name, *choice.tied


def shares_of(choices, models):
    """Return the share of each model, where those that tie have equal parts."""
    return {
        name: sum((name in tied) / len(tied) for tied in choices) / len(choices) for name in models
    }


@pytest.mark.parametrize("min_recall", [0.6, 0.85, 0.99, 1.0])
def test_every_draw_is_chosen_as_the_rule_chooses(models, min_recall):
    thresholds = {"a": 0.5, "b": 0.45, "c": 0.3}
    patient = np.unique(models["a"].patients, return_inverse=True)[1]
    names = [
        chosen_by_loop(models, thresholds, min_recall, np.repeat(np.arange(60), times[patient]))
        for times in patient_draws(15, 400, np.random.default_rng(7))
    ]
    got = choice_stability(models, thresholds, min_recall, draws=400, seed=7)
    assert got.shares == pytest.approx(shares_of(names, models))
    assert got.chosen == chosen_by_loop(models, thresholds, min_recall, np.arange(60))[0]
    assert got.differs == pytest.approx(1 - got.shares[got.chosen])


def test_shares_are_those_of_a_plain_loop_over_patients(models):
    rng = np.random.default_rng(99)
    members = [np.flatnonzero(np.array(models["a"].patients) == f"p{k}") for k in range(15)]
    thresholds = dict.fromkeys(models, 0.4)
    names = []
    for _ in range(2000):
        drawn = np.concatenate([members[k] for k in rng.integers(0, 15, 15)])
        names.append(chosen_by_loop(models, thresholds, 0.85, drawn))
    got = choice_stability(models, 0.4, 0.85, draws=2000)
    for name, share in shares_of(names, models).items():
        # Four standard errors of the difference of two shares of 2,000 draws.
        assert got.shares[name] == pytest.approx(share, abs=0.063), name
    assert len({round(share, 2) for share in got.shares.values()}) == 3


def test_a_model_that_is_always_better_is_always_chosen(table):
    labels = [0, 1] * 20
    good = table(labels, [0.1, 0.9] * 20)
    poor = table(labels, [0.9, 0.9] * 20)
    got = choice_stability({"poor": poor, "good": good}, 0.5, draws=300)
    assert (got.chosen, got.differs, got.draws) == ("good", 0.0, 300)
    assert got.shares == {"poor": 0.0, "good": 1.0}


def test_exactly_the_least_recall_qualifies_and_ties_go_to_the_other_figure(table):
    # Each patient has two ill images and a healthy one, so every draw has the same figures.
    labels, patients = [1, 1, 0] * 20, [f"p{row // 3}" for row in range(60)]
    half = table(labels, [0.9, 0.1, 0.1] * 20, patients)
    whole = table(labels, [0.9, 0.9, 0.1] * 20, patients)
    everyone = table(labels, [0.9, 0.9, 0.9] * 20, patients)
    got = choice_stability({"everyone": everyone, "half": half}, 0.5, 0.5, draws=100)
    assert got.shares == {"everyone": 0.0, "half": 1.0}
    got = choice_stability({"half": half, "whole": whole}, 0.5, 0.5, draws=100)
    assert got.shares == {"half": 0.0, "whole": 1.0}


def test_the_same_patients_are_drawn_for_every_model(models):
    # Twins tie in every draw, so each has half of them.
    got = choice_stability({"one": models["a"], "twin": models["a"]}, 0.5, draws=200)
    assert got.shares == {"one": 0.5, "twin": 0.5}
    assert (got.chosen, got.differs) == ("one", 0.5)


def test_the_order_of_rows_does_not_matter(models):
    shuffled = models | {"b": models["b"].rows(np.random.default_rng(1).permutation(60))}
    assert choice_stability(shuffled, 0.5, draws=200) == choice_stability(models, 0.5, draws=200)


def test_the_seed_decides(models):
    first = choice_stability(models, 0.5, 0.85, draws=250, seed=1)
    assert first != choice_stability(models, 0.5, 0.85, draws=250, seed=2)
    assert choice_stability(models, 0.5, 0.85, draws=250, seed=1) == first


def test_invalid_arguments_are_refused(models, table):
    with pytest.raises(PredictionsError, match="no model"):
        choice_stability({}, 0.5)
    with pytest.raises(PredictionsError, match="--min-recall must be between 0 and 1, not 99"):
        choice_stability(models, 0.5, min_recall=99)
    with pytest.raises(PredictionsError, match="the model c has no threshold"):
        choice_stability(models, {"a": 0.5, "b": 0.5})
    one = table([0, 1], [0.1, 0.9], ["p", "p"])
    with pytest.raises(PredictionsError, match="of one patient"):
        choice_stability({"one": one}, 0.5)
    with pytest.raises(PredictionsError, match=r"image0.png: .* of one and of two name different"):
        choice_stability({"one": one, "two": table([0, 1], [0.1, 0.9])}, 0.5)
