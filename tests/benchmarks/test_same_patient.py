"""Similarity of radiographs of one patient, by pairs that are known."""

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.same_patient import FALSE_POSITIVE_RATES, _row


def test_a_similarity_that_tells_all_pairs_finds_all() -> None:
    same = np.arange(1000) < 10
    row = _row("perfect", same + np.linspace(0, 0.1, 1000), same, 1e-3)
    assert (row["AUC"], row["sensitivity"]) == (1, 1)
    assert row["PPV"] == pytest.approx(10 / 11, abs=1e-3)  # one false pair of 990 is above


@pytest.mark.thorough
def test_the_smallest_version(run_benchmark: Callable) -> None:
    (rows,) = run_benchmark("same_patient").values()
    assert len(rows) == 2 * len(FALSE_POSITIVE_RATES)
    assert all(0 < row["AUC"] < 1 for row in rows)
