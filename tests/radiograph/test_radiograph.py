import dataclasses

import numpy as np
import pytest

from pneumoscope.radiograph import Radiograph


def test_the_pixel_hash_is_of_size_and_pixels_alone() -> None:
    pixels = np.arange(6, dtype=np.float32).reshape(2, 3)
    reference = Radiograph(pixels, sha256="a").pixel_hash()
    assert Radiograph(pixels.copy(), sha256="b", patient="p").pixel_hash() == reference
    assert Radiograph(np.asfortranarray(pixels), sha256="a").pixel_hash() == reference
    assert Radiograph(pixels.reshape(3, 2), sha256="a").pixel_hash() != reference
    changed = pixels.copy()
    changed[1, 2] = np.nextafter(changed[1, 2], np.float32(9))
    assert Radiograph(changed, sha256="a").pixel_hash() != reference


def test_a_radiograph_is_frozen() -> None:
    radiograph = Radiograph(np.zeros((2, 3), np.float32), sha256="")
    with pytest.raises(dataclasses.FrozenInstanceError):
        radiograph.patient = "somebody"  # type: ignore[misc]
