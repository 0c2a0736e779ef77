"""The adjusted AUC against counting pairs."""

import numpy as np
import pytest

from pneumoscope.evaluation.statistics.covariate_adjusted_auc import covariate_adjusted_auc


def pairs(labels: np.ndarray, said: np.ndarray) -> float:
    ill, normal = said[labels == 1], said[labels == 0]
    return float(np.mean([(a > b) + 0.5 * (a == b) for a in ill for b in normal]))


def test_it_counts_pairs_within_strata_alone() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200).astype(np.int8)
    strata = rng.integers(0, 4, 200)
    said = np.round(rng.random(200) + 0.2 * labels + strata, 1)  # ties among them
    ill = np.array([labels[strata == s].sum() for s in range(4)])
    n = np.array([(strata == s).sum() for s in range(4)])
    expected = np.average(
        [pairs(labels[strata == s], said[strata == s]) for s in range(4)],
        weights=ill * (n - ill) / (n + 1),
    )
    assert covariate_adjusted_auc(labels, said, strata) == pytest.approx(expected)
    assert covariate_adjusted_auc(labels, said, np.zeros(200, int)) == pytest.approx(
        pairs(labels, said)
    )


def test_strata_of_one_class_say_nothing() -> None:
    labels = np.int8([0, 0, 1, 1, 0, 1])
    said = np.array([0.9, 0.8, 0.1, 0.2, 0.4, 0.6])
    assert covariate_adjusted_auc(labels, said, np.array([0, 0, 1, 1, 2, 2])) == 1
    assert covariate_adjusted_auc(labels[:4], said[:4], np.array([0, 0, 1, 1])) is None
