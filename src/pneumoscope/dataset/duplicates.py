"""Exact and near duplicates among images; near ones by difference hashes and correlation."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscope.dataset.manifest import Entry
from pneumoscope.dataset.splits import linked_groups
from pneumoscope.radiograph import Radiograph, read_radiograph
from pneumoscope.support.errors import UnreadableRadiographError
from pneumoscope.support.parallel import map_parallel
from pneumoscope.support.terminal import track

MAX_HASH_BITS = 16
"""Largest number of bits, of 256, that the hashes of near duplicates differ in."""

MIN_CORRELATION = 0.99
"""Lowest correlation of the grey values of near duplicates."""

_HASH_SIDE, _THUMBNAIL_SIDE = 16, 64
_ROWS_PER_BLOCK = 64

_MIN_DEVIATION = 0.5 / 255
"""Standard deviation of grey values, as a fraction of the range, below which an image is flat."""


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
    first_hashes, second_hashes = (
        np.stack([fingerprint.bits for fingerprint in prints])
        for prints in (first_prints, second_prints)
    )
    duplicates = []
    for row, column, bits in _near_pairs(first_hashes, second_hashes):
        left, right = first_prints[row], second_prints[column]
        exact = left.pixel_hash == right.pixel_hash
        correlation = float(left.thumbnail @ right.thumbnail)
        if exact or correlation > MIN_CORRELATION:
            duplicates.append(Duplicate(left.file, right.file, exact, bits, correlation))
    return tuple(sorted(duplicates, key=lambda pair: (not pair.exact, -pair.correlation)))


@dataclass(frozen=True)
class DuplicateGroup:
    """Two or more images that show the same, in the order of their paths."""

    entries: tuple[Entry, ...]

    @property
    def exact(self) -> bool:
        """Whether all decode to the same pixels."""
        return len({entry.pixel_hash for entry in self.entries}) == 1

    @property
    def crosses_splits(self) -> bool:
        """Whether they are in several splits."""
        return len({entry.split for entry in self.entries}) > 1

    @property
    def crosses_labels(self) -> bool:
        """Whether the same image is labelled both NORMAL and PNEUMONIA."""
        return len({entry.label for entry in self.entries}) > 1


def group_duplicates(entries: Sequence[Entry]) -> tuple[DuplicateGroup, ...]:
    """Group exact and near duplicates; groups across labels come first, then those across splits.

    Examples
    --------
    >>> from pneumoscope.dataset import Label
    >>> entries = [Entry("a.png", Label.NORMAL, pixel_hash="1"),
    ...            Entry("b.png", Label.NORMAL, pixel_hash="2", near_duplicate_of="a.png"),
    ...            Entry("c.png", Label.NORMAL, pixel_hash="3")]
    >>> [[entry.path for entry in group.entries] for group in group_duplicates(entries)]
    [['a.png', 'b.png']]
    """
    joined = linked_groups(replace(entry, patient=None) for entry in entries)
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[joined[entry.path]].append(entry)
    duplicates = [DuplicateGroup(tuple(group)) for group in groups.values() if len(group) > 1]
    return tuple(
        sorted(duplicates, key=lambda group: (not group.crosses_labels, not group.crosses_splits))
    )


def difference_hash(radiograph: Radiograph) -> NDArray[np.uint64]:
    """Return the difference hash of a radiograph: 256 bits, shape (4,).

    A bit says whether a cell of a 16 x 16 grid is darker than its right neighbour.
    """
    image = Image.fromarray(radiograph.pixels)
    grid = np.asarray(image.resize((_HASH_SIDE + 1, _HASH_SIDE), Image.Resampling.BOX))
    return np.packbits(grid[:, 1:] > grid[:, :-1]).view(np.uint64)


def centred_thumbnail(radiograph: Radiograph) -> NDArray[np.float32]:
    """Return grey values at 64 x 64 pixels, centred and of norm 1, shape (4096,).

    Their dot product is Pearson's correlation. A flat image gives zeros, since its rounding errors
    would correlate with those of others.
    """
    image = Image.fromarray(radiograph.pixels)
    thumbnail = image.resize((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE), Image.Resampling.BOX)
    values = np.asarray(thumbnail, np.float64).ravel()
    centred = values - values.mean()
    if centred.std() < _MIN_DEVIATION:
        return np.zeros(len(values), np.float32)
    scaled: NDArray[np.float32] = (centred / np.linalg.norm(centred)).astype(np.float32)
    return scaled


def mark_near_duplicates(
    root: Path, entries: Sequence[Entry], hashes: NDArray[np.uint64]
) -> list[Entry]:
    """Name the first image that each near duplicate repeats, in ``near_duplicate_of``.

    Images that are linked by others are of one group, and name its first image.

    Parameters
    ----------
    root
        Folder that the paths are relative to.
    entries
        Readable images. Exact duplicates have equal pixel hashes already and are not marked.
    hashes
        Difference hash of each, shape (n, 4).
    """

    @cache
    def thumbnail(row: int) -> NDArray[np.float32]:
        return centred_thumbnail(read_radiograph(root / entries[row].path))

    first_of = list(range(len(entries)))  # first image of the group that each belongs to

    def first(row: int) -> int:
        while first_of[row] != row:
            row = first_of[row]
        return row

    for row, column, _ in _near_pairs(hashes, hashes):
        earlier, later = sorted((first(row), first(column)))
        if earlier == later:
            continue
        exact = entries[row].pixel_hash == entries[column].pixel_hash
        if exact or float(thumbnail(row) @ thumbnail(column)) > MIN_CORRELATION:
            first_of[later] = earlier
    marked = list(entries)
    for row, entry in enumerate(entries):
        original = entries[first(row)]
        if original.pixel_hash != entry.pixel_hash:
            marked[row] = replace(entry, near_duplicate_of=original.path)
    return marked


def _near_pairs(
    first: NDArray[np.uint64], second: NDArray[np.uint64]
) -> Iterator[tuple[int, int, int]]:
    """Yield rows of two sets of hashes that differ in few bits, and the number of bits."""
    starts = range(0, len(first), _ROWS_PER_BLOCK)
    for start in track(starts, "Looking for near duplicates", len(starts)):
        differing = first[start : start + _ROWS_PER_BLOCK, None] ^ second[None]
        distances = np.bitwise_count(differing).sum(-1, dtype=np.int64)
        for row, column in np.argwhere(distances <= MAX_HASH_BITS):
            yield start + int(row), int(column), int(distances[row, column])


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
    bits, thumbnail = difference_hash(radiograph), centred_thumbnail(radiograph)
    return _Fingerprint(file, radiograph.pixel_hash(), bits, thumbnail)
