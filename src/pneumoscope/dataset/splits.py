"""Train, validation and test splits, grouped by patient."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pneumoscope.dataset.manifest import Entry, Label, Split, SplitBy
from pneumoscope.support.errors import DatasetError

SPLIT_FRACTION = 0.2
"""Fraction of each class that is drawn for validation, and for test if the source has none."""


def assign_splits(entries: Sequence[Entry], split_by: SplitBy, seed: int) -> list[Entry]:
    """Assign a split to every image in use.

    A test or validation split that the source declares is kept. If there is none, `SPLIT_FRACTION`
    of each class is drawn, grouped by patient and duplicate (exact or near); validation can be
    drawn by image instead, as the notebook does.

    Parameters
    ----------
    entries
        Images in use, with the split that the source declares, or None.
    split_by
        Unit that stays together when validation is drawn; test is always drawn by patient.
    seed
        Random seed of the draw.

    Returns
    -------
    list[Entry]
        Entries in the same order. Training images that would leak into a declared split are set
        aside.

    Raises
    ------
    DatasetError
        If a class has too few patients to draw from, or no training image is left of it.

    Examples
    --------
    >>> images = [Entry(f"{label.name}/{i}.png", label) for label in Label for i in range(10)]
    >>> split = assign_splits(images, SplitBy.PATIENT, seed=0)
    >>> sorted(Counter(entry.split.value for entry in split).items())
    [('test', 4), ('train', 14), ('validation', 2)]
    """
    split = [replace(entry, split=entry.split or Split.TRAIN) for entry in entries]
    if split_by is SplitBy.PATIENT:  # before drawing, or a split might be drawn of leaks alone
        split = _set_leaks_aside(split)
    for drawn in (Split.TEST, Split.VALIDATION):
        if not any(entry.split is drawn for entry in split):
            # Only validation was drawn by image in the notebook; a test split must not leak.
            unit = SplitBy.PATIENT if drawn is Split.TEST else split_by
            split = _draw(split, drawn, unit, seed)
    for label in Label:
        if not any(entry.split is Split.TRAIN and entry.label is label for entry in split):
            raise DatasetError(
                f"the train split has no image of the class {label.name}, and both classes are "
                "needed for training; add patients, or declare other splits in a table"
            )
    return split


def draw_validation(entries: Sequence[Entry], seed: int) -> list[Entry]:
    """Draw validation alone from training images, grouped by patient and duplicate (exact or near).

    Returns
    -------
    list[Entry]
        Entries in the same order, of which `SPLIT_FRACTION` of each class is validation.

    Raises
    ------
    DatasetError
        If a class has fewer than two patients.

    Examples
    --------
    >>> images = [
    ...     Entry(f"{label.name}/{i}.png", label, split=Split.TRAIN)
    ...     for label in Label
    ...     for i in range(10)
    ... ]
    >>> [entry.split.value for entry in draw_validation(images, seed=0)].count("validation")
    4
    """
    return _draw(list(entries), Split.VALIDATION, SplitBy.PATIENT, seed)


def deal_folds(entries: Sequence[Entry], count: int, seed: int) -> list[list[Entry]]:
    """Deal the images of train and validation into folds for cross-validation, by patient.

    Duplicates, exact or near, stay in one fold.

    Parameters
    ----------
    entries
        Entries with their splits; those of test and those set aside stay as they are.
    count
        Number of folds.
    seed
        Random seed of the order in which patients are dealt.

    Returns
    -------
    list[list[Entry]]
        All entries for each fold, in the same order, with that fold as validation and the others as
        train. Each class is spread evenly, as far as its patients allow.

    Raises
    ------
    DatasetError
        If a class has fewer patients than there are folds.

    Examples
    --------
    >>> images = [
    ...     Entry(f"{label.name}/{i}.png", label, split=Split.TRAIN)
    ...     for label in Label
    ...     for i in range(6)
    ... ]
    >>> folds = deal_folds(images, 3, seed=0)
    >>> [sum(entry.split is Split.VALIDATION for entry in fold) for fold in folds]
    [4, 4, 4]
    """
    pool = [entry for entry in entries if entry.split in (Split.TRAIN, Split.VALIDATION)]
    joined = linked_groups(pool)
    sizes: dict[str, Counter[Label]] = defaultdict(Counter)
    for entry in pool:
        sizes[joined[entry.group]][entry.label] += 1
    for label in Label:
        patients = sum(size[label] > 0 for size in sizes.values())
        if patients < count:
            raise DatasetError(
                f"{count} folds need {count} patients of the class {label.name}, and there are "
                f"{patients}; ask for fewer folds, or add patients"
            )
    order = sorted(sizes)
    random.Random(f"{seed} folds").shuffle(order)
    order.sort(key=lambda group: -sizes[group].total())  # the large first, then the small
    fold_sizes: list[Counter[Label]] = [Counter() for _ in range(count)]
    fold_of: dict[str, int] = {}
    totals = sum(sizes.values(), Counter[Label]())
    for group in order:
        rarest = min(sizes[group], key=lambda label: totals[label])
        fold_of[group] = min(range(count), key=lambda fold: fold_sizes[fold][rarest])
        fold_sizes[fold_of[group]] += sizes[group]
    return [
        [
            entry
            if entry.split not in (Split.TRAIN, Split.VALIDATION)
            else replace(
                entry,
                split=Split.VALIDATION if fold_of[joined[entry.group]] == fold else Split.TRAIN,
            )
            for entry in entries
        ]
        for fold in range(count)
    ]


def linked_groups(entries: Iterable[Entry]) -> dict[str, str]:
    """Return the joined group of each `Entry.group`: patients who share an image.

    They share an exact duplicate or a near duplicate. A joined group must stay in one split.

    Examples
    --------
    >>> linked_groups([Entry("a.png", Label.NORMAL, pixel_hash="1", patient="p1"),
    ...                Entry("b.png", Label.NORMAL, pixel_hash="1", patient="p2")])
    {'p1': 'p1', 'p2': 'p1'}
    """
    leader: dict[str, str] = {}
    owner: dict[str, str] = {}

    def find(group: str) -> str:
        while leader.setdefault(group, group) != group:
            leader[group] = group = leader[leader[group]]
        return group

    for entry in entries:
        for shared in _shared_images(entry):
            first = find(owner.setdefault(shared, entry.group))
            leader[find(entry.group)] = first
    return {group: find(group) for group in leader}


def _shared_images(entry: Entry) -> tuple[str, ...]:
    """Return what an image has in common with its exact and its near duplicates."""
    original = entry.near_duplicate_of or entry.path
    return (original,) if entry.pixel_hash is None else (entry.pixel_hash, original)


def patient_groups(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Return the patient of each image for counting and resampling.

    Patients who share an image (an exact or near duplicate) are one, since at least one of the
    numbers is wrong. An image without a patient is a group of its own.

    Examples
    --------
    >>> patient_groups([Entry("a.png", Label.NORMAL, pixel_hash="1", patient="p1"),
    ...                 Entry("b.png", Label.NORMAL, pixel_hash="1", patient="p2"),
    ...                 Entry("c.png", Label.NORMAL)])
    ('p1', 'p1', 'c.png')
    """
    joined = linked_groups(entries)
    return tuple(joined[entry.group] for entry in entries)


