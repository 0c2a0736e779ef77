"""Nearest neighbours in the network's feature space."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscope.radiograph import Radiograph
from pneumoscope.reader import Reader
from pneumoscope.reader.bundle import FAMILIARITY
from pneumoscope.reader.familiarity import FeatureFamiliarity
from pneumoscope.validation.stress.sample import map_sample


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Image of an index that is near another image."""

    file: Path
    label: int
    """Label, 1 for PNEUMONIA."""
    distance: float
    """Euclidean distance in whitened features, divided by the square root of their number; 0 for
    the same image."""


@dataclass(frozen=True, slots=True, eq=False)
class FeatureIndex:
    """Index of labelled images by the network's features."""

    whitening: NDArray[np.float32]
    """Whitening matrix of the bundle's `FeatureFamiliarity`, shape (features, features)."""
    features: NDArray[np.float32]
    """Whitened features, shape (n, features)."""
    files: tuple[Path, ...]
    labels: tuple[int, ...]
    """Labels of the images, 1 for PNEUMONIA."""

    @classmethod
    def build(cls, reader: Reader, files: Sequence[Path], labels: Sequence[int]) -> "FeatureIndex":
        """Build an index of images, such as the training images; unreadable ones are left out.

        The reader's network computes the features, on the reader's threads.
        """

        def features_of(_: int, radiograph: Radiograph) -> NDArray[np.float32]:
            output = reader.run(reader.preparation.square(radiograph.pixels)[None])
            return output.features.ravel()

        whitening = FeatureFamiliarity.from_bytes(reader.bundle.contents[FAMILIARITY]).whitening
        every_row = np.arange(len(files))
        sample = map_sample(features_of, reader, files, every_row, "Indexing training images")
        features = np.array(sample.results, np.float32).reshape(-1, len(whitening)) @ whitening
        rows = sample.rows.tolist()
        return cls(
            whitening,
            features,
            tuple(files[row] for row in rows),
            tuple(labels[row] for row in rows),
        )

    def nearest(self, features: NDArray[np.float32], k: int = 3) -> tuple[Neighbour, ...]:
        """Return the ``k`` nearest images, nearest first; fewer if the index has fewer.

        ``features`` are those of one image, as `Reader.run` returns them, shape (features,).

        Examples
        --------
        >>> known = np.float32([[0, 0], [3, 4], [9, 9]])
        >>> index = FeatureIndex(np.eye(2, dtype=np.float32), known, ("a", "b", "c"), (0, 1, 1))
        >>> [neighbour.file for neighbour in index.nearest(np.float32([3, 3]), k=2)]
        ['b', 'a']
        """
        differences = self.features - features @ self.whitening
        distances = np.sqrt((differences**2).sum(1) / len(self.whitening))
        rows = np.argsort(distances, kind="stable")[:k]
        return tuple(
            Neighbour(self.files[row], self.labels[row], float(distances[row])) for row in rows
        )


def short_name(path: Path) -> str:
    """Return the last three parts of a path, which identify an image without its location.

    Examples
    --------
    >>> short_name(Path("/data/chest/train/NORMAL/a.png")), short_name(Path("/a.png"))
    ('train/NORMAL/a.png', 'a.png')
    """
    return "/".join(path.relative_to(path.anchor).parts[-3:])
