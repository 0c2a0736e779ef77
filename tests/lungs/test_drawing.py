"""Pictures of the lungs that are found, at the terminal."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from pneumoscope.lungs import LungField
from pneumoscope.lungs.drawing import draw_lungs

from ..conftest import Outcome


def test_outlines_follow_the_lungs_and_the_box_encloses_them() -> None:
    lungs = np.zeros((2, 64, 64), np.bool_)
    lungs[0, 16:48, 8:24] = lungs[1, 16:48, 40:56] = True
    for min_confidence, box_colour in ((0.5, (255, 255, 255)), (0.99, (213, 94, 0))):
        png = draw_lungs(np.zeros((256, 256), np.float32), LungField(lungs, 0.9, min_confidence))
        picture = np.asarray(Image.open(io.BytesIO(png)))
        coloured = picture.any(2)
        assert not coloured[100:150, 40:90].any()  # within a lung
        assert coloured[60:68, 32:96].any(0).mean() > 0.8  # its upper edge
        edges = np.argwhere((picture == box_colour).all(2))
        assert edges.min(0).tolist() == [57, 22]  # 5 % of the box beyond rows 64, columns 32
        assert edges.max(0).tolist() == [197, 232]


def test_lungs_draw_writes_a_picture_of_each_radiograph(
    pneumoscope: Callable[..., Outcome], phantom_dataset: Path, tmp_path: Path
) -> None:
    image = next((phantom_dataset / "test" / "NORMAL").glob("*.png"))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    outcome = pneumoscope("lungs", "draw", image, broken, "--out", tmp_path / "pictures")
    assert outcome.code == 0
    assert f"{image}: lungs found, confidence 0.9" in outcome.out
    assert "broken.png" in outcome.err
    (picture,) = (tmp_path / "pictures").iterdir()
    assert Image.open(picture).size == (128, 128)
