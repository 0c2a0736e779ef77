"""The scaling benchmark, on few phantoms."""

from collections.abc import Callable

import pytest

from benchmarks.scaling import SMALLEST_SIZES, Measurement, growth
from benchmarks.scaling_stage import STAGES


@pytest.mark.thorough
def test_every_stage_runs(run_benchmark: Callable) -> None:
    tables = run_benchmark("scaling")
    rows = tables["Stages"]
    assert [(row["images"], row["stage"]) for row in rows] == [
        (size, stage) for size in SMALLEST_SIZES for stage in STAGES
    ]
    for row in rows:
        assert row["ms an image"] == pytest.approx(row["seconds"] / row["images"] * 1e3)
        assert row["peak memory MB"] > 30  # a process with NumPy and PyArrow in it


def test_growth_is_the_slope_between_smallest_and_largest() -> None:
    measurements = [
        Measurement(stage, images, seconds=images * images, memory=1000 + 7 * images)
        for images in (10, 20, 40)
        for stage in STAGES
    ]
    rows = growth(measurements)
    assert [row["stage"] for row in rows] == list(STAGES)
    first = rows[0]
    assert (first["from"], first["to"], first["bytes an image"]) == (10, 40, 7)
    assert first["seconds an image, times"] == 4
