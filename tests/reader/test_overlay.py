import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pneumoscope.radiograph import Radiograph, read_radiograph
from pneumoscope.reader import Reader, Reading, Status
from pneumoscope.reader.overlay import draw_overlay


def picture(heatmap: list[list[float]], height: int = 240, width: int = 320) -> Image.Image:
    radiograph = Radiograph(np.full((height, width), 0.5, np.float32), "")
    reading = Reading(Status.READ, "b", probability=0.9, heatmap=np.array(heatmap, np.float32))
    return Image.open(io.BytesIO(draw_overlay(radiograph, reading)))


def colour(image: Image.Image, x: float, y: float) -> int:
    """Return the largest difference between the channels at a place."""
    pixel = image.getpixel((int(x * image.width), int(y * image.height)))
    return max(pixel) - min(pixel)


def test_the_place_that_adds_most_is_coloured() -> None:
    image = picture([[0, 0, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0], [-3, 0, 0, 0]])
    assert image.size == (320, 240)
    assert colour(image, 0.62, 0.38) > 50
    assert colour(image, 0.1, 0.5) == 0
    assert colour(image, 0.12, 0.7) == 0  # a place that lowers the log-odds stays grey


def test_a_picture_without_highlights_stays_grey_and_says_so() -> None:
    image = np.asarray(picture([[0.01, 0.0], [-1.0, 0.02]])).astype(int)
    assert (image.max(2) == image.min(2)).all()
    bottom = image[-30:, :160, 0]
    assert bottom.max() > 230  # the label


@pytest.mark.parametrize(("height", "width"), [(96, 96), (768, 500)])
def test_any_size_is_drawn(height: int, width: int) -> None:
    assert picture([[0, 3], [0, 0]], height, width).size == (width, height)


def test_a_large_radiograph_is_drawn_smaller_in_its_proportions() -> None:
    assert picture([[0, 3], [0, 0]], 1536, 2048).size == (768, 576)


def test_a_flagged_reading_is_marked(reader: Reader, radiographs: Callable) -> None:
    path = radiographs(1)[0]
    reading = replace(reader.read(path), reasons=())
    flagged = replace(reading, status=Status.FLAGGED, reasons=("far away",))
    first, second = (
        draw_overlay(read_radiograph(path), labelled) for labelled in (reading, flagged)
    )
    assert first != second
