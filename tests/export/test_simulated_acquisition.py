"""Simulated acquisitions."""

import numpy as np

from pneumoscope.export.simulated_acquisition import SIMULATIONS, simulate_acquisitions


def test_border_replacement_keeps_the_middle() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([0, 0, 1, 1], np.int8)
    pixels = rng.integers(0, 100, (4, 160, 160), np.uint8)
    pixels[labels == 1] += 100
    shifted = dict(simulate_acquisitions(pixels, labels))
    assert list(shifted) == list(SIMULATIONS)
    framed = shifted["border of the other class"]
    np.testing.assert_array_equal(framed[:, 20:-20, 20:-20], pixels[:, 20:-20, 20:-20])
    assert ((framed[:, :20] >= 100) == (labels == 0)[:, None, None]).all()
    assert all(np.any(images != pixels) for images in shifted.values())
