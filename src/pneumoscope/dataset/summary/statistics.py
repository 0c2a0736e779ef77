"""What a dataset holds, in numbers: the figures and the page of a summary only show them."""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pneumoscope.dataset.manifest import Entry, Label, Manifest, Split
from pneumoscope.dataset.pixels import load_pixels
from pneumoscope.support.parallel import map_parallel

SIDE = 224
"""Side in pixels of the mean image; histograms are of images prepared at this size, so that each
image weighs the same."""

_MOST_VALUES = 12

Key = TypeVar("Key")
PerClass = Mapping[Label, int]


@dataclass(frozen=True)
class BothSides:
    """Patients who have images on both sides of a split.

    Parameters
    ----------
    patients
        Their names, sorted.
    per_class
        How many have images of this class on both sides.
    declared
        How many are named by a table or DICOM, so that they surely are one person.
    """

    patients: tuple[str, ...]
    per_class: PerClass
    declared: int


@dataclass(frozen=True)
class Duplicates:
    """Images that decode to the same pixels.

    Parameters
    ----------
    entries
        Two or more, in the order of their paths.
    """

    entries: tuple[Entry, ...]

    @property
    def crosses_splits(self) -> bool:
        """True if they are not all in one split."""
        return len({entry.split for entry in self.entries}) > 1

    @property
    def crosses_labels(self) -> bool:
        """True if the same pixels are called both NORMAL and PNEUMONIA."""
        return len({entry.label for entry in self.entries}) > 1


@dataclass(frozen=True)
class Intensities:
    """Grey values of one class' images in train and validation.

    Parameters
    ----------
    images
        How many images.
    histogram
        float64, shape (256,): the share of pixels with each grey value from 0 to 255.
    mean
        float64, shape (SIDE, SIDE), range [0, 1]: the mean image.
    """

    images: int
    histogram: NDArray[np.float64]
    mean: NDArray[np.float64]


@dataclass(frozen=True)
class Summary:
    """What a dataset holds. Unless said otherwise, of images in use.

    Parameters
    ----------
    images, patients
        Counts per split and class; an image whose patient is not known counts as a patient.
    subtypes
        Images per split and subtype; empty if no file name tells subtypes.
    both_subtypes, any_subtype
        How many patients have images of more than one subtype, and of any.
    images_per_patient
        For each class: how many patients have so many images of it.
    duplicates
        Groups of exact duplicates, those that cross labels or splits first.
    learning_and_test
        Patients both in train or validation and in test.
    train_and_validation
        Patients both in train and in validation.
    sizes
        For each class: how many images have this (width, height) in pixels.
    intensities
        Of each class.
    subgroups
        For each further column of few values: images per value and class.
    skipped_columns
        Further columns of too many values to be counted.
    set_aside
        Images that are not used, with their reasons.
    """

    images: Mapping[Split, PerClass]
    patients: Mapping[Split, PerClass]
    subtypes: Mapping[Split, Mapping[str, int]]
    both_subtypes: int
    any_subtype: int
    images_per_patient: Mapping[Label, Mapping[int, int]]
    duplicates: tuple[Duplicates, ...]
    learning_and_test: BothSides
    train_and_validation: BothSides
    sizes: Mapping[Label, Mapping[tuple[int, int], int]]
    intensities: Mapping[Label, Intensities]
    subgroups: Mapping[str, Mapping[str, PerClass]]
    skipped_columns: tuple[str, ...]
    set_aside: tuple[Entry, ...]

    @property
    def one_size(self) -> tuple[int, int] | None:
        """Width and height if all images have the same, else None."""
        found = {size for sizes in self.sizes.values() for size in sizes}
        return found.pop() if len(found) == 1 else None


def measure_dataset(manifest: Manifest) -> Summary:
    """Count a dataset, and read the images of train and validation once.

    The pixels of the test split are not looked at: what is chosen after reading a summary must not
    be chosen by them.

    Parameters
    ----------
    manifest
        The dataset.

    Returns
    -------
    Summary
        Everything a summary shows.

    Raises
    ------
    DatasetError
        If a file is not the one that the manifest describes any more.
    UnreadableRadiographError
        If a file has become unreadable.
    """
    used = [entry for entry in manifest.entries if entry.set_aside is None]
    train, validation, test = (manifest.of(split) for split in Split)
    subtypes = _per_group(used, lambda entry: entry.subtype)
    subgroups, skipped = _subgroups(used)
    return Summary(
        images=manifest.counts(),
        patients={split: _patients(manifest.of(split)) for split in Split},
        subtypes=_subtypes(manifest),
        both_subtypes=sum(len(found) > 1 for found in subtypes.values()),
        any_subtype=len(subtypes),
        images_per_patient={label: _images_per_patient(used, label) for label in Label},
        duplicates=_duplicates(used),
        learning_and_test=_both_sides([*train, *validation], test),
        train_and_validation=_both_sides(train, validation),
        sizes={label: _sizes(used, label) for label in Label},
        intensities=_intensities(manifest, [*train, *validation]),
        subgroups=subgroups,
        skipped_columns=skipped,
        set_aside=manifest.set_aside,
    )


