"""Near duplicates: found among files, kept in one split, and reported."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pneumoscope.dataset import Entry, Label, Manifest, Split, open_dataset
from pneumoscope.dataset.duplicates import (
    MAX_HASH_BITS,
    MIN_CORRELATION,
    difference_hash,
    group_duplicates,
    mark_near_duplicates,
    near_duplicates,
)
from pneumoscope.dataset.splits import deal_folds, patient_groups
from pneumoscope.radiograph import read_radiograph


@pytest.mark.parametrize("change", ["copy", "as_png", "jpeg", "half", "brighter"])
def test_copies_saved_again_are_found(radiographs: Callable, tmp_path: Path, change: str) -> None:
    paths = radiographs(8)
    picture = Image.open(paths[3]).convert("L")
    copy = tmp_path / "copy"
    match change:
        case "copy":
            copy.write_bytes(paths[3].read_bytes())
        case "as_png":
            picture.save(copy, "PNG", compress_level=9)
        case "jpeg":
            picture.save(copy, "JPEG", quality=50)
        case "half":
            picture.reduce(2).save(copy, "PNG")
        case "brighter":
            picture.point(lambda grey: round(40 + 0.8 * grey)).save(copy, "PNG")
    (duplicate,) = near_duplicates([copy], paths)
    assert (duplicate.first, duplicate.second) == (copy, paths[3])
    assert duplicate.exact == (change in ("copy", "as_png"))
    assert duplicate.bits <= MAX_HASH_BITS
    assert duplicate.correlation > MIN_CORRELATION


def test_different_images_are_no_duplicates_and_unreadable_ones_are_left_out(
    radiographs: Callable, tmp_path: Path
) -> None:
    paths = radiographs(12)
    assert near_duplicates(paths[:6], [*paths[6:], tmp_path / "gone.png"]) == ()
    assert near_duplicates(paths, []) == ()


def test_correlation_is_pearson_s(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(40, 200, (64, 64)).astype(np.uint8)
    second = (first + rng.integers(-3, 4, first.shape)).astype(np.uint8)
    for name, pixels in (("first", first), ("second", second)):
        Image.fromarray(pixels).save(tmp_path / name, "PNG")
    (duplicate,) = near_duplicates([tmp_path / "first"], [tmp_path / "second"])
    expected = np.corrcoef(first.ravel(), second.ravel())[0, 1]
    assert duplicate.correlation == pytest.approx(expected, abs=1e-5)


def test_exact_ones_come_first_then_the_most_alike(radiographs: Callable, tmp_path: Path) -> None:
    path = radiographs(1)[0]
    picture = Image.open(path).convert("L")
    copies = [tmp_path / name for name in ("poor", "good", "exact")]
    picture.save(copies[0], "JPEG", quality=20)
    picture.save(copies[1], "JPEG", quality=90)
    picture.save(copies[2], "PNG")
    duplicates = near_duplicates(copies, [path])
    assert [duplicate.first.name for duplicate in duplicates] == ["exact", "good", "poor"]


@pytest.fixture
def classes(phantom_dataset: Path, tmp_path: Path) -> Path:
    """Return class folders of 16 phantoms, three of which were saved again under other names."""
    for label in Label:
        folder = tmp_path / "classes" / label.name
        folder.mkdir(parents=True)
        for number, path in enumerate(
            sorted((phantom_dataset / "train" / label.name).iterdir())[:8]
        ):
            shutil.copy(path, folder / f"{number}.png")
        saved_again = folder / "1.png", folder / "7.png"
        Image.open(saved_again[0]).save(folder / "x.jpeg", quality=50)
        if label is Label.NORMAL:
            picture = Image.open(saved_again[1])
            picture.resize([side // 2 for side in picture.size]).save(folder / "y.png")
    return tmp_path / "classes"


ORIGINALS = {
    "NORMAL/x.jpeg": "NORMAL/1.png",
    "NORMAL/y.png": "NORMAL/7.png",
    "PNEUMONIA/x.jpeg": "PNEUMONIA/1.png",
}


@pytest.mark.parametrize("seed", range(5))
def test_near_duplicates_of_unknown_patients_are_in_one_split(classes: Path, seed: int) -> None:
    manifest = open_dataset(classes, seed=seed)
    entries = {entry.path: entry for entry in manifest.entries}
    found = {path: entry.near_duplicate_of for path, entry in entries.items()}
    assert {path: first for path, first in found.items() if first} == ORIGINALS
    for copy, original in ORIGINALS.items():
        assert entries[copy].split is entries[original].split
    for fold in deal_folds(manifest.entries, 3, seed):
        splits = {entry.path: entry.split for entry in fold}
        assert all(splits[copy] is splits[original] for copy, original in ORIGINALS.items())
    assert len(set(patient_groups(manifest.entries))) == len(manifest.entries) - len(ORIGINALS)
    groups = [[entry.path for entry in g.entries] for g in group_duplicates(manifest.entries)]
    assert sorted(groups) == sorted([first, copy] for copy, first in ORIGINALS.items())


def test_a_near_duplicate_of_a_declared_test_image_leaves_train(classes: Path) -> None:
    (classes / "train").mkdir()
    (classes / "test").mkdir()
    for label in Label:
        shutil.move(classes / label.name, classes / "train" / label.name)
        (classes / "test" / label.name).mkdir()
        for name in ("0.png", "1.png"):
            shutil.move(classes / "train" / label.name / name, classes / "test" / label.name)
    manifest = open_dataset(classes)
    assert {entry.path: entry.set_aside for entry in manifest.set_aside} == {
        f"train/{label.name}/x.jpeg": (
            f"near duplicate of test/{label.name}/1.png, which is in the test split"
        )
        for label in Label
    }
    assert len(manifest.of(Split.TEST)) == 4


def test_images_that_a_third_one_links_are_of_one_group(
    phantom_dataset: Path, tmp_path: Path
) -> None:
    """Two changed copies of an image that is listed last; they differ more from each other."""
    original = Image.open(next((phantom_dataset / "train" / "NORMAL").iterdir())).convert("L")
    gradient = np.linspace(-12, 12, original.height)[:, None]  # grey values, from top to bottom
    for name, added in (("a", gradient), ("b", -gradient)):
        pixels = np.clip(np.asarray(original, np.float64) + added, 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"{name}.png")
    original.save(tmp_path / "c.png")
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    assert near_duplicates(paths[:1], paths[1:2]) == ()
    assert len(near_duplicates(paths[2:], paths[:2])) == 2
    radiographs = [read_radiograph(path) for path in paths]
    entries = [
        Entry(path.name, Label.NORMAL, pixel_hash=radiograph.pixel_hash())
        for path, radiograph in zip(paths, radiographs, strict=True)
    ]
    hashes = np.stack([difference_hash(radiograph) for radiograph in radiographs])
    marked = mark_near_duplicates(tmp_path, entries, hashes)
    assert [entry.near_duplicate_of for entry in marked] == [None, "a.png", "a.png"]


def test_flat_images_are_no_near_duplicates(tmp_path: Path) -> None:
    paths = [tmp_path / f"{grey}.png" for grey in (100, 110, 130)]
    for grey, path in zip((100, 110, 130), paths, strict=True):
        Image.new("L", (8, 6), grey).save(path)
    assert near_duplicates(paths[:1], paths[1:]) == ()


def test_a_manifest_without_the_column_is_read(classes: Path, tmp_path: Path) -> None:
    for copy in ORIGINALS:
        (classes / copy).unlink()
    open_dataset(classes).write(tmp_path / "now.parquet")
    table = pq.read_table(tmp_path / "now.parquet").drop_columns(["near_duplicate_of"])
    pq.write_table(table, tmp_path / "before.parquet")
    read = Manifest.read(tmp_path / "before.parquet")
    assert [entry.near_duplicate_of for entry in read.entries] == [None] * len(read.entries)
