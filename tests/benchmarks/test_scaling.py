"""The scaling benchmark, on few phantoms."""

from collections.abc import Callable

import pytest

from benchmarks.scaling import Measured, growth
from benchmarks.scaling_stage import STAGES


def test_every_stage_runs_at_every_size(run_benchmark: Callable) -> None:
    tables = run_benchmark("scaling")
    rows = tables["Stages"]
    assert [(row["images"], row["stage"]) for row in rows] == [
        (size, stage) for size in (64, 128) for stage in STAGES
    ]
    for row in rows:
        assert row["ms an image"] == pytest.approx(row["seconds"] / row["images"] * 1e3)
        assert row["peak memory MB"] > 50  # a process with PyTorch in it
    assert [row["stage"] for row in tables["Growth"]] == list(STAGES)


def test_growth_is_the_slope_between_fewest_and_most() -> None:
    measured = [
        Measured(stage, images, seconds=images * images, memory=1000 + 7 * images)
        for images in (10, 20, 40)
        for stage in STAGES
    ]
    first = growth(measured)[0]
    assert (first["from"], first["to"], first["bytes an image"]) == (10, 40, 7)
    assert first["seconds an image, times"] == 4
