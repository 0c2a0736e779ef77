"""Duplicates in the test split and across its border, and what equal patient numbers mean."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Cell, Table
from benchmarks.test_split_data import (
    AuditedSplit,
    estimate_by_patient,
    published_subtype,
    weighted_mean,
)
from pneumoscope.dataset import Entry, Manifest, Split
from pneumoscope.dataset.duplicates import near_duplicates

MAX_COMPARED_IMAGES = 50
"""Largest number of images of other numbers that a pair is compared with."""

COPIES_NOTE = """\
Pairs of images. Exact: they decode to the same pixels. Near: difference hash and correlation, as in
`near_duplicates`; rotated, mirrored or cropped copies are not found. Same label and same patient:
as published. Expert the same: the second reader, who saw both blind, gave both the same finding."""

NUMBERS_NOTE = """\
Person and normal numbers as the file names have them. Same kind: the same subtype for persons, the
same prefix (`NORMAL2-` or none) for normal numbers."""

RESEMBLANCE_NOTE = f"""\
Share of at most {MAX_COMPARED_IMAGES} images of other numbers, of the same split and kind, that
resemble an image less than the image of its number does (correlation of standardised features of a
frozen ImageNet EfficientNet-Lite0); mean over the pairs. 0.5: equal numbers mean nothing. 1: the
same child. Interval by number."""

Pairs = list[tuple[int, int]]
"""Rows of the two images of each pair."""


def tables(split: AuditedSplit) -> Iterator[Table]:
    """Yield the tables of duplicates and of shared numbers."""
    yield Table("Duplicates", list(copy_rows(split)), COPIES_NOTE)
    yield Table("Patient numbers on both sides", list(number_rows(split.manifest)), NUMBERS_NOTE)


def copy_rows(split: AuditedSplit) -> Iterator[dict[str, Cell]]:
    """Yield exact and near duplicates within the test split, across its border and in train."""
    root, expert = split.manifest.root, {}
    entries = {root / entry.path: entry for entry in split.manifest.in_use}
    for entry, finding in zip(split.entries, split.expert, strict=True):
        expert[root / entry.path] = finding
    test = [file for file, entry in entries.items() if entry.split is Split.TEST]
    train = [file for file, entry in entries.items() if entry.split is not Split.TEST]
    places = {"within test": (test, test), "test and train": (test, train)}
    for place, (first, second) in places.items():
        found = near_duplicates(first, second)
        distinct = [pair for pair in found if first is not second or pair.first < pair.second]
        for exact in (True, False):
            pairs = [(pair.first, pair.second) for pair in distinct if pair.exact is exact]
            yield _copy_row(place, exact, pairs, entries) | {
                "expert the same": sum(expert[a] == expert[b] for a, b in pairs)
                if place == "within test"
                else None
            }
    hashes = defaultdict(list)
    for file in train:
        hashes[entries[file].pixel_hash].append(file)
    pairs = [pair for group in hashes.values() for pair in combinations(group, 2)]
    yield _copy_row("within train", True, pairs, entries) | {"expert the same": None}


def _copy_row(
    place: str, exact: bool, pairs: Sequence[tuple[Path, Path]], entries: dict[Path, Entry]
) -> dict[str, Cell]:
    named = [(entries[first], entries[second]) for first, second in pairs]
    return {
        "place": place,
        "kind": "exact" if exact else "near",
        "pairs": len(pairs),
        "same label": sum(first.label is second.label for first, second in named),
        "same patient": sum(first.group == second.group for first, second in named),
    }


def kind_of(entry: Entry) -> str:
    """Return the subtype of a person, or the prefix of a normal number."""
    match = re.match(r"NORMAL2-", Path(entry.path).name)
    return published_subtype(entry) + (" 2" if match else "")


def number_rows(manifest: Manifest) -> Iterator[dict[str, Cell]]:
    """Yield the person and normal numbers that occur on both sides of the test split's border."""
    kinds: dict[tuple[str, bool], set[str]] = defaultdict(set)
    for entry in manifest.in_use:
        kinds[entry.group, entry.split is Split.TEST].add(kind_of(entry))
    for series in ("person", "normal"):
        test = {group for group, is_test in kinds if is_test and group.startswith(series)}
        both = [group for group in test if (group, False) in kinds]
        same = [group for group in both if kinds[group, True] & kinds[group, False]]
        yield {
            "series": series,
            "numbers in test": len(test),
            "also in train": len(both),
            "with the same kind": len(same),
        }


