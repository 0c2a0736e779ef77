"""The decoding benchmark, on drawn pictures."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

WIDTH, HEIGHT = 1600, 1300


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw two smooth pictures, large enough to be decoded at a reduced scale."""
    folder = tmp_path_factory.mktemp("pictures")
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    for number in range(2):
        pixels = 128 + 100 * np.sin(rows / 90 + number) * np.cos(columns / 110)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.jpeg", quality=95)
    (folder / "notes.txt").write_text("not a picture")
    return folder


def test_every_decoder_is_timed_and_compared(run_benchmark: Callable, pictures: Path) -> None:
    tables = run_benchmark("decode", pictures)
    (rows,) = tables.values()
    megapixels = 2 * WIDTH * HEIGHT / 1e6
    assert list(tables) == [f"2 images, {megapixels:.1f} megapixels, 1 rounds"]
    assert {row["decoder"] for row in rows} == {
        *("plain Pillow", "ours, in full", "ours, reduced scale")
    }
    errors = {row["decoder"]: row["mean absolute error"] for row in rows}
    assert errors["plain Pillow"] == errors["ours, in full"] == 0
    assert 0 < errors["ours, reduced scale"] < 3
    plain = rows[0]
    assert (plain["decoder"], plain["threads"]) == ("plain Pillow", 1)
    for row in rows:  # of one round, the ratio is that of the rates
        ratio = row["megapixels/s"] / plain["megapixels/s"]
        assert row["times plain Pillow"] == pytest.approx(ratio)
