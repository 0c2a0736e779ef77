"""Framing: nothing but the lungs counts, whatever squeezes or exposes the picture."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from skimage.exposure import equalize_hist

from pneumoscope.lungs import Box, Framing, LungField, Preparation, frame_lungs
from pneumoscope.lungs.framing import framed_box
from pneumoscope.radiograph import Resampling

SIDE = 64


def elliptic_lungs() -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    return np.stack(
        [((rows - 32) / 20) ** 2 + ((columns - centre) / 9) ** 2 < 1 for centre in (20, 44)]
    )


@pytest.fixture
def field() -> LungField:
    return LungField(elliptic_lungs(), confidence=0.95, min_confidence=0.5)


@pytest.fixture
def chest() -> np.ndarray:
    """Draw a chest of 256 pixels: dark lungs with structure, on a brighter body."""
    noise = Image.fromarray(np.random.default_rng(0).random((32, 32)).astype(np.float32))
    structure = np.asarray(noise.resize((256, 256), Image.Resampling.BICUBIC))
    lungs = LungField(elliptic_lungs(), 1, 0).mask_at(256, 256)
    return np.where(lungs, 0.2 + 0.3 * structure, 0.6 + 0.2 * structure).astype(np.float32)


@pytest.mark.parametrize("framing", [Framing.LUNG_BOX, Framing.LUNGS])
def test_a_squeezed_picture_gives_the_square_of_its_original(
    chest: np.ndarray, field: LungField, framing: Framing
) -> None:
    picture = Image.fromarray(chest)
    wide = np.asarray(picture.resize((400, 256), Image.Resampling.BICUBIC))
    squares = [frame_lungs(pixels, field, 96, framing).astype(int) for pixels in (chest, wide)]
    assert np.abs(squares[0] - squares[1]).mean() < 1.5


@pytest.mark.parametrize("framing", [Framing.LUNG_BOX, Framing.LUNGS])
@pytest.mark.parametrize(
    ("exposure", "worst", "mean"),
    [
        (lambda greys: 0.5 * greys + 0.1, 8, 1.5),
        (lambda greys: greys / 3, 8, 2.5),
        # What is averaged at edges while resizing does not commute with gamma. Greys that are
        # standardised by mean and deviation differ by 3.5 and 1.7 in the mean.
        (np.square, 60, 2),
        (np.sqrt, 60, 1),
    ],
)
def test_gain_offset_and_gamma_of_the_greys_hardly_matter(
    chest: np.ndarray,
    field: LungField,
    framing: Framing,
    exposure: Callable,
    worst: int,
    mean: float,
) -> None:
    exposed = exposure(chest).astype(np.float32)
    squares = [frame_lungs(pixels, field, 96, framing).astype(int) for pixels in (chest, exposed)]
    assert np.abs(squares[0] - squares[1]).max() <= worst
    assert np.abs(squares[0] - squares[1]).mean() < mean
    assert np.ptp(squares[0]) > 200


def test_nothing_outside_of_the_lungs_is_shown(chest: np.ndarray, field: LungField) -> None:
    # Well beyond the widened mask, everything is painted black.
    rows, columns = np.mgrid[:256, :256] / 4
    far = np.ones((256, 256), np.bool_)
    for centre in (20, 44):
        far &= ((rows - 32) / 28) ** 2 + ((columns - centre) / 17) ** 2 > 1
    defaced = np.where(far, np.float32(0), chest)
    assert far.mean() > 0.3
    np.testing.assert_array_equal(
        frame_lungs(chest, field, 96, Framing.LUNGS), frame_lungs(defaced, field, 96, Framing.LUNGS)
    )
    with_box = [frame_lungs(pixels, field, 96, Framing.LUNG_BOX) for pixels in (chest, defaced)]
    assert np.abs(with_box[0].astype(int) - with_box[1]).max() > 50


def test_an_equal_share_of_the_lungs_has_each_grey(chest: np.ndarray, field: LungField) -> None:
    """The reference is scikit-image's histogram equalisation of the same pixels."""
    square = frame_lungs(chest, field, 96, Framing.LUNG_BOX)
    cropped = crop(chest, framed_box(field), 96)
    inside = crop(field.mask.astype(np.float32), framed_box(field), 96) >= 0.5
    shares, _ = np.histogram(square[inside], bins=8, range=(0, 256))
    assert shares / shares.sum() == pytest.approx(np.full(8, 1 / 8), abs=0.03)
    reference = equalize_hist(cropped, nbins=4096, mask=inside)[inside]
    # Two of 255 greys, by which the slope for flat lungs is limited, are 3 % of this chest's range.
    assert np.abs(square[inside] / 255 - reference).max() < 0.03


def crop(pixels: np.ndarray, box: Box, size: int) -> np.ndarray:
    """Resize a box within the image to a square."""
    height, width = pixels.shape
    edges = (box.left * width, box.top * height, box.right * width, box.bottom * height)
    picture = Image.fromarray(pixels)
    return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR, box=edges))


def test_a_box_beyond_the_image_is_filled_with_black(field: LungField) -> None:
    lungs = np.roll(field.lungs, -11, axis=2)  # the left lung touches the edge
    moved = LungField(lungs, 0.95, 0.5)
    assert framed_box(moved).left < 0
    square = frame_lungs(np.full((64, 64), 0.5, np.float32), moved, 100, Framing.LUNG_BOX)
    assert not square[:, 0].any()
    assert square[:, 50].any()


def test_an_image_of_one_grey_and_an_empty_mask_give_a_square(field: LungField) -> None:
    grey = np.full((64, 64), 0.3, np.float32)
    assert set(np.unique(frame_lungs(grey, field, 32, Framing.LUNGS))) <= {0, 128}
    faint = grey + np.random.default_rng(0).normal(0, 1e-4, grey.shape).astype(np.float32)
    shown = frame_lungs(faint, field, 32, Framing.LUNGS)
    assert np.ptp(shown[shown > 0]) < 25  # noise that no one sees is not made visible
    empty = LungField(np.zeros((2, SIDE, SIDE), np.bool_), 0.0, 0.5)
    assert frame_lungs(grey, empty, 32, Framing.LUNG_BOX).shape == (32, 32)


def test_a_large_image_shows_no_more_detail_than_its_squeezed_copy(
    chest: np.ndarray, field: LungField
) -> None:
    preparation = Preparation(32, Resampling.BILINEAR, Framing.LUNGS)
    large = np.asarray(Image.fromarray(chest).resize((1000, 900), Image.Resampling.BICUBIC))
    squeezed = preparation.squeeze(large)
    assert preparation.squeeze(squeezed) is squeezed
    np.testing.assert_array_equal(
        preparation.square(large, field), preparation.square(squeezed, field)
    )
    whole = Preparation(32, Resampling.BILINEAR)
    assert whole.squeeze(large) is large
