"""Training a lung finder on drawn chests, and the one that comes with the package."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.lung_masks_data import draw_masks
from pneumoscope.export.lung_finder import mean_dice
from pneumoscope.lungs import LungFinder, load_lung_finder
from pneumoscope.radiograph import read_radiograph
from pneumoscope.support.errors import BundleError
from pneumoscope.training.lung_finder.masks import load_masks, read_mask_table

from ..conftest import Outcome


def test_a_trained_lung_finder_is_written_and_finds_lungs(
    pneumoscope: Callable[..., Outcome], tmp_path: Path
) -> None:
    table, _ = draw_masks(tmp_path, count=32)
    out = tmp_path / "finder.onnx"
    outcome = pneumoscope("lungs", "train", table, "--out", out, "--epochs", 10)
    assert outcome.code == 0, outcome.err
    finder = LungFinder(out.read_bytes())
    validation = [row for row in read_mask_table(table) if row.split == "validation"]
    overlap = mean_dice(finder, load_masks(validation, "Reading"))
    assert overlap > 0.7
    assert f"Dice on validation: {overlap:.3f}" in outcome.out
    again = pneumoscope("lungs", "train", table, "--out", out)
    assert again.code == 1
    assert f"{out}: exists already; name another file with --out" in again.err


def test_a_damaged_lung_finder_is_refused() -> None:
    with pytest.raises(BundleError, match="the lung finder is damaged"):
        LungFinder(b"no graph")


def test_the_shipped_lung_finder_finds_childrens_and_adults_lungs(shared_data: Path) -> None:
    """The masks are drawn by others; the images of the test split measure, nothing is chosen."""
    finder = load_lung_finder()
    for folder, pattern in (("chest_xray/test/PNEUMONIA", "*.jpeg"), ("nih_mixed/images", "*")):
        fields = [
            finder.find(read_radiograph(path).pixels)
            for path in sorted((shared_data / folder).glob(pattern))[:12]
        ]
        assert all(field.found for field in fields)
        assert all(abs(field.orientation or 0) < 20 for field in fields)


def test_what_is_no_chest_has_no_lungs() -> None:
    rng = np.random.default_rng(0)
    finder = load_lung_finder()
    for pixels in (np.zeros((200, 200)), np.full((200, 200), 0.5), rng.random((200, 200))):
        assert not finder.find(pixels.astype(np.float32)).found
