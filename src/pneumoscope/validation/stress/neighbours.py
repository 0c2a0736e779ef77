"""Which known images are most like others: to the network, and to the eye."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscope.radiograph import Radiograph, read_radiograph
from pneumoscope.reader import Reader
from pneumoscope.reader.bundle import POPULATION
from pneumoscope.reader.familiarity import Population
from pneumoscope.support.errors import UnreadableRadiographError
from pneumoscope.support.parallel import map_parallel
from pneumoscope.validation.stress.sample import ask_each, prepare

MOST_BITS = 16
"""Of 256 in the hashes of two pictures that may differ in near duplicates."""

LEAST_CORRELATION = 0.99
"""Of the grey values of near duplicates."""

_HASH, _THUMBNAIL = 16, 64
_ROWS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An image of the index that is like another.

    Parameters
    ----------
    file
        Where it is.
    label
        1 for PNEUMONIA.
    distance
        In whitened features, by the root of their number; 0 for the same image.
    """

    file: Path
    label: int
    distance: float


@dataclass(frozen=True, slots=True, eq=False)
class FeatureIndex:
    """What a network sees in images with known labels.

    Parameters
    ----------
    whitening
        float32, shape (features, features): that of the bundle's `Population`.
    features
        Whitened, float32, shape (n, features).
    files, labels
        Of the images.
    """

    whitening: NDArray[np.float32]
    features: NDArray[np.float32]
    files: tuple[Path, ...]
    labels: tuple[int, ...]

    @classmethod
    def build(cls, reader: Reader, files: Sequence[Path], labels: Sequence[int]) -> "FeatureIndex":
        """Look at images, on the reader's threads; what cannot be read is left out.

        Parameters
        ----------
        reader
            Whose network looks.
        files
            The images, such as those of training.
        labels
            Of each, 1 for PNEUMONIA.
        """

        def question(_: int, radiograph: Radiograph) -> NDArray[np.float32]:
            look = reader.run(prepare(reader, radiograph.pixels)[None])
            return look.features.ravel()

        whitening = Population.from_bytes(reader.bundle.contents[POPULATION]).whitening
        every = np.arange(len(files))
        seen = ask_each(reader, files, every, question, "Looking at known images")
        features = np.array(seen.results, np.float32).reshape(-1, len(whitening)) @ whitening
        kept = seen.rows.tolist()
        return cls(
            whitening,
            features,
            tuple(files[row] for row in kept),
            tuple(labels[row] for row in kept),
        )

    def nearest(self, features: NDArray[np.float32], k: int = 3) -> tuple[Neighbour, ...]:
        """Return the images most like one, the nearest first; fewer if the index has fewer.

        Parameters
        ----------
        features
            Of one image as `Reader.run` gives them, shape (features,).
        k
            How many.

        Examples
        --------
        >>> known = np.float32([[0, 0], [3, 4], [9, 9]])
        >>> index = FeatureIndex(np.eye(2, dtype=np.float32), known, ("a", "b", "c"), (0, 1, 1))
        >>> [one.file for one in index.nearest(np.float32([3, 3]), k=2)]
        ['b', 'a']
        """
        differences = self.features - features @ self.whitening
        distances = np.sqrt((differences**2).sum(1) / len(self.whitening))
        rows = np.argsort(distances, kind="stable")[:k]
        return tuple(
            Neighbour(self.files[row], self.labels[row], float(distances[row])) for row in rows
        )


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two files that show the same picture.

    Parameters
    ----------
    first, second
        The files.
    exact
        True if they decode to the same pixels.
    bits
        In which their hashes differ, of 256.
    correlation
        Of their grey values at 64 x 64 pixels.
    """

    first: Path
    second: Path
    exact: bool
    bits: int
    correlation: float


def near_duplicates(first: Sequence[Path], second: Sequence[Path]) -> tuple[Duplicate, ...]:
    """Find pictures of one set that are in the other too, perhaps stored or scaled anew.

    Two pictures are near duplicates if their difference hashes [1]_ differ in `MOST_BITS` of 256 at
    most and their grey values correlate by more than `LEAST_CORRELATION`. Of 2,608 radiographs of
    children no two that differ correlated by more than 0.965 (across patients), or were within both
    limits; 101 of them saved anew as JPEGs of quality 50, or at half their size, differed in 9 bits
    at most and correlated by 0.997 at least. Turned, mirrored or cropped copies are not found. What
    cannot be read is left out.

    Parameters
    ----------
    first, second
        Files of two sets, such as those of training and of test.

    Returns
    -------
    tuple of Duplicate
        Exact ones first, then by falling correlation.

    References
    ----------
    .. [1] Krawetz N. Kind of like that. The Hacker Factor Blog, 2013.
    """
    ours, theirs = _fingerprints(first), _fingerprints(second)
    if not ours or not theirs:
        return ()
    known = np.stack([one.bits for one in theirs])
    found = []
    for start in range(0, len(ours), _ROWS_AT_ONCE):
        some = ours[start : start + _ROWS_AT_ONCE]
        differing = np.stack([one.bits for one in some])[:, None] ^ known[None]
        distances = np.bitwise_count(differing).sum(-1, dtype=np.int64)
        for row, column in np.argwhere(distances <= MOST_BITS):
            pair = _compare(some[row], theirs[column], int(distances[row, column]))
            if pair.exact or pair.correlation > LEAST_CORRELATION:
                found.append(pair)
    return tuple(sorted(found, key=lambda one: (not one.exact, -one.correlation)))


@dataclass(frozen=True, slots=True, eq=False)
class _Fingerprint:
    file: Path
    pixels: str
    bits: NDArray[np.uint64]
    thumbnail: NDArray[np.float32]


def _fingerprints(files: Sequence[Path]) -> list[_Fingerprint]:
    taken = map_parallel(_fingerprint, files, "Comparing pictures")
    return [one for one in taken if one is not None]


def _fingerprint(file: Path) -> _Fingerprint | None:
    try:
        radiograph = read_radiograph(file)
    except UnreadableRadiographError:
        return None
    picture = Image.fromarray(radiograph.pixels)
    grid = np.asarray(picture.resize((_HASH + 1, _HASH), Image.Resampling.BOX))
    bits = np.packbits(grid[:, 1:] > grid[:, :-1]).view(np.uint64)
    small = np.asarray(picture.resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)).ravel()
    centred = small - small.mean()
    return _Fingerprint(
        file, radiograph.pixel_hash(), bits, centred / max(float(np.linalg.norm(centred)), 1e-6)
    )


def _compare(first: _Fingerprint, second: _Fingerprint, bits: int) -> Duplicate:
    correlation = float(first.thumbnail @ second.thumbnail)
    return Duplicate(first.file, second.file, first.pixels == second.pixels, bits, correlation)
