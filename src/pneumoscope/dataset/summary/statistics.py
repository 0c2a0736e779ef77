"""Statistics of a dataset: counts, duplicates, shared patients, sizes and grey values."""

import threading
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscope.dataset.duplicates import DuplicateGroup, group_duplicates
from pneumoscope.dataset.manifest import Entry, Label, Manifest, Split
from pneumoscope.dataset.pixels import load_pixels
from pneumoscope.dataset.splits import patient_groups
from pneumoscope.lungs import Preparation
from pneumoscope.support.parallel import map_parallel

SIDE = 224
"""Side in pixels of the mean image. Histograms are of images prepared at this size, so that every
image has the same weight."""

_MAX_SUBGROUPS = 12

PerClass = Mapping[Label, int]


@dataclass(frozen=True)
class SharedPatients:
    """Patients with images on both sides of a split, by name, sorted."""

    patients: tuple[str, ...]
    per_class: PerClass
    """Number of patients with images of this class on both sides."""
    declared: int
    """Number of patients named by a table or DICOM, who are one person for certain."""


@dataclass(frozen=True)
class Intensities:
    """Grey values of the images of a class in train and validation."""

    images: int
    histogram: NDArray[np.float64]
    """Share of pixels with each grey value from 0 to 255, float64, shape (256,)."""
    mean: NDArray[np.float64]
    """Mean image, float64, shape (SIDE, SIDE), range [0, 1]."""


@dataclass(frozen=True)
class Summary:
    """Statistics of a dataset, of the images in use unless stated otherwise.

    Parameters
    ----------
    images, patients
        Numbers per split and class; patients are None if that of any image is unknown.
    subtypes
        Numbers of images per split and subtype; empty if no file name states a subtype.
    both_subtypes, any_subtype
        Numbers of patients with images of more than one subtype, and of any.
    images_per_patient
        For each class, numbers of patients by their number of images of it; None as above.
    duplicates
        Groups of exact or near duplicates, those across labels or splits first.
    shared_with_test
        Patients both in train or validation and in test.
    shared_with_validation
        Patients both in train and in validation.
    sizes
        For each class, numbers of images by (width, height) in pixels.
    intensities
        Grey values of each class.
    subgroups
        For each further column of few values, numbers of images per value and class.
    skipped_columns
        Further columns with too many values to be counted.
    set_aside
        Images that are not used, with their reasons.
    """

    images: Mapping[Split, PerClass]
    patients: Mapping[Split, PerClass] | None
    subtypes: Mapping[Split, Mapping[str, int]]
    both_subtypes: int
    any_subtype: int
    images_per_patient: Mapping[Label, Mapping[int, int]] | None
    duplicates: tuple[DuplicateGroup, ...]
    shared_with_test: SharedPatients
    shared_with_validation: SharedPatients
    sizes: Mapping[Label, Mapping[tuple[int, int], int]]
    intensities: Mapping[Label, Intensities]
    subgroups: Mapping[str, Mapping[str, PerClass]]
    skipped_columns: tuple[str, ...]
    set_aside: tuple[Entry, ...]

    @property
    def common_size(self) -> tuple[int, int] | None:
        """Width and height in pixels if all images have the same, else None."""
        sizes = {size for counts in self.sizes.values() for size in counts}
        return sizes.pop() if len(sizes) == 1 else None


def measure_dataset(manifest: Manifest) -> Summary:
    """Compute the statistics of a dataset; reads the images of train and validation once.

    The pixels of the test split are not read, so that choices made after looking at a summary do
    not depend on them.

    Raises
    ------
    DatasetError
        If a file has changed since the manifest was written.
    UnreadableRadiographError
        If a file has become unreadable.
    """
    used = manifest.in_use
    train, validation, test = (manifest.of(split) for split in Split)
    subtypes: dict[str, set[str]] = defaultdict(set)
    for entry in used:
        if entry.subtype is not None and entry.patient is not None:
            subtypes[entry.patient].add(entry.subtype)
    subgroups, skipped = _subgroups(used)
    all_known = not manifest.images_without_patient
    return Summary(
        images=manifest.counts(),
        patients=({split: _patients(manifest.of(split)) for split in Split} if all_known else None),
        subtypes=_subtypes(manifest),
        both_subtypes=sum(len(values) > 1 for values in subtypes.values()),
        any_subtype=len(subtypes),
        images_per_patient=(
            {label: _images_per_patient(used, label) for label in Label} if all_known else None
        ),
        duplicates=group_duplicates(used),
        shared_with_test=_shared_patients([*train, *validation], test),
        shared_with_validation=_shared_patients(train, validation),
        sizes={label: _sizes(used, label) for label in Label},
        intensities=_intensities(manifest, [*train, *validation]),
        subgroups=subgroups,
        skipped_columns=skipped,
        set_aside=manifest.set_aside,
    )


