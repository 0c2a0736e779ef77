"""Familiarity of features, compared with scikit-learn's covariance."""

import numpy as np
import pytest
from sklearn.covariance import ShrunkCovariance

from pneumoscope.export import familiarity as familiarity_module
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


def test_of_many_features_the_axes_of_the_largest_variance_are_kept(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    scales = np.array([5, 4, 0.1, 3, 0.01])
    features = (rng.normal(size=(400, 5)) * scales).astype(np.float32)
    monkeypatch.setattr(familiarity_module, "_MAX_AXES", 3)
    kept = fit_familiarity(features)
    assert kept.whitening.shape == (5, 3)
    # Along an axis that is left out nothing is unfamiliar; along one that is kept it is.
    usual = float(kept.distance(np.zeros((1, 5), np.float32))[0])
    along = np.eye(5, dtype=np.float32) * 50
    assert kept.distance(along[[4]])[0] == pytest.approx(usual, rel=0.1)
    assert kept.distance(along[[0]])[0] > usual + 3
