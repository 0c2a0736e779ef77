"""The reading benchmark, on few phantoms; tensorflow-cpu is installed for it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(1800)


@pytest.mark.thorough
def test_every_program_reads_every_file(
    run_benchmark: Callable,
    keras_env: Path,
    exported: Path,
    phantom_dataset: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its programs run in other folders, and paths are given relative to this one."""
    monkeypatch.chdir(phantom_dataset / "test")
    bundle = os.path.relpath(exported)
    tables = run_benchmark("reading", "NORMAL", "--bundle", bundle, "--keras-env", keras_env)
    warm, cold, memory = tables.values()
    ours = ["ours, phantoms", "ours, phantoms, one thread", "ours, phantoms, with pictures"]
    names = ["Keras", "eager PyTorch", *ours]
    assert [row["program"] for row in warm] == names
    for row in warm:
        assert 0 < row["median ms"] <= row["99th percentile ms"]
        assert row["folder, files/s"] > 0
    assert warm[0]["times faster"] == 1
    assert [row["program"] for row in cold] == ["Keras", "eager PyTorch", "pneumoscope read"]
    assert [row["files"] for row in memory] == [40]
    assert all(row["peak memory MB"] > 50 for row in memory)
