"""Nearest neighbours in feature space, against scikit-learn, and near duplicates."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from pneumoscope.radiograph import read_radiograph
from pneumoscope.reader import Reader, load
from pneumoscope.validation.stress.near_duplicates import (
    MAX_HASH_BITS,
    MIN_CORRELATION,
    near_duplicates,
)
from pneumoscope.validation.stress.neighbours import FeatureIndex


@pytest.fixture(scope="module")
def shipped() -> Reader:
    return load(threads=2)


def features_of(reader: Reader, path: Path) -> np.ndarray:
    return reader.run(reader.preparation.square(read_radiograph(path).pixels)[None]).features[0]


def test_an_image_is_its_own_nearest_neighbour(
    shipped: Reader, radiographs: Callable, tmp_path: Path
) -> None:
    files = [*radiographs(6), tmp_path / "gone.png", *radiographs(9)[6:]]
    labels = list(range(10))
    index = FeatureIndex.build(shipped, files, labels)
    assert index.files == tuple(radiographs(9))
    for path in radiographs(9):
        first, second = index.nearest(features_of(shipped, path), k=2)
        assert first.file == path
        assert first.label == labels[files.index(path)]
        assert first.distance == pytest.approx(0, abs=1e-3)
        assert second.distance > 0.01


def test_neighbours_are_those_of_mahalanobis_distance() -> None:
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4))
    inverse = np.linalg.inv(np.cov(raw.T))
    whitening = np.linalg.cholesky(inverse)
    files = tuple(Path(f"{row}.png") for row in range(50))
    index = FeatureIndex(whitening, raw @ whitening, files, (0,) * 50)
    wanted = NearestNeighbors(n_neighbors=5, metric="mahalanobis", metric_params={"VI": inverse})
    distances, rows = wanted.fit(raw).kneighbors(raw[:3] + 0.1)
    for query, distance, row in zip(raw[:3] + 0.1, distances, rows, strict=True):
        neighbours = index.nearest(query, k=5)
        assert [neighbour.file for neighbour in neighbours] == [files[place] for place in row]
        np.testing.assert_allclose(
            [neighbour.distance for neighbour in neighbours], distance / 2, rtol=1e-6
        )


def test_an_index_of_nothing_has_no_neighbours(
    shipped: Reader, radiographs: Callable, tmp_path: Path
) -> None:
    index = FeatureIndex.build(shipped, [tmp_path / "gone.png"], [1])
    assert index.nearest(features_of(shipped, radiographs(1)[0])) == ()


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
