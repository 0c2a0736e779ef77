"""The benchmark of acquisition as a shortcut, on phantoms."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.acquisition import with_interval
from pneumoscope.reader import Bundle


@pytest.mark.thorough
def test_bundles_are_evaluated_within_strata_of_acquisition(
    run_benchmark: Callable, exported: Path, phantom_dataset: Path
) -> None:
    features, predicted, bundles, points = run_benchmark(
        "acquisition", phantom_dataset, "--bundle", exported
    ).values()
    assert [row["images"] for row in features] == [
        "train, NORMAL",
        "train, PNEUMONIA",
        "validation, NORMAL",
        "validation, PNEUMONIA",
        "test",
    ]
    assert [row["predicted"] for row in predicted] == [
        "label, on validation",
        "split, train against test",
    ]
    (row,) = bundles
    assert row["bundle"] == Bundle.open(exported).identity
    assert set(row) >= {"AUC", "adjusted AUC"}
    names = {point["operating point"] for point in points}
    assert names == set(Bundle.open(exported).record.operating_points)
    # The strata contain all images that were read.
    screening = [point for point in points if point["operating point"] == "screening"]
    rates = ("recall", "specificity")
    counts = [point[rate].split(" = ")[0] for point in screening for rate in rates]
    assert sum(int(count.split("/")[1]) for count in counts if "/" in count) == row["images"]


def test_intervals_resample_patients() -> None:
    """Three equal images of each patient give the interval of one image."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=200)
    once = with_interval([str(i) for i in range(200)], lambda rows: float(values[rows].mean()))
    thrice = with_interval(
        [str(i // 3) for i in range(600)], lambda rows: float(np.repeat(values, 3)[rows].mean())
    )
    assert once == thrice
    # The mean's standard error is 1 / sqrt(200).
    low, high = map(float, once.split("(")[1].rstrip(")").split("–"))
    assert high - low == pytest.approx(2 * 1.96 / np.sqrt(200), rel=0.15)
