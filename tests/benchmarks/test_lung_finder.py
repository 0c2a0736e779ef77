"""The benchmark of the lung finder, on drawn chests."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.lung_finder import measure, overlap_row
from benchmarks.lung_masks_data import draw_masks
from pneumoscope.lungs import LungField
from pneumoscope.training.lung_finder.masks import load_masks, read_mask_table


class HalfFinder:
    """Finds the upper halves of lungs that it knows."""

    def __init__(self, lungs: np.ndarray) -> None:
        self.lungs = list(lungs)

    def find(self, _: np.ndarray) -> LungField:
        lungs = self.lungs.pop(0).copy()
        rows = np.flatnonzero(lungs.any((0, 2)))
        lungs[:, (rows[0] + rows[-1] + 1) // 2 :] = False
        return LungField(lungs, confidence=0.95, min_confidence=0.9)


def test_half_a_lung_has_a_dice_of_two_thirds_and_a_box_iou_of_a_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "benchmarks.lung_finder.map_parallel", lambda f, rows, _: list(map(f, rows))
    )
    table, _ = draw_masks(tmp_path, count=2)
    masks = load_masks(read_mask_table(table), "Reading")
    row = overlap_row("drawn", measure(HalfFinder(masks.lungs), masks))
    assert float(row["Dice"].split()[0]) == pytest.approx(2 / 3, abs=0.02)
    assert float(row["box IoU"]) == pytest.approx(0.5, abs=0.03)
    assert row["found"].startswith("1.000")
    assert row["n"] == len(masks) == 12


@pytest.mark.thorough
def test_the_smallest_version_measures_each_class_and_adults_in_folds(
    run_benchmark: Callable,
) -> None:
    tables = run_benchmark("lung_finder")
    rows = tables["Overlap with drawn masks"]
    assert [row["images"] for row in rows] == [
        "validation, NORMAL",
        "validation, PNEUMONIA",
        "test, NORMAL",
        "test, PNEUMONIA",
        "adults, 2 folds by patient",
    ]
    assert tables["Time"][0]["ms of one image, one core"] > 0
