"""Familiarity of features, compared with scikit-learn's covariance."""

import numpy as np
import pytest
from sklearn.covariance import ShrunkCovariance

from pneumoscope.export.familiarity import fit_familiarity
from pneumoscope.reader.familiarity import FeatureFamiliarity


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_few_images_are_one_cluster_and_its_distance_is_mahalanobis(
    rng: np.random.Generator,
) -> None:
    mixed = rng.normal(size=(59, 6)) @ rng.normal(size=(6, 6)) + 3
    features = mixed.astype(np.float32)
    strangers = rng.normal(scale=5, size=(20, 6)).astype(np.float32)
    reference = ShrunkCovariance(shrinkage=0.001).fit(features).mahalanobis(strangers)
    familiarity = fit_familiarity(features)
    assert familiarity.centres.shape == (1, 6)
    # scikit-learn divides by n instead of n - 1.
    np.testing.assert_allclose(
        familiarity.distance(strangers), np.sqrt(reference / 6 * 58 / 59), rtol=1e-3
    )


def test_a_point_between_clusters_is_unfamiliar(rng: np.random.Generator) -> None:
    corners = np.float32([[-5, -5], [-5, 5], [5, -5], [5, 5]])
    features = np.repeat(corners, 150, axis=0)
    features += rng.normal(scale=0.5, size=features.shape).astype(np.float32)
    familiarity = fit_familiarity(features)
    assert 4 <= len(familiarity.centres) <= 600 / 30
    usual = familiarity.distance(features).max()
    assert familiarity.distance(np.zeros((1, 2), np.float32)) > 2 * usual
    assert (familiarity.distance(corners) < usual).all()


def test_it_is_written_and_read(rng: np.random.Generator) -> None:
    features = rng.normal(size=(100, 5)).astype(np.float32)
    familiarity = fit_familiarity(features)
    again = FeatureFamiliarity.from_bytes(familiarity.to_bytes())
    np.testing.assert_array_equal(again.distance(features), familiarity.distance(features))
