"""The benchmark of what machines tell, on phantoms."""

from collections.abc import Callable
from pathlib import Path

from pneumoscope.reader import Bundle


def test_bundles_are_judged_among_images_made_alike(
    run_benchmark: Callable, exported: Path, phantom_dataset: Path
) -> None:
    made, told, judged = run_benchmark("machines", phantom_dataset, "--bundle", exported).values()
    assert [row["images"] for row in made] == [
        "train, NORMAL",
        "train, PNEUMONIA",
        "validation, NORMAL",
        "validation, PNEUMONIA",
        "test",
    ]
    assert all(0 <= row["AUC"] <= 1 for row in told)
    (row,) = judged
    assert row["bundle"] == Bundle.open(exported).identity
    assert 0 <= row["adjusted AUC"] <= 1
