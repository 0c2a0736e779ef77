"""The quality gate's benchmark, with a gate of phantoms."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.quality_gate import DATA, _first_code, _with_age, read_ages
from pneumoscope.reader import Status, open_reader


def test_every_kind_of_picture_is_shown(
    run_benchmark: Callable, exported: Path, phantom_dataset: Path
) -> None:
    rows, others = run_benchmark("quality_gate", phantom_dataset, "--bundle", exported).values()
    shown = {row["images"]: row for row in rows}
    assert shown["noise"]["rejected %"] == 100
    assert shown["test radiographs"]["n"] == 8
    for row in rows:
        if row["n"]:
            assert 0 <= row["rejected %"] + row["outside %"] <= row["stopped %"] <= 100
            unanswered = row["rejected %"] + row["outside %"]
            assert row["answered %"] + unanswered == pytest.approx(100)
    for change in ("inverted", "turned by 90 degrees", "turned by 180 degrees"):
        changed = shown[f"test radiographs, {change}"]
        assert changed["stopped %"] >= shown["test radiographs"]["stopped %"]
    children, adults = others[:2], others[2:]
    assert [row["images"] for row in children] == ["children, validation", "children, test"]
    names = ["adults, training", "adults, other findings", "adults of other sources"]
    assert [row["images"] for row in adults] == (names if DATA.exists() else [])


def test_an_age_makes_adults_outside_of_the_childrens_bundle(shared_data: Path) -> None:
    folder = shared_data / "nih_mixed"
    ages = read_ages(folder / "labels.csv")
    assert sum(age < 18 for age in ages.values()) == 19
    files = [folder / "images" / name for name in list(ages)[:4]]
    reader = open_reader("default")
    for reading, file in zip(reader.read_many(_with_age(files, ages)), files, strict=True):
        assert reading.status is Status.OUTSIDE
        assert f"{ages[file.name]:.0f} years" in reading.reasons[0]
        assert _first_code(reading) == "age"
