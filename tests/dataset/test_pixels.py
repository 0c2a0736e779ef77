import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumoscope.dataset import Entry, Label, load_pixels
from pneumoscope.errors import DatasetError, UnreadableRadiographError


def write_images(root: Path, count: int = 7) -> list[Entry]:
    entries = []
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (20 + number, 30), dtype=np.uint8)
        path = root / f"{number}.png"
        Image.fromarray(pixels).save(path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        entries.append(Entry(path.name, Label.NORMAL, sha256=sha256))
    return entries


def test_pixels_come_in_the_order_that_is_asked_for(tmp_path: Path) -> None:
    entries = write_images(tmp_path)[::-1]
    pixels = load_pixels(tmp_path, entries, 25)
    assert pixels.shape == (7, 25, 25)
    assert pixels.dtype == np.uint8
    for prepared, entry in zip(pixels, entries, strict=True):
        nearest = Image.open(tmp_path / entry.path).resize((25, 25), Image.Resampling.NEAREST)
        np.testing.assert_array_equal(prepared, np.asarray(nearest))


def test_no_images_are_no_pixels(tmp_path: Path) -> None:
    assert load_pixels(tmp_path, [], 25).shape == (0, 25, 25)


def test_a_file_that_changed_since_is_refused(tmp_path: Path) -> None:
    entries = write_images(tmp_path)
    Image.open(tmp_path / "3.png").rotate(180).save(tmp_path / "3.png")
    with pytest.raises(DatasetError) as caught:
        load_pixels(tmp_path, entries, 25)
    assert str(caught.value).startswith(f"{tmp_path / '3.png'}: changed since the manifest")
    assert "pneumoscope data manifest" in str(caught.value)


def test_a_file_that_went_or_broke_since_is_refused(tmp_path: Path) -> None:
    entries = write_images(tmp_path)
    (tmp_path / "5.png").write_bytes((tmp_path / "5.png").read_bytes()[:100])
    with pytest.raises(UnreadableRadiographError, match=r"5\.png: the image is damaged"):
        load_pixels(tmp_path, entries, 25)
    (tmp_path / "5.png").unlink()
    with pytest.raises(UnreadableRadiographError, match=r"5\.png: there is no such file"):
        load_pixels(tmp_path, entries, 25)
