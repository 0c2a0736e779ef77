"""The roofline's tables for consistency, and floors worked out by hand."""

from collections.abc import Callable

import pytest

from benchmarks.host_rates import Rates
from benchmarks.layer_costs import Cost
from pneumoscope.models import NOTEBOOK_MODELS


def test_the_floor_is_the_longer_of_operations_and_bytes() -> None:
    rates = Rates(matrix=100.0, copy=10.0)
    assert rates.floor(Cost(operations=1000, bytes=20)) == 10
    assert rates.floor(Cost(operations=100, bytes=20)) == 2


@pytest.mark.thorough
def test_every_model_and_the_pass_stand_beside_their_floor(run_benchmark: Callable) -> None:
    tables = run_benchmark("roofline", "--images", 8, 2)
    rates = {row["precision"]: row for row in tables["Rates of the host"]}
    rows = {(row["model"], row["precision"]): row for row in tables["Epochs"]}
    names = [*NOTEBOOK_MODELS, "VGG16's pass"]
    assert set(rows) == {(name, precision) for name in names for precision in rates}
    for (name, precision), row in rows.items():
        matrix_seconds = row["GFLOP/epoch"] / rates[precision]["matrix GFLOP/s"]
        memory_seconds = row["GB/epoch"] / rates[precision]["copy GB/s"]
        floor, strict = row["floor s"], row["strict floor s"]
        tolerance = 1 - 1e-9  # sums in another order differ in their last digits
        assert 0 < matrix_seconds * tolerance <= strict
        assert strict * tolerance <= floor
        # Layer by layer the longer of the two: at least the longer sum, at most both sums.
        assert max(matrix_seconds, memory_seconds) * tolerance <= floor
        assert floor * tolerance <= matrix_seconds + memory_seconds
        assert row["times the floor"] == pytest.approx(row["measured s"] / row["floor s"])
        assert row["GFLOP/epoch"] == rows[name, "float32"]["GFLOP/epoch"]
        assert row["GB/epoch"] <= rows[name, "float32"]["GB/epoch"]
    for row in tables["VGG16's pass, for one image"]:
        whole = rows["VGG16's pass", row["precision"]]
        assert row["measured ms"] == pytest.approx(whole["measured s"] / 10 * 1e3)
        reached = whole["GFLOP/epoch"] / whole["measured s"]
        assert row["fraction of the matrix rate"] == pytest.approx(
            reached / rates[row["precision"]]["matrix GFLOP/s"]
        )
