"""How far an image lies from those that the network learned from, in its own features."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SHRINKAGE = 0.05
"""Weight of the sphere against the measured covariance: features outnumber what is known."""


@dataclass(frozen=True)
class Population:
    """The training images' features: their mean and what makes them uncorrelated.

    Parameters
    ----------
    mean
        float32, shape (features,).
    whitening
        float32, shape (features, features): the inverse of the covariance is it times its
        transpose.
    """

    mean: NDArray[np.float32]
    whitening: NDArray[np.float32]

    def distance(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return Mahalanobis' distance by the root of the number of features.

        In training its root mean square is at most 1; features that differ little count for less.

        Parameters
        ----------
        features
            Shape (n, features).

        References
        ----------
        Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples and
        Adversarial Attacks", NeurIPS 2018.
        """
        white = (features - self.mean) @ self.whitening
        distance: NDArray[np.float32] = np.sqrt(np.square(white).mean(1))
        return distance

    def to_bytes(self) -> bytes:
        """Return the population as an ``.npz`` file."""
        file = io.BytesIO()
        np.savez(file, mean=self.mean, whitening=self.whitening)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Population":
        """Read what `to_bytes` gave."""
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return cls(arrays["mean"], arrays["whitening"])


def fit_population(features: NDArray[np.float32]) -> Population:
    """Describe the training images.

    Parameters
    ----------
    features
        float32, shape (n, features).

    Examples
    --------
    >>> draw = np.random.default_rng(0).normal(5, 2, (1000, 3)).astype(np.float32)
    >>> fit_population(draw).distance(np.float32([[5, 5, 5], [5, 5, 25]])).round()
    array([0., 6.], dtype=float32)
    """
    values = features.astype(np.float64)
    mean = values.mean(0)
    centred = values - mean
    covariance = centred.T @ centred / max(1, len(values) - 1)
    size = len(mean)
    sphere = max(np.trace(covariance) / size, 1e-12)
    shrunk = (1 - _SHRINKAGE) * covariance + _SHRINKAGE * sphere * np.eye(size)
    variances, axes = np.linalg.eigh(shrunk)
    whitening = axes / np.sqrt(variances)
    return Population(mean.astype(np.float32), whitening.astype(np.float32))
