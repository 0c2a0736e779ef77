from dataclasses import replace

import numpy as np
import pytest

from pneumoscope.evaluation.report.published_notebook import PUBLISHED_CHOICE, PUBLISHED_MODELS
from pneumoscope.evaluation.selection.rule import Candidate, choose_model
from pneumoscope.evaluation.statistics.discrimination import bootstrap_metrics
from pneumoscope.support.errors import PredictionsError


def test_on_the_notebooks_own_table_the_rule_picks_its_choice():
    table = [Candidate(model.name, model.precision, model.recall) for model in PUBLISHED_MODELS]
    choice = choose_model(table)
    assert (choice.name, choice.qualified) == ("model_5", True)
    assert choice.name == PUBLISHED_CHOICE
    assert "highest precision" in choice.rule
    assert "at least 0.99" in choice.rule


def test_another_least_recall_picks_another_model():
    table = [Candidate(model.name, model.precision, model.recall) for model in PUBLISHED_MODELS]
    assert choose_model(table, min_recall=0.98).name == "model_7"
    assert choose_model(table, min_recall=1.0).name == "model_6"


def test_exactly_the_least_recall_qualifies():
    assert choose_model([Candidate("a", 0.6, 1.0), Candidate("b", 0.7, 0.99)]).name == "b"


def test_if_none_qualifies_the_highest_recall_is_chosen_and_said():
    choice = choose_model(
        [Candidate("a", 0.9, 0.8), Candidate("b", 0.7, 0.95), Candidate("c", 0.9, 0.9)]
    )
    assert (choice.name, choice.qualified) == ("b", False)
    assert "if there is none the highest recall" in choice.rule


@pytest.mark.parametrize(
    ("candidates", "name"),
    [
        ([("a", 0.8, 0.99), ("b", 0.8, 1.0)], "b"),
        ([("a", 0.8, 1.0), ("b", 0.8, 1.0)], "a"),
        ([("a", 0.7, 0.9), ("b", 0.8, 0.9)], "b"),
        ([("a", 0.8, 0.9), ("b", 0.8, 0.9)], "a"),
        ([("a", None, 1.0), ("b", 0.1, 1.0)], "b"),
        ([("a", None, None), ("b", None, 0.0)], "b"),
        ([("a", 1.0, None), ("b", 0.2, 0.99)], "b"),
    ],
)
def test_ties_and_undefined_figures(candidates, name):
    assert choose_model([Candidate(*row) for row in candidates]).name == name


def test_a_model_that_calls_everyone_ill_is_not_chosen(table):
    """The case of a user: validation AUC 0.642 and specificity 0, beside a validation AUC of 1."""
    labels, files = [0, 1] * 50, [f"{row}.png" for row in range(100)]
    rng = np.random.default_rng(0)
    everyone = table(labels, 0.6 + rng.uniform(0, 0.3, 100), files=files)
    good = table(labels, np.tile([0.1, 0.9], 50), files=files)
    missed = good.probabilities.copy()
    missed[1:9:2] = 0.4  # 4 of 50 ill
    careful = replace(good, probabilities=missed)
    tables = {"everyone": everyone, "careful": careful}
    candidates = [
        Candidate.of(name, bootstrap_metrics(of, 0.5, draws=200)) for name, of in tables.items()
    ]
    assert (candidates[0].recall, candidates[1].recall) == (1.0, 0.92)
    choice = choose_model(candidates)
    assert (choice.name, choice.qualified, choice.usable) == ("careful", False, True)
    assert choice.ineligible == {"everyone": "calls everyone ill (specificity 0)"}


def test_a_model_whose_auc_interval_reaches_one_half_is_not_chosen(table):
    rng = np.random.default_rng(1)
    labels = [0, 1] * 50
    chance = table(labels, rng.uniform(0.3, 0.7, 100))
    candidate = Candidate.of("chance", bootstrap_metrics(chance, 0.35, draws=200))
    assert candidate.ineligible.startswith("may rank no better than chance (AUC 0.")
    choice = choose_model([candidate, Candidate("b", 0.2, 0.3)], min_recall=0.9)
    assert (choice.name, choice.usable) == ("b", True)
    alone = choose_model([candidate])
    assert (alone.name, alone.usable) == ("chance", False)


def test_a_tie_is_disclosed():
    choice = choose_model(
        [Candidate("a", 0.8, 1.0), Candidate("b", 0.8, 1.0), Candidate("c", 0.8, 0.99)]
    )
    assert (choice.name, choice.tied) == ("a", ("b",))


def test_invalid_arguments_are_refused():
    with pytest.raises(PredictionsError, match="no model"):
        choose_model([])
    with pytest.raises(PredictionsError, match="--min-recall must be between 0 and 1, not 99"):
        choose_model([Candidate("a", 0.5, 0.5)], min_recall=99)
