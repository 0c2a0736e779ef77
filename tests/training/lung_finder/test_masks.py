"""Tables of lung masks: what is read, and what is refused with which remedy."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumoscope.dataset import Split
from pneumoscope.support.errors import DatasetError, TableError
from pneumoscope.training.lung_finder.masks import load_masks, read_mask_table


def write_picture(path: Path, lungs: str, size: tuple[int, int] = (120, 100)) -> None:
    """Draw boxes for the lungs that are named: l and r, on a picture of a size."""
    pixels = np.zeros(size[::-1], np.uint8)
    width = size[0]
    if "l" in lungs:
        pixels[20:80, width // 8 : width * 3 // 8] = 255
    if "r" in lungs:
        pixels[20:80, width * 5 // 8 : width * 7 // 8] = 255
    Image.fromarray(pixels).save(path)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        write_picture(tmp_path / f"{name}.png", "lr")
        write_picture(tmp_path / f"{name}_mask.png", "lr")
    path = tmp_path / "masks.csv"
    path.write_text("file,mask,patient,split\na.png,a_mask.png,1,train\nb.png,b_mask.png,,test\n")
    return path


def test_rows_and_lungs_are_read(table: Path) -> None:
    images = read_mask_table(table)
    assert [image.split for image in images] == [Split.TRAIN, Split.TEST]
    assert [image.patient for image in images] == ["1", str(table.parent / "b.png")]
    masks = load_masks(images, "Reading")
    assert masks.pixels.shape == (2, 128, 128)
    left, right = (np.flatnonzero(lung.any(0)) / 128 for lung in masks.lungs[0])
    assert (left[0], left[-1]) == pytest.approx((1 / 8, 3 / 8), abs=0.02)
    assert (right[0], right[-1]) == pytest.approx((5 / 8, 7 / 8), abs=0.02)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda folder: (folder / "a.png").unlink(),
            r"masks.csv, line 2: there is no file .*a.png",
        ),
        (lambda folder: (folder / "b_mask.png").unlink(), r"line 3: there is no file .*b_mask.png"),
        (
            lambda folder: write_picture(folder / "a_mask.png", "lr", (60, 50)),
            r"a_mask.png has 60 x 50 pixels, and its radiograph 120 x 100; draw the mask on",
        ),
        (
            lambda folder: write_picture(folder / "a_mask.png", ""),
            r"line 2: .*a_mask.png: the mask is empty; draw both lungs in white",
        ),
        (
            lambda folder: write_picture(folder / "a_mask.png", "l"),
            r"a_mask.png: the mask shows one area, and two lungs are needed",
        ),
        (
            lambda folder: (folder / "a_mask.png").write_text("no picture"),
            r"line 2: the mask .*a_mask.png is no picture .*name a PNG",
        ),
        (
            lambda folder: (folder / "masks.csv").write_text(
                "file,mask\na.png,a_mask.png\na.png,b_mask.png\n"
            ),
            r"masks.csv: .*line 3: a.png is on line 2 already",
        ),
        (
            lambda folder: (folder / "masks.csv").write_text(
                "file,mask,split\na.png,a_mask.png,trial\n"
            ),
            r"line 2: the split 'trial' is none of train, validation and test",
        ),
    ],
    ids=["no image", "no mask", "other size", "empty", "one lung", "no picture", "twice", "split"],
)
def test_a_table_that_cannot_be_used_is_refused_with_the_remedy(
    table: Path, spoil: Callable[[Path], object], message: str
) -> None:
    spoil(table.parent)
    with pytest.raises((DatasetError, TableError), match=message):
        load_masks(read_mask_table(table), "Reading")
