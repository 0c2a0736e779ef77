import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumoscope.dataset import Entry, Label, Manifest, open_pixels
from pneumoscope.dataset.manifest import Split, SplitBy
from pneumoscope.lungs import Preparation
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.errors import DatasetError, UnreadableRadiographError


def manifest_of(root: Path, entries: list[Entry]) -> Manifest:
    return Manifest(root, tuple(entries), SplitBy.PATIENT, seed=0)


def write_images(root: Path, count: int = 7) -> list[Entry]:
    entries = []
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (20 + number, 30), dtype=np.uint8)
        path = root / f"{number}.png"
        Image.fromarray(pixels).save(path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        entries.append(Entry(path.name, Label.NORMAL, sha256=sha256, split=Split.TRAIN))
    return entries


@pytest.fixture
def cache(tmp_path: Path) -> ArrayCache:
    return ArrayCache(tmp_path / "cache")


def test_pixels_are_in_the_order_of_the_manifest(tmp_path: Path, cache: ArrayCache) -> None:
    entries = write_images(tmp_path)[::-1]
    set_aside = Entry("absent.png", Label.NORMAL, set_aside="the file is empty")
    pixels = open_pixels(
        manifest_of(tmp_path, [*entries[:3], set_aside, *entries[3:]]), Preparation(25), cache
    )
    assert pixels.shape == (7, 25, 25)
    assert pixels.dtype == np.uint8
    for prepared, entry in zip(pixels, entries, strict=True):
        nearest = Image.open(tmp_path / entry.path).resize((25, 25), Image.Resampling.NEAREST)
        np.testing.assert_array_equal(prepared, np.asarray(nearest))


def test_images_are_decoded_once_per_size_and_manifest(
    tmp_path: Path, cache: ArrayCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = write_images(tmp_path)
    for manifest in (manifest_of(tmp_path, entries), manifest_of(tmp_path, entries[:5])):
        for size in (25, 30):
            assert open_pixels(manifest, Preparation(size), cache).shape == (
                len(manifest.entries),
                size,
                size,
            )
    assert len(cache.entries()) == 4
    for entry in entries:
        (tmp_path / entry.path).unlink()
    again = ArrayCache(cache.folder)  # as another process opens it
    assert open_pixels(manifest_of(tmp_path, entries), Preparation(30), again)[6].any()
    monkeypatch.setattr("pneumoscope.radiograph.preprocess.PIXELS_VERSION", 99)
    with pytest.raises(UnreadableRadiographError):  # other preprocessing, other pixels
        open_pixels(manifest_of(tmp_path, entries), Preparation(30), again)


def test_a_large_jpeg_is_prepared_from_a_smaller_one(tmp_path: Path, cache: ArrayCache) -> None:
    """On a chequerboard every pixel is black or white, and every mean of a block grey."""
    board = np.indices((400, 400)).sum(0) % 2 * np.uint8(255)
    Image.fromarray(board.astype(np.uint8)).save(tmp_path / "a.jpeg", quality=95)
    sha256 = hashlib.sha256((tmp_path / "a.jpeg").read_bytes()).hexdigest()
    entry = Entry("a.jpeg", Label.NORMAL, sha256=sha256, split=Split.TRAIN)
    for size, smaller in ((50, True), (101, False)):
        pixels = open_pixels(manifest_of(tmp_path, [entry]), Preparation(size), cache)[0].astype(
            int
        )
        assert (abs(pixels - 128) < 10).all() == smaller
        assert (abs(pixels - 128) > 100).all() != smaller


def test_a_changed_file_is_refused(tmp_path: Path, cache: ArrayCache) -> None:
    entries = write_images(tmp_path)
    Image.open(tmp_path / "3.png").rotate(180).save(tmp_path / "3.png")
    with pytest.raises(DatasetError) as caught:
        open_pixels(manifest_of(tmp_path, entries), Preparation(25), cache)
    assert str(caught.value).startswith(f"{tmp_path / '3.png'}: changed since the manifest")
    assert "pneumoscope data manifest" in str(caught.value)
    assert cache.entries() == []


def test_a_removed_or_damaged_file_is_refused(tmp_path: Path, cache: ArrayCache) -> None:
    manifest = manifest_of(tmp_path, write_images(tmp_path))
    (tmp_path / "5.png").write_bytes((tmp_path / "5.png").read_bytes()[:100])
    with pytest.raises(UnreadableRadiographError, match=r"5\.png: the image is damaged"):
        open_pixels(manifest, Preparation(25), cache)
    (tmp_path / "5.png").unlink()
    with pytest.raises(UnreadableRadiographError, match=r"5\.png: there is no such file"):
        open_pixels(manifest, Preparation(25), cache)


def test_a_manifest_in_another_order_has_its_own_rows(tmp_path: Path, cache: ArrayCache) -> None:
    """The fingerprint does not depend on the order of rows, for example of a sorted table."""
    entries = write_images(tmp_path)
    forth, back = (manifest_of(tmp_path, order) for order in (entries, entries[::-1]))
    assert forth.fingerprint == back.fingerprint
    np.testing.assert_array_equal(
        open_pixels(back, Preparation(25), cache), open_pixels(forth, Preparation(25), cache)[::-1]
    )


def test_an_image_set_aside_by_hand_shifts_no_row(tmp_path: Path, cache: ArrayCache) -> None:
    entries = write_images(tmp_path)
    by_hand = replace(entries[2], set_aside="blurred")  # its split is still there
    manifest = manifest_of(tmp_path, [*entries[:2], by_hand, *entries[3:]])
    assert manifest.of(Split.TRAIN) == manifest.in_use
    assert manifest.counts()[Split.TRAIN][Label.NORMAL] == 6
    assert len(open_pixels(manifest, Preparation(25), cache)) == 6
