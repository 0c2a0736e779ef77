"""The benchmark of the evaluation, on few predictions, and its table of predictions."""

from collections.abc import Callable

import numpy as np

from benchmarks.evaluating import N_SMALLEST_IMAGES, N_SMALLEST_RESAMPLES
from benchmarks.evaluating_stage import predictions


def test_every_size_is_evaluated(run_benchmark: Callable) -> None:
    (rows,) = run_benchmark("evaluating").values()
    assert [(row["images"], row["draws"]) for row in rows] == [
        (size, N_SMALLEST_RESAMPLES) for size in N_SMALLEST_IMAGES
    ]
    for row in rows:
        assert 0 < row["seconds"] < row["seconds of the process"]
        assert 20 < row["peak memory MB"] < 200  # a process with NumPy in it, without PyTorch


def test_the_table_has_patients_of_several_images_and_no_ties() -> None:
    table = predictions(5_000)
    assert len(set(table.probabilities.tolist())) == len(table.files) == 5_000
    # One, two or three images each, the numbers equally likely: two on average.
    assert np.isclose(len(set(table.patients)), 2_500, rtol=0.05)
    assert np.isclose(table.labels.mean(), 1 / 3, atol=0.04)
