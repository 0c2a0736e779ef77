"""The search for the default bundle's recipe, and its criterion."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.default_search import CANDIDATES, pooled_auc, read_candidates


@pytest.mark.thorough
def test_finalists_are_trained_with_every_seed_and_the_best_on_average_is_chosen(
    run_benchmark: Callable,
) -> None:
    tables = run_benchmark("default_search")
    trials = tables["Trials"]
    assert sorted((row["candidate"], row["seed"]) for row in trials) == [
        (name, seed) for name in sorted({row["candidate"] for row in trials}) for seed in (0, 1)
    ]
    (single, both) = tables["The chosen candidate's seeds as an ensemble"]
    of_first = {row["candidate"]: row["pooled AUC"] for row in trials if row["seed"] == 0}
    means = {
        name: np.mean([float(row["pooled AUC"]) for row in trials if row["candidate"] == name])
        for name in of_first
    }
    assert single["pooled AUC"] == of_first[max(means, key=lambda name: means[name])]
    assert both["networks"] == 2


@pytest.mark.parametrize("file", sorted(CANDIDATES.parent.glob("default_search*.yaml")))
def test_every_candidate_is_a_recipe(file: Path) -> None:
    for candidate in read_candidates(file).values():
        candidate.recipe(seed=0)


def test_scores_that_depend_on_the_acquisition_lower_the_pooled_auc() -> None:
    """Images are ranked correctly within each acquisition; of all pairs a quarter is wrong."""
    labels = np.array([0, 1], np.int8)
    assert pooled_auc(labels, np.array([[0.1, 0.2], [0.8, 0.9]])) == 0.75