def resemblance_table(manifest: Manifest, features: NDArray[np.float32]) -> Table:
    """Return how much images with equal numbers resemble each other.

    Parameters
    ----------
    manifest
        Dataset.
    features
        Features of each image in use, shape (n, columns).
    """
    deviation = features.std(axis=0)
    standard = (features - features.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    standard /= np.linalg.norm(standard, axis=1, keepdims=True)
    rows: list[dict[str, Cell]] = []
    for name, pairs in number_pairs(manifest.in_use).items():
        shares = np.array([*_resemblances(manifest.in_use, standard, pairs)])
        numbers = [manifest.in_use[first].group for first, _ in pairs]
        patient = np.unique(numbers, return_inverse=True)[1]
        estimate = estimate_by_patient(partial(weighted_mean, shares), patient) if pairs else None
        rows.append(
            {
                "images with equal numbers": name,
                "numbers": len(set(numbers)),
                "pairs": len(pairs),
                "resemble more": None if estimate is None else str(estimate),
            }
        )
    return Table("What equal numbers mean", rows, RESEMBLANCE_NOTE)


def number_pairs(entries: Sequence[Entry]) -> dict[str, Pairs]:
    """Return the pairs of images whose numbers are equal, by what else they share."""
    by_number: dict[str, list[int]] = defaultdict(list)
    for row, entry in enumerate(entries):
        by_number[entry.group].append(row)
    kinds = [kind_of(entry) for entry in entries]
    is_test = [entry.split is Split.TEST for entry in entries]
    groups: dict[str, Callable[[int, int], bool]] = {
        "both in train, same kind": lambda a, b: not is_test[a] and kinds[a] == kinds[b],
        "both in train, other kind": lambda a, b: not is_test[a] and kinds[a] != kinds[b],
        "test and train, person": lambda a, b: entries[a].label == 1,
        "test and train, normal": lambda a, b: entries[a].label == 0,
    }
    pairs: dict[str, Pairs] = {name: [] for name in groups}
    for rows in by_number.values():
        # One pair of a kind for each number: numbers with many images would decide the mean.
        chosen: Counter[str] = Counter()
        for first, second in combinations(rows, 2):
            for name, belongs in groups.items():
                crosses = is_test[first] != is_test[second]
                if (
                    crosses == name.startswith("test")
                    and not chosen[name]
                    and belongs(first, second)
                    and entries[first].pixel_hash != entries[second].pixel_hash
                ):
                    chosen[name] += 1
                    pairs[name].append((first, second))
    return pairs


def _resemblances(
    entries: Sequence[Entry], standard: NDArray[np.float32], pairs: Pairs
) -> Iterator[float]:
    """Yield the share of comparable images that resemble the first image less than the second."""
    rng = np.random.default_rng(0)
    pools: dict[tuple[bool, str], list[int]] = defaultdict(list)
    for row, entry in enumerate(entries):
        pools[entry.split is Split.TEST, kind_of(entry)].append(row)
    for first, second in pairs:
        pool = pools[entries[second].split is Split.TEST, kind_of(entries[second])]
        pool = [row for row in pool if entries[row].group != entries[first].group]
        drawn = rng.permutation(pool)[:MAX_COMPARED_IMAGES]
        own = standard[second] @ standard[first]
        others = standard[drawn] @ standard[first]
        yield float((others < own).mean() + (others == own).mean() / 2)
