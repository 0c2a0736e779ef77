"""Patients of a dataset: named by a pattern of its paths, or unknown."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from pneumoscope.dataset.manifest import Entry, Manifest, Split, SplitBy
from pneumoscope.support.errors import DatasetError


def compile_patient_pattern(text: str) -> re.Pattern[str]:
    """Compile a regular expression that finds the patient in a path.

    Raises
    ------
    DatasetError
        If it is no regular expression, or has several groups.
    """
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise DatasetError(
            f"--patient-from: {text!r} is not a regular expression ({error}); for a path such as "
            r"NORMAL/p17_2.png, write '(p\d+)_'"
        ) from error
    if pattern.groups > 1:
        raise DatasetError(
            f"--patient-from: {text!r} has {pattern.groups} groups; put the part that names the "
            "patient into one group, and write the others as (?:...)"
        )
    return pattern


def name_patients(entries: Iterable[Entry], pattern: re.Pattern[str]) -> list[Entry]:
    r"""Name the patients of images by a pattern that is searched in their paths.

    The pattern's group names the patient, or the whole match if it has no group. Patients that a
    table or DICOM names stay as they are, and so do images whose path does not match.

    Raises
    ------
    DatasetError
        If it names nobody.

    Examples
    --------
    >>> from pneumoscope.dataset import Label
    >>> entries = [Entry(f"NORMAL/p17_{i}.png", Label.NORMAL) for i in range(2)]
    >>> [entry.patient for entry in name_patients(entries, re.compile(r"(p\d+)_"))]
    ['p17', 'p17']
    """
    named = []
    matches = 0
    for entry in entries:
        match = pattern.search(entry.path)
        patient = match[pattern.groups] if match else None
        matches += bool(patient)
        if patient and not entry.patient_declared:
            entry = replace(entry, patient=patient, patient_declared=True)
        named.append(entry)
    if not matches:
        raise DatasetError(
            f"--patient-from: {pattern.pattern!r} names nobody in the {len(named):,} paths, such "
            f"as {named[0].path}; correct it"
        )
    return named


def warn_of_unknown_patients(manifest: Manifest) -> str | None:
    """Return a warning of possible leakage between the splits; None if all patients are known.

    Examples
    --------
    >>> from pneumoscope.dataset import Label
    >>> entries = Entry("a.dcm", Label.NORMAL, patient="7"), Entry("b.png", Label.PNEUMONIA)
    >>> manifest = Manifest(PurePosixPath("."), entries, SplitBy.PATIENT, seed=0)
    >>> print(warn_of_unknown_patients(manifest).partition(":")[0])
    The patient is unknown for 1 of 2 images (all 1 .png)
    """
    unknown, used = manifest.images_without_patient, manifest.in_use
    if not unknown:
        return None
    which = f"all {len(used):,} images"
    if len(unknown) < len(used):
        which = f"{len(unknown):,} of {len(used):,} images ({_by_suffix(unknown, used)})"
    return (
        f"The patient is unknown for {which}: split by image, leakage cannot be excluded (images "
        "of one patient may be in two splits). Name patients in a table with the column patient, "
        "or with --patient-from."
    )


def describe_split_unit(manifest: Manifest) -> str:
    """Return the unit that validation was split by, in words."""
    unknown = len(manifest.images_without_patient)
    if manifest.split_by is SplitBy.IMAGE or unknown == len(manifest.in_use):
        return "image"
    unit = f"patient, {unknown:,} images of unknown patient by image" if unknown else "patient"
    shared = len(manifest.shared_patients(Split.TRAIN, Split.VALIDATION))
    return f"{unit}, {shared:,} patients in train and in validation" if shared else unit


def _by_suffix(unknown: Sequence[Entry], used: Sequence[Entry]) -> str:
    """Return how many images of each file format have no patient, such as "all 60 .png"."""
    totals = Counter(PurePosixPath(entry.path).suffix.lower() for entry in used)
    counts = Counter(PurePosixPath(entry.path).suffix.lower() for entry in unknown)
    return ", ".join(
        f"all {count:,} {suffix}"
        if count == totals[suffix]
        else f"{count:,} of {totals[suffix]:,} {suffix}"
        for suffix, count in sorted(counts.items())
    )
