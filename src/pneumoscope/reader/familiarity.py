"""How far an image lies from those that the network learned from, in its own features."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FAMILIAR_SHARE = 0.97
"""Of the validation images, those within a bundle's limit of what is like the training images."""


@dataclass(frozen=True)
class Population:
    """The training images' features: the centres of their clusters, once uncorrelated.

    No image's own features are kept, only means of many.

    Parameters
    ----------
    whitening
        float32, shape (features, features): features times it are uncorrelated.
    centres
        float32, shape (clusters, features): means of features so treated.

    Examples
    --------
    >>> population = Population(np.eye(2, dtype=np.float32), np.float32([[0, 0], [9, 9]]))
    >>> population.distance(np.float32([[0, 0], [9, 9], [3, 0]])).round(2)
    array([0.  , 0.  , 2.12], dtype=float32)
    """

    whitening: NDArray[np.float32]
    centres: NDArray[np.float32]

    def distance(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return Mahalanobis' distance from the nearest centre by the root of the features' number.

        Parameters
        ----------
        features
            Shape (n, features).

        References
        ----------
        Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples and
        Adversarial Attacks", NeurIPS 2018; there the centres are those of the classes.
        """
        white = features @ self.whitening
        squares = (white**2).sum(1)[:, None] + (self.centres**2).sum(1) - 2 * white @ self.centres.T
        distance: NDArray[np.float32] = np.sqrt(squares.min(1).clip(0) / white.shape[1])
        return distance

    def to_bytes(self) -> bytes:
        """Return the population as an ``.npz`` file."""
        file = io.BytesIO()
        np.savez(file, whitening=self.whitening, centres=self.centres)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Population":
        """Read what `to_bytes` gave."""
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return cls(arrays["whitening"], arrays["centres"])
