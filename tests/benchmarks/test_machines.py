"""The benchmark of what machines tell, on phantoms."""

from collections.abc import Callable
from pathlib import Path

from pneumoscope.training import Run


def test_runs_are_judged_among_images_made_alike(
    run_benchmark: Callable, compact_run: Run, phantom_dataset: Path
) -> None:
    made, told, judged = run_benchmark(
        "machines", phantom_dataset, "--run", compact_run.folder
    ).values()
    assert [row["images"] for row in made] == [
        "train, NORMAL",
        "train, PNEUMONIA",
        "validation, NORMAL",
        "validation, PNEUMONIA",
        "test",
    ]
    assert all(0 <= row["AUC"] <= 1 for row in told)
    (row,) = judged
    assert 0 <= row["adjusted AUC"] <= 1
