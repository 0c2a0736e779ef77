"""The search for the default's recipe, and the validation images that it chooses by."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.default_search import CANDIDATES, read_candidates
from benchmarks.shifted import SHIFTS, pooled_auc, shift_all
from pneumoscope.training import make_recipe


def test_finalists_are_trained_with_every_seed_and_the_best_on_average_is_chosen(
    run_benchmark: Callable,
) -> None:
    tables = run_benchmark("default_search")
    trials = tables["Trials"]
    assert sorted((row["candidate"], row["seed"]) for row in trials) == [
        (name, seed) for name in sorted({row["candidate"] for row in trials}) for seed in (0, 1)
    ]
    (single, both) = tables["The chosen candidate's seeds together"]
    of_first = {row["candidate"]: row["pooled AUC"] for row in trials if row["seed"] == 0}
    means = {
        name: np.mean([float(row["pooled AUC"]) for row in trials if row["candidate"] == name])
        for name in of_first
    }
    assert single["pooled AUC"] == of_first[max(means, key=lambda name: means[name])]
    assert both["networks"] == 2


@pytest.mark.parametrize("file", sorted(CANDIDATES.parent.glob("default_search*.yaml")))
def test_every_candidate_is_a_recipe(file: Path) -> None:
    for settings in read_candidates(file, []).values():
        make_recipe("compact", assignments=settings)


def test_shifts_keep_the_middle_and_take_the_border_of_the_other_class() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([0, 0, 1, 1], np.int8)
    pixels = rng.integers(0, 100, (4, 160, 160), np.uint8)
    pixels[labels == 1] += 100
    shifted = dict(zip(SHIFTS, shift_all(pixels, labels), strict=True))
    np.testing.assert_array_equal(shifted["unchanged"], pixels)
    framed = shifted["border of the other class"]
    np.testing.assert_array_equal(framed[:, 20:-20, 20:-20], pixels[:, 20:-20, 20:-20])
    assert ((framed[:, :20] >= 100) == (labels == 0)[:, None, None]).all()
    assert all(np.any(images != pixels) for name, images in shifted.items() if name != "unchanged")


def test_answers_that_move_with_the_machine_are_found_out() -> None:
    """Each shift ranks its own images rightly; together a quarter of the pairs are wrong."""
    labels = np.array([0, 1], np.int8)
    assert pooled_auc(labels, np.array([[0.1, 0.2], [0.8, 0.9]])) == 0.75
