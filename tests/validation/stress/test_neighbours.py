"""Nearest neighbours in feature space, against scikit-learn."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from pneumoscope.radiograph import read_radiograph
from pneumoscope.reader import Reader, load
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
