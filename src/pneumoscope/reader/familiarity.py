"""Familiarity of an image: its distance from the training images in the network's features."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FAMILIAR_SHARE = 0.97
"""Share of the validation images whose distance is within a bundle's limit of familiarity."""


@dataclass(frozen=True)
class FeatureFamiliarity:
    """Model of the training images' features: cluster centres of the whitened features.

    Features of single images are not kept, only means of many.

    Parameters
    ----------
    whitening
        Matrix that makes features uncorrelated, float32, shape (features, axes).
    centres
        Cluster centres of the whitened features, float32, shape (clusters, axes).
    outsider_weights
        Weights and, last, intercept of a logistic regression that tells radiographs of other
        populations from the training images, float32, shape (features + 1,); None where the bundle
        has none.

    Examples
    --------
    >>> model = FeatureFamiliarity(np.eye(2, dtype=np.float32), np.float32([[0, 0], [9, 9]]))
    >>> model.distance(np.float32([[0, 0], [9, 9], [3, 0]])).round(2)
    array([0.  , 0.  , 2.12], dtype=float32)
    """

    whitening: NDArray[np.float32]
    centres: NDArray[np.float32]
    outsider_weights: NDArray[np.float32] | None = None

    def distance(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the Mahalanobis distance from the nearest centre, over sqrt(number of axes).

        ``features`` has the shape (n, features).

        References
        ----------
        Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples and
        Adversarial Attacks", NeurIPS 2018; there the centres are those of the classes.
        """
        white = features @ self.whitening
        squares = (white**2).sum(1)[:, None] + (self.centres**2).sum(1) - 2 * white @ self.centres.T
        distance: NDArray[np.float32] = np.sqrt(squares.min(1).clip(0) / white.shape[1])
        return distance

    def outsider_score(self, features: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return the log-odds that images belong to another population; None without weights.

        ``features`` has the shape (n, features).

        References
        ----------
        Hendrycks et al., "Deep Anomaly Detection with Outlier Exposure", ICLR 2019: a detector
        that has seen some outliers also finds others.
        """
        if self.outsider_weights is None:
            return None
        score: NDArray[np.float32] = (
            features @ self.outsider_weights[:-1] + self.outsider_weights[-1]
        )
        return score

    def to_bytes(self) -> bytes:
        """Return the content of an ``.npz`` file that `from_bytes` reads."""
        arrays: dict[str, Any] = {"whitening": self.whitening, "centres": self.centres}
        if self.outsider_weights is not None:
            arrays["outsider_weights"] = self.outsider_weights
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "FeatureFamiliarity":
        """Read the content of an ``.npz`` file that `to_bytes` made."""
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return cls(arrays["whitening"], arrays["centres"], arrays.get("outsider_weights"))
