"""Describing the training images' features, so that a reader knows what is unlike them."""

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from pneumoscope.reader.familiarity import FeatureFamiliarity

_SHRINKAGE = 0.001
"""Weight of the sphere against the measured covariance: features outnumber what is known."""

_CLUSTERS = 64
_CLUSTER_SIZE = 30
"""Images to a cluster on average, at least: a centre must not give one patient away."""


def fit_familiarity(features: NDArray[np.float32]) -> FeatureFamiliarity:
    """Describe the training images.

    Parameters
    ----------
    features
        float32, shape (n, features).

    Examples
    --------
    >>> two_kinds = np.repeat(np.float32([[5, 5, 5], [5, 5, 25]]), 40, axis=0)
    >>> scattered = two_kinds + np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32)
    >>> familiarity = fit_familiarity(scattered)
    >>> familiarity.distance(np.float32([[5, 5, 5], [5, 5, 25], [5, 15, 5]])).round()
    array([0., 0., 6.], dtype=float32)
    """
    values = features.astype(np.float64)
    covariance = np.atleast_2d(np.cov(values.T))
    size = len(covariance)
    sphere = max(np.trace(covariance) / size, 1e-12)
    shrunk = (1 - _SHRINKAGE) * covariance + _SHRINKAGE * sphere * np.eye(size)
    variances, axes = np.linalg.eigh(shrunk)
    whitening = axes / np.sqrt(variances)
    clusters = max(1, min(_CLUSTERS, len(values) // _CLUSTER_SIZE))
    found = KMeans(clusters, random_state=0).fit(values @ whitening)
    return FeatureFamiliarity(
        whitening.astype(np.float32), found.cluster_centers_.astype(np.float32)
    )
