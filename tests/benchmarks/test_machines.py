"""The benchmark of what machines tell, on phantoms."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.machines import with_interval
from pneumoscope.reader import Bundle


def test_bundles_are_judged_among_images_made_alike(
    run_benchmark: Callable, exported: Path, phantom_dataset: Path
) -> None:
    made, told, judged, points = run_benchmark(
        "machines", phantom_dataset, "--bundle", exported
    ).values()
    assert [row["images"] for row in made] == [
        "train, NORMAL",
        "train, PNEUMONIA",
        "validation, NORMAL",
        "validation, PNEUMONIA",
        "test",
    ]
    assert [row["told"] for row in told] == ["label, on validation", "split, train against test"]
    (row,) = judged
    assert row["bundle"] == Bundle.open(exported).identity
    assert set(row) >= {"AUC", "adjusted AUC"}
    names = {point["operating point"] for point in points}
    assert names == set(Bundle.open(exported).record.operating_points)
    # Strata share out all images that were read.
    screening = [point for point in points if point["operating point"] == "screening"]
    counts = [
        point[one].split(" = ")[0] for point in screening for one in ("recall", "specificity")
    ]
    assert sum(int(count.split("/")[1]) for count in counts if "/" in count) == row["images"]


def test_intervals_are_those_of_patients() -> None:
    """A patient's images say the same: thrice as many of each tell no more."""
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
