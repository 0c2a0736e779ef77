"""Familiarity of images: fit of the model of the training images' features (see the reader)."""

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from pneumoscope.reader.familiarity import FeatureFamiliarity

_SHRINKAGE = 0.001
"""Weight of the spherical covariance: there may be more features than images."""

_MAX_AXES = 640
"""Largest number of principal axes of the features, for the size of a bundle."""

_MAX_CLUSTERS = 64
_MIN_IMAGES_PER_CLUSTER = 30
"""Smallest mean number of images in a cluster: a centre must not identify a patient."""


def fit_familiarity(features: NDArray[np.float32]) -> FeatureFamiliarity:
    """Fit whitening and cluster centres to features of training images, shape (n, features).

    Of more than 640 features the principal axes of the largest variance are kept.

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
    variance = max(np.trace(covariance) / size, 1e-12)
    shrunk = (1 - _SHRINKAGE) * covariance + _SHRINKAGE * variance * np.eye(size)
    variances, axes = np.linalg.eigh(shrunk)
    whitening = (axes / np.sqrt(variances))[:, -_MAX_AXES:]  # in the order of their variances
    clusters = max(1, min(_MAX_CLUSTERS, len(values) // _MIN_IMAGES_PER_CLUSTER))
    centres = KMeans(clusters, random_state=0).fit(values @ whitening).cluster_centers_
    return FeatureFamiliarity(whitening.astype(np.float32), centres.astype(np.float32))