def _per_group(
    entries: Iterable[Entry], value: Callable[[Entry], Key | None]
) -> dict[str, set[Key]]:
    """Return the values that each patient's images have, leaving out None."""
    found: dict[str, set[Key]] = defaultdict(set)
    for entry in entries:
        if (one := value(entry)) is not None:
            found[entry.group].add(one)
    return found


def _patients(entries: Sequence[Entry]) -> PerClass:
    return {
        label: len({entry.group for entry in entries if entry.label is label}) for label in Label
    }


def _subtypes(manifest: Manifest) -> dict[Split, dict[str, int]]:
    found = Counter(
        (entry.split, entry.subtype) for entry in manifest.entries if entry.subtype is not None
    )
    names = sorted({subtype for _, subtype in found})
    if not names:
        return {}
    return {split: {name: found[split, name] for name in names} for split in Split}


def _images_per_patient(entries: Sequence[Entry], label: Label) -> dict[int, int]:
    images = Counter(entry.group for entry in entries if entry.label is label)
    return dict(sorted(Counter(images.values()).items()))


def _duplicates(entries: Sequence[Entry]) -> tuple[Duplicates, ...]:
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.pixel_hash is not None:
            groups[entry.pixel_hash].append(entry)
    found = [Duplicates(tuple(group)) for group in groups.values() if len(group) > 1]
    return tuple(sorted(found, key=lambda one: (not one.crosses_labels, not one.crosses_splits)))


def _both_sides(one: Sequence[Entry], other: Sequence[Entry]) -> BothSides:
    def names(entries: Sequence[Entry], label: Label | None = None) -> set[str]:
        return {
            entry.patient
            for entry in entries
            if entry.patient is not None and label in (None, entry.label)
        }

    shared = names(one) & names(other)
    declared = {entry.patient for entry in (*one, *other) if entry.patient_declared}
    return BothSides(
        patients=tuple(sorted(shared)),
        per_class={label: len(names(one, label) & names(other, label)) for label in Label},
        declared=len(shared & declared),
    )


def _sizes(entries: Sequence[Entry], label: Label) -> dict[tuple[int, int], int]:
    found = Counter(
        (entry.width, entry.height)
        for entry in entries
        if entry.label is label and entry.width is not None and entry.height is not None
    )
    return {(width, height): number for (width, height), number in sorted(found.items())}


def _subgroups(
    entries: Sequence[Entry],
) -> tuple[dict[str, dict[str, PerClass]], tuple[str, ...]]:
    counted: dict[str, dict[str, PerClass]] = {}
    skipped = []
    for column in sorted({name for entry in entries for name in entry.extra}):
        found = Counter((entry.extra.get(column) or "not given", entry.label) for entry in entries)
        values = sorted({value for value, _ in found})
        if len(values) > _MOST_VALUES:
            skipped.append(column)
        else:
            counted[column] = {
                value: {label: found[value, label] for label in Label} for value in values
            }
    return counted, tuple(skipped)


def _intensities(manifest: Manifest, entries: Sequence[Entry]) -> dict[Label, Intensities]:
    # Threads add to sums of whole numbers: no image waits in memory, and order does not matter.
    images = Counter(entry.label for entry in entries)
    grey = {label: np.zeros(256, np.int64) for label in Label}
    total = {label: np.zeros((SIDE, SIDE), np.int64) for label in Label}
    lock = threading.Lock()

    def add(entry: Entry) -> None:
        pixels = load_pixels(manifest.root, entry, SIDE)
        counted = np.bincount(pixels.ravel(), minlength=256)
        with lock:
            grey[entry.label] += counted
            total[entry.label] += pixels

    map_parallel(add, entries, "Measuring images")
    return {
        label: Intensities(
            images=images[label],
            histogram=grey[label] / max(1, grey[label].sum()),
            mean=total[label] / (255 * max(1, images[label])),
        )
        for label in Label
    }