def _patients(entries: Sequence[Entry]) -> PerClass:
    groups = list(zip(entries, patient_groups(entries), strict=True))
    return {
        label: len({group for entry, group in groups if entry.label is label}) for label in Label
    }


def _subtypes(manifest: Manifest) -> dict[Split, dict[str, int]]:
    counts = Counter(
        (entry.split, entry.subtype) for entry in manifest.entries if entry.subtype is not None
    )
    names = sorted({subtype for _, subtype in counts})
    if not names:
        return {}
    return {split: {name: counts[split, name] for name in names} for split in Split}


def _images_per_patient(entries: Sequence[Entry], label: Label) -> dict[int, int]:
    groups = zip(entries, patient_groups(entries), strict=True)
    images = Counter(group for entry, group in groups if entry.label is label)
    return dict(sorted(Counter(images.values()).items()))


def _shared_patients(first: Sequence[Entry], second: Sequence[Entry]) -> SharedPatients:
    def names(entries: Sequence[Entry], label: Label | None = None) -> set[str]:
        return {
            entry.patient
            for entry in entries
            if entry.patient is not None and label in (None, entry.label)
        }

    shared = names(first) & names(second)
    declared = {entry.patient for entry in (*first, *second) if entry.patient_declared}
    return SharedPatients(
        patients=tuple(sorted(shared)),
        per_class={label: len(names(first, label) & names(second, label)) for label in Label},
        declared=len(shared & declared),
    )


def _sizes(entries: Sequence[Entry], label: Label) -> dict[tuple[int, int], int]:
    counts = Counter(
        (entry.width, entry.height)
        for entry in entries
        if entry.label is label and entry.width is not None and entry.height is not None
    )
    return {(width, height): number for (width, height), number in sorted(counts.items())}


def _subgroups(
    entries: Sequence[Entry],
) -> tuple[dict[str, dict[str, PerClass]], tuple[str, ...]]:
    subgroups: dict[str, dict[str, PerClass]] = {}
    skipped = []
    for column in sorted({name for entry in entries for name in entry.extra}):
        counts = Counter(
            (entry.extra.get(column) or "not stated", entry.label) for entry in entries
        )
        values = sorted({value for value, _ in counts})
        if len(values) > _MAX_SUBGROUPS:
            skipped.append(column)
        else:
            subgroups[column] = {
                value: {label: counts[value, label] for label in Label} for value in values
            }
    return subgroups, tuple(skipped)


def _intensities(manifest: Manifest, entries: Sequence[Entry]) -> dict[Label, Intensities]:
    # Threads add to integer sums: no image stays in memory, and the order does not matter.
    images = Counter(entry.label for entry in entries)
    histograms = {label: np.zeros(256, np.int64) for label in Label}
    sums = {label: np.zeros((SIDE, SIDE), np.int64) for label in Label}
    lock = threading.Lock()

    def add(entry: Entry) -> None:
        pixels = load_pixels(manifest.root, entry, Preparation(SIDE))
        histogram = np.bincount(pixels.ravel(), minlength=256)
        with lock:
            histograms[entry.label] += histogram
            sums[entry.label] += pixels

    map_parallel(add, entries, "Measuring images")
    return {
        label: Intensities(
            images=images[label],
            histogram=histograms[label] / max(1, histograms[label].sum()),
            mean=sums[label] / (255 * max(1, images[label])),
        )
        for label in Label
    }