def _draw(entries: list[Entry], drawn: Split, split_by: SplitBy, seed: int) -> list[Entry]:
    pool = [entry for entry in entries if entry.split is Split.TRAIN]
    joined = linked_groups(pool) if split_by is SplitBy.PATIENT else {}
    members: dict[str, list[Entry]] = defaultdict(list)
    for entry in pool:
        members[joined.get(entry.group, entry.path)].append(entry)
    sizes = {
        group: Counter(entry.label for entry in images) for group, images in sorted(members.items())
    }
    groups = _draw_groups(sizes, drawn, seed)
    paths = {entry.path for group in groups for entry in members[group]}
    return [replace(entry, split=drawn) if entry.path in paths else entry for entry in entries]


def _draw_groups(sizes: dict[str, Counter[Label]], drawn: Split, seed: int) -> list[str]:
    """Return the groups of a split: those in random order that fit into each class's target."""
    for label in Label:
        groups = sum(size[label] > 0 for size in sizes.values())
        if groups < 2:
            raise DatasetError(
                f"the {drawn} split cannot be drawn: it needs at least 2 patients of the class "
                f"{label.name} (images where no patient is known), and there are {groups}; add "
                "patients, or declare the splits in a table"
            )
    totals: Counter[Label] = sum(sizes.values(), Counter())
    target = {label: max(1, int(SPLIT_FRACTION * totals[label])) for label in Label}
    order = list(sizes)
    random.Random(f"{seed} {drawn}").shuffle(order)
    chosen: list[str] = []
    images: Counter[Label] = Counter()
    for group in order:
        if all(images[label] + n <= target[label] for label, n in sizes[group].items()):
            chosen.append(group)
            images += sizes[group]
    for label in Label:
        if not images[label]:  # every patient has more images than the target: take the smallest
            group = min((g for g in order if sizes[g][label]), key=lambda g: sizes[g].total())
            chosen.append(group)
            images += sizes[group]
    return chosen


def _set_leaks_aside(entries: list[Entry]) -> list[Entry]:
    """Set aside images that repeat images or patients of a split that comes before theirs.

    Test comes first, then validation. Images are linked by duplicates and by declared patients; a
    number in a file name does not link them.
    """
    order = {Split.TEST: 0, Split.VALIDATION: 1, Split.TRAIN: 2}
    known = [e if e.patient_declared else replace(e, patient=None) for e in entries]
    joined = linked_groups(known)
    split_of: dict[str, Split | None] = {}
    reasons = _LeakReasons()
    for entry in sorted(known, key=lambda entry: order[entry.split or Split.TRAIN]):
        if split_of.setdefault(joined[entry.group], entry.split) is entry.split:
            reasons.add(entry)
    kept = [
        entry
        if split_of[joined[linked.group]] is entry.split
        else replace(
            entry,
            split=None,
            set_aside=f"{reasons.of(linked)} in the {split_of[joined[linked.group]]} split",
        )
        for entry, linked in zip(entries, known, strict=True)
    ]
    parts = {(entry.split, entry.label) for entry in kept}
    for former, entry in zip(entries, kept, strict=True):
        if (former.split, former.label) not in parts:
            raise DatasetError(
                f"no image of the class {former.label.name} is left in the {former.split} split; "
                f"for example {entry.path}: {entry.set_aside}. Keep each image and patient in one "
                "split"
            )
    return kept


class _LeakReasons:
    """Reasons why images are set aside, by the images and patients of the splits before theirs."""

    def __init__(self) -> None:
        self._images: dict[str, Entry] = {}
        self._patients: set[str | None] = set()

    def add(self, entry: Entry) -> None:
        """Add an image that stays in its split."""
        for shared in _shared_images(entry):
            self._images.setdefault(shared, entry)
        self._patients.add(entry.patient)

    def of(self, entry: Entry) -> str:
        """Return the reason for an image, up to the name of the split."""
        for shared in _shared_images(entry):
            if (copy := self._images.get(shared)) is not None:
                kind = "exact" if copy.pixel_hash == entry.pixel_hash else "near"
                return f"{kind} duplicate of {copy.path}, which is"
        if entry.patient is not None and entry.patient in self._patients:
            return "its patient is also"
        return "linked by duplicates to an image or patient that is"
