import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from pneumoscope.radiograph import Radiograph, read_radiograph
from pneumoscope.reader import Finding, Reader, Status
from pneumoscope.reader.overlay import draw_highlights, draw_overlay, draw_reading

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def picture(heatmap: list[list[float]] | None, height: int = 240, width: int = 320) -> Image.Image:
    radiograph = Radiograph(np.full((height, width), 0.5, np.float32), "")
    values = None if heatmap is None else np.array(heatmap, np.float32)
    return Image.open(io.BytesIO(draw_overlay(radiograph, values)))


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


def test_the_scale_is_the_same_for_every_image() -> None:
    """A weak place has the same colour beside a strong one as alone."""
    uniform = np.zeros((8, 8), np.float32)
    weak, both = uniform.copy(), uniform.copy()
    weak[1:3, 1:3] = both[1:3, 1:3] = 4 / 64
    both[5:7, 5:7] = 16 / 64
    alone, beside = picture(weak.tolist()), picture(both.tolist())
    place = (int(0.25 * 320), int(0.25 * 240))
    assert alone.getpixel(place) == beside.getpixel(place)
    assert colour(beside, 0.75, 0.75) > colour(beside, 0.25, 0.25) > 0


def test_a_picture_without_highlights_stays_grey() -> None:
    for heatmap in ([[0.01, 0.0], [-1.0, 0.02]], None):
        image = np.asarray(picture(heatmap)).astype(int)
        assert (image.max(2) == image.min(2)).all()
    assert draw_highlights(np.float32([[0.01, 0.0], [-1.0, 0.02]])) is None


@pytest.mark.parametrize(("height", "width"), [(96, 96), (768, 500)])
def test_any_size_is_drawn(height: int, width: int) -> None:
    assert picture([[0, 3], [0, 0]], height, width).size == (width, height)


def test_a_large_radiograph_is_drawn_smaller_in_its_proportions() -> None:
    assert picture([[0, 3], [0, 0]], 1536, 2048).size == (768, 576)


def test_only_suspected_pneumonia_is_coloured_and_the_caption_covers_nothing(
    reader: Reader, radiographs: Callable
) -> None:
    path = radiographs(1)[0]
    radiograph = read_radiograph(path)
    heatmap = np.full((4, 4), 1.0, np.float32)
    reading = replace(reader.read(path), status=Status.READ, probability=0.9, heatmap=heatmap)
    suspected, cleared = (
        Image.open(io.BytesIO(draw_reading(radiograph, of_finding, "screening", "a.png", NOW)))
        for finding in (Finding.SUSPECTED, Finding.NO_SIGN)
        for of_finding in [replace(reading, findings={"screening": finding})]
    )
    whole = np.asarray(cleared).astype(int)
    grey = np.rint(radiograph.pixels * 255)
    assert np.abs(whole[: radiograph.height, :, 0] - grey).max() <= 1
    assert (whole.max(2) == whole.min(2)).all()
    assert whole[radiograph.height :].max() > 200  # the caption
    assert colour(suspected, 0.5, 0.2) > 50


def test_a_flagged_reading_is_marked(reader: Reader, radiographs: Callable) -> None:
    path = radiographs(1)[0]
    reading = replace(reader.read(path), reasons=())
    flagged = replace(reading, status=Status.FLAGGED, reasons=("far away",))
    first, second = (
        draw_reading(read_radiograph(path), labelled, "screening", "a.png", NOW)
        for labelled in (reading, flagged)
    )
    assert first != second
