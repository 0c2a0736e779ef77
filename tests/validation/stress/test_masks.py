"""Masks of the lungs, the border and the corners."""

import numpy as np
import pytest

from pneumoscope.lungs import LungField
from pneumoscope.validation.stress.masks import border, corners, widened_lungs


@pytest.mark.parametrize("shape", [(224, 224), (448, 336), (1000, 1400)])
def test_lungs_are_widened_by_the_same_share_at_every_size(shape: tuple[int, int]) -> None:
    lungs = np.zeros((2, 128, 128), np.bool_)
    lungs[0, 32:96, 16:48] = lungs[1, 32:96, 80:112] = True
    field = LungField(lungs, confidence=1, min_confidence=0.5)
    mask = widened_lungs(field, shape)
    assert mask.shape == shape
    assert mask[field.mask_at(shape[1], shape[0])].all()
    rows = np.flatnonzero(mask.any(1)) / shape[0]
    assert rows[0] == pytest.approx(0.25 - 4 / 224, abs=0.004)
    assert rows[-1] + 1 / shape[0] == pytest.approx(0.75 + 4 / 224, abs=0.004)


def test_border_and_corners_are_shares_of_the_sides() -> None:
    edge = border((160, 80))
    assert edge.mean() == pytest.approx(1 - 0.75**2)
    assert not edge[20:140, 10:70].any()
    marked = corners((100, 50))
    assert marked.mean() == pytest.approx(4 * 0.2**2)
    for turned in (marked[::-1], marked[:, ::-1]):
        np.testing.assert_array_equal(turned, marked)
