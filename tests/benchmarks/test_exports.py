"""The comparison of ONNX graphs with PyTorch, on a Run of phantoms."""

from collections.abc import Callable

from pneumoscope.dataset import Split
from pneumoscope.training import Run


def test_a_run_and_its_graph_agree(run_benchmark: Callable, compact_run: Run) -> None:
    ((row,),) = run_benchmark("exports", compact_run.folder).values()
    assert row["model"] == "compact"
    assert row["images"] == len(compact_run.manifest().of(Split.VALIDATION))
    assert row["probability differs by"] < 1e-4
    assert row["heat map differs by"] < 1e-3
    assert row["lowest"] < row["highest"]
