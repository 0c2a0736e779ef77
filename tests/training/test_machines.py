"""Strata of images made alike, on machines that are made up."""

import numpy as np
import pytest

from pneumoscope.evaluation.adjusted import adjusted_auc
from pneumoscope.training.machines import STRATA, machine_strata


@pytest.fixture
def hospital() -> tuple[np.ndarray, np.ndarray]:
    """Return how 3,000 images were made, and labels: the brighter the border, the more ill."""
    rng = np.random.default_rng(0)
    border = rng.random(3000)
    return np.stack([border, rng.random(3000)], axis=1), (rng.random(3000) < border).astype(np.int8)


def test_a_reader_of_the_machine_gains_nothing_within_strata(
    hospital: tuple[np.ndarray, np.ndarray],
) -> None:
    made, labels = hospital
    learned, judged = slice(None, 1500), slice(1500, None)
    strata = machine_strata(made[learned], labels[learned], made[judged])
    border, ill = made[judged, 0], labels[judged]
    whole = adjusted_auc(ill, border, np.zeros(1500, int))
    # For labels drawn with the probability u, uniform: the integral gives 5 / 6.
    assert whole == pytest.approx(5 / 6, abs=0.02)
    # Five strata by the border itself leave 0.61.
    true = np.minimum((border * 5).astype(int), 4)
    assert adjusted_auc(ill, border, strata) < adjusted_auc(ill, border, true) + 0.04
    knows = ill + np.random.default_rng(1).normal(
        size=1500
    )  # a reader of the disease loses nothing
    assert adjusted_auc(ill, knows, strata) == pytest.approx(
        adjusted_auc(ill, knows, np.zeros(1500, int)), abs=0.02
    )


def test_strata_are_about_as_large_and_what_is_alike_stays_together(
    hospital: tuple[np.ndarray, np.ndarray],
) -> None:
    made, labels = hospital
    strata = machine_strata(made, labels, made)
    assert np.bincount(strata, minlength=STRATA).min() > 500
    assert [np.mean(made[strata == s, 0]) for s in range(STRATA)] == sorted(
        np.mean(made[strata == s, 0]) for s in range(STRATA)
    )
    twins = machine_strata(made, labels, np.repeat(made[:1], 100, axis=0))
    assert len(set(twins.tolist())) == 1
