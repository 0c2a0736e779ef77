"""The quality gate's benchmark, with a gate of phantoms."""

from collections.abc import Callable
from pathlib import Path


def test_every_kind_of_picture_is_shown(
    run_benchmark: Callable, exported: Path, phantom_dataset: Path
) -> None:
    (rows,) = run_benchmark("quality_gate", phantom_dataset, "--bundle", exported).values()
    shown = {row["images"]: row for row in rows}
    assert shown["noise"]["rejected %"] == 100
    assert shown["test radiographs"]["n"] == 8
    for row in rows:
        if row["n"]:
            assert 0 <= row["rejected %"] <= row["stopped %"] <= 100
    for change in ("inverted", "turned by 90 degrees", "turned by 180 degrees"):
        changed = shown[f"test radiographs, {change}"]
        assert changed["stopped %"] >= shown["test radiographs"]["stopped %"]
