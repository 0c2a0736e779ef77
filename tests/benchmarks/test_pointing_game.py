"""The benchmark of heat maps beside radiologists' boxes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.adults_data import Adult
from benchmarks.pointing_game import (
    SIDE,
    BoxedImage,
    Pointing,
    draw_boxes,
    point,
    pointing_row,
    read_heatmap,
)
from pneumoscope.lungs import Box
from pneumoscope.radiograph import read_radiograph
from pneumoscope.reader import Reader

BOX = Box(0.5, 0.5, 0.75, 0.625)
"""In the image of 1,024 pixels: 512 512 256 128."""


def test_a_box_covers_its_places_of_the_grid() -> None:
    mask = draw_boxes([BOX])
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max() + 1) == (128, 160)
    assert (columns.min(), columns.max() + 1) == (128, 192)
    assert mask.sum() == 32 * 64
    both = draw_boxes([BOX, Box(0.5, 0.5, 0.625, 1)])
    assert both.sum() == 32 * 64 + 32 * 96


def heat_of(places: dict[tuple[int, int], float]) -> np.ndarray:
    """Return a heat map of the grid's size: log-odds that the whole image would have."""
    heat = np.zeros((SIDE, SIDE), np.float32)
    for place, log_odds in places.items():
        heat[place] = log_odds / heat.size
    return heat


def test_a_worked_example() -> None:
    boxes = draw_boxes([BOX])
    # In the box 3 and 1 of 8; of the places above a quarter of the highest, one of two.
    heat = heat_of({(130, 130): 3, (140, 190): 1, (10, 10): 4, (20, 20): -9})
    pointing = point(heat, boxes)
    assert pointing.hottest == (10, 10)
    assert pointing.heat_in_boxes == pytest.approx(4 / 8)
    assert pointing.highlighted_in_boxes == pytest.approx(2 / 3)
    lungs = np.zeros_like(boxes)
    lungs[100:200, 100:200] = True
    confined = point(heat, boxes, lungs)
    assert confined == Pointing((130, 130), 1.0, 1.0)
    faint = point(heat / 5, boxes)
    assert faint.highlighted_in_boxes is None
    assert faint.heat_in_boxes == pytest.approx(4 / 8)
    assert point(-heat - 1, boxes, lungs).heat_in_boxes == 0


def test_a_coarse_heat_map_points_into_its_hottest_place() -> None:
    heat = np.zeros((6, 6), np.float32)
    heat[3, 4] = 0.2
    row, column = point(heat, draw_boxes([BOX])).hottest
    # Centre of the fourth row and fifth column of six, on 256 places.
    assert row == pytest.approx(3.5 / 6 * 256, abs=1)
    assert column == pytest.approx(4.5 / 6 * 256, abs=1)


def test_hits_chance_and_the_other_patients() -> None:
    """Opacities of the left and of the right half; a lower quarter; both lungs are all rows."""
    halves = Box(0, 0, 0.5, 1), Box(0.5, 0, 1, 1), Box(0, 0.75, 1, 1)
    lungs = np.ones((SIDE, SIDE), np.bool_)
    images = [
        BoxedImage(
            Adult(f"{n}.jpg", "nih_mixed", str(n), "PA", ("Pneumonia",)),
            np.zeros((8, 8), np.float32),
            draw_boxes([half]),
            lungs,
        )
        for n, half in enumerate(halves)
    ]
    pointings = [
        Pointing((5, 5), 0.2, 0.9),  # left: in its box
        Pointing((5, 9), 0.4, None),  # left: not in the right half, but in the first's box
        Pointing((250, 250), 0.6, 0.3),  # below: in its box, and in the second's
    ]
    row = pointing_row("bundle", "as shown", images, pointings)
    values = {name: str(value).split()[0] for name, value in row.items()}
    assert values["hottest point in a box"] == f"{2 / 3:.3f}"
    assert values["chance"] == f"{(0.5 + 0.5 + 0.25) / 3:.3f}"
    assert values["above chance"] == f"{2 / 3 - 1.25 / 3:.3f}"
    # One of the two other points is left, one is right, and none is below.
    assert values["other patients"] == f"{(0.5 + 0.5 + 0) / 3:.3f}"
    assert values["heat in boxes"] == "0.400"
    assert (row["highlighted"], values["highlighted area in boxes"]) == (2, "0.600")


def test_heat_maps_are_those_of_readings(
    reader: Reader, radiographs: Callable[[int], list[Path]]
) -> None:
    for file in radiographs(3):
        reading = reader.read(file)
        assert reading.heatmap is not None
        shown = read_heatmap(reader, read_radiograph(file).pixels)
        np.testing.assert_allclose(shown, reading.heatmap, atol=1e-6)


def test_heat_maps_of_whole_images_are_confined_beside(
    run_benchmark: Callable, shared_data: Path, exported: Path
) -> None:
    words = ("--data", shared_data, "--bundle", "default", "--bundle", exported)
    (rows,) = run_benchmark("pointing_game", *words).values()
    assert [row["heat map"] for row in rows] == ["as shown", "as shown", "confined to the lungs"]
    assert all(row["images"] == 5 for row in rows)
    assert len({row["chance"] for row in rows}) == 1
