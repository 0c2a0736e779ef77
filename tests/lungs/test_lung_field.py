"""Lung fields: boxes, tilt, specks, and when lungs count as found."""

import numpy as np
import pytest
from PIL import Image

from pneumoscope.lungs import Box
from pneumoscope.lungs.heatmap import place_heatmap
from pneumoscope.lungs.lung_finder import lung_field
from pneumoscope.lungs.overlap import box_iou, dice


def two_lungs(side: int = 64) -> np.ndarray:
    lungs = np.zeros((2, side, side), np.float32)
    lungs[0, 16:48, 8:24] = lungs[1, 16:48, 40:56] = 0.98
    return lungs


def test_a_speck_far_from_its_lung_does_not_move_the_box() -> None:
    probabilities = two_lungs()
    clean = lung_field(probabilities, 0.5)
    probabilities[0, 60, 2] = probabilities[1, 2, 62] = 0.9
    assert lung_field(probabilities, 0.5).box == clean.box == Box(0.125, 0.25, 0.875, 0.75)


@pytest.mark.parametrize("lost", [0, 1])
def test_a_missing_lung_is_not_found(lost: int) -> None:
    probabilities = two_lungs()
    assert lung_field(probabilities, 0.5).found
    probabilities[lost] = 0
    field = lung_field(probabilities, 0.5)
    assert not field.found
    assert field.orientation is None


def test_confidence_falls_with_doubt() -> None:
    sure, doubtful = two_lungs(), two_lungs()
    doubtful[1] *= 0.6
    doubtful[1, 48:56, 40:56] = 0.45
    assert lung_field(sure, 0.9).found
    assert not lung_field(doubtful, 0.9).found
    assert lung_field(doubtful, 0.9).confidence < 0.75 < lung_field(sure, 0.9).confidence


def test_orientation_is_the_angle_by_which_the_chest_is_turned() -> None:
    picture = [Image.fromarray(lung) for lung in two_lungs(128)]
    turned = np.stack([np.asarray(lung.rotate(-10)) for lung in picture])  # clockwise
    angle = lung_field(turned, 0.5).orientation
    assert angle == pytest.approx(10, abs=1)


def test_an_empty_field_has_the_box_of_the_whole_image() -> None:
    field = lung_field(np.zeros((2, 32, 32), np.float32), 0.5)
    assert (field.box, field.confidence, field.found) == (Box(0, 0, 1, 1), 0.0, False)


def test_overlaps_are_those_of_their_definitions() -> None:
    first, second = np.zeros((10, 10), np.bool_), np.zeros((10, 10), np.bool_)
    first[:6], second[3:] = True, True  # 60 and 70 places, 30 of them common
    assert dice(first, second) == pytest.approx(60 / 130)
    boxes = Box(0, 0, 1, 0.6), Box(0, 0.3, 1, 1)
    assert box_iou(*boxes) == pytest.approx(0.3)
    assert box_iou(Box(0, 0, 0.2, 0.2), Box(0.5, 0.5, 1, 1)) == 0


def test_the_hottest_place_of_a_square_is_the_hottest_of_the_radiograph() -> None:
    field = lung_field(two_lungs(), 0.5)
    heatmap = np.zeros((6, 6), np.float32)
    heatmap[4, 5] = 1  # low in the lung on the image's right
    placed = place_heatmap(heatmap, field)
    row, column = np.unravel_index(placed.argmax(), placed.shape)
    box = field.box
    assert row / 64 == pytest.approx(box.top + 4.5 / 6 * box.height, abs=0.06)
    assert column / 64 == pytest.approx(box.left + 5.5 / 6 * box.width, abs=0.06)
    assert not placed[~field.mask_at(64, 64)].any()
