"""Original radiographs and their squeezed copies: the same lungs, nearly the same square."""

from pathlib import Path

import numpy as np

from pneumoscope.lungs import Framing, Preparation
from pneumoscope.lungs.overlap import dice
from pneumoscope.radiograph import Resampling, read_radiograph


def test_an_original_and_its_squeezed_copy_give_the_same_lungs(shared_data: Path) -> None:
    preparation = Preparation(192, Resampling.BILINEAR, Framing.LUNGS)
    originals = sorted((shared_data / "chest_xray_original_size").rglob("*.jpeg"))[::6]
    copies = {path.name: path for path in (shared_data / "chest_xray").rglob("*.jpeg")}
    assert len(originals) == 8
    for original in originals:
        radiographs = [
            read_radiograph(path, preparation.min_side)
            for path in (original, copies[original.name])
        ]
        assert radiographs[0].width / radiographs[0].height > 1.05  # the copy is square
        fields = [preparation.lung_finder.find(radiograph.pixels) for radiograph in radiographs]
        assert dice(fields[0].mask, fields[1].mask) > 0.99
        squares = [
            preparation.square(radiograph.pixels, field).astype(int)
            for radiograph, field in zip(radiographs, fields, strict=True)
        ]
        assert np.corrcoef(*map(np.ravel, squares))[0, 1] > 0.92
