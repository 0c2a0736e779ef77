"""The audited test split with both readings of it, and estimates with intervals by patient."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscope.dataset import Entry, Label, Manifest, Split
from pneumoscope.dataset.splits import linked_groups
from pneumoscope.evaluation.predictions import Floats, Predictions
from pneumoscope.evaluation.statistics.agreement import cohen_kappa
from pneumoscope.evaluation.statistics.bootstrap import (
    DRAWS,
    estimate_from_resamples,
    patient_draws,
    resample,
)
from pneumoscope.evaluation.statistics.intervals import widen_certain
from pneumoscope.evaluation.statistics.roc import Ranking, ratio
from pneumoscope.report.estimate import Estimate

Flags = NDArray[np.bool_]
Patients = NDArray[np.intp]
"""Number of each image's patient, shape (n,)."""

COLUMNS = ("file", "published", "expert", "not_usable", "heart_overlay", "borderline")
"""Columns of the second reader's table."""

FLAGS = {"unusable": "not_usable", "borderline": "borderline", "heart overlay": "heart_overlay"}
"""What the second reader marks besides the finding: name, and column of the table."""


@dataclass(frozen=True, eq=False)
class AuditedSplit:
    """Images of the test split, their published labels, and an expert's blind reading.

    Parameters
    ----------
    manifest
        Dataset.
    entries
        Images of the test split, n of them.
    patient
        Patient of each image; numbers that share an exact duplicate are one patient.
    expert
        The expert's reading: ``normal``, ``bacteria`` or ``virus``, shape (n,).
    flags
        Whether the expert marked each image, by the name of the mark (see `FLAGS`).
    """

    manifest: Manifest
    entries: tuple[Entry, ...]
    patient: Patients
    expert: NDArray[np.str_]
    flags: dict[str, Flags]

    @cached_property
    def labels(self) -> NDArray[np.int8]:
        """Published labels, PNEUMONIA = 1."""
        return np.array([entry.label for entry in self.entries], np.int8)

    @cached_property
    def subtypes(self) -> NDArray[np.str_]:
        """Published subtypes: ``normal``, ``bacteria`` or ``virus``."""
        return np.array([published_subtype(entry) for entry in self.entries])

    @cached_property
    def expert_labels(self) -> NDArray[np.int8]:
        """The expert's labels, PNEUMONIA = 1."""
        return np.asarray(self.expert != "normal", np.int8)

    @property
    def disputed(self) -> Flags:
        """Images whose published label the expert contradicts."""
        return np.asarray(self.expert_labels != self.labels)

    def predictions(self, probabilities: Floats) -> Predictions:
        """Return probabilities of these images as a table."""
        return make_predictions(self.entries, self.labels, probabilities, self.patient)


def published_subtype(entry: Entry) -> str:
    """Return the subtype that a file's name and folder state."""
    return entry.subtype or entry.label.name.lower()


def make_predictions(
    entries: tuple[Entry, ...], labels: NDArray[np.int8], probabilities: Floats, patient: Patients
) -> Predictions:
    """Return probabilities of images as a table."""
    files = tuple(entry.path for entry in entries)
    return Predictions(files, labels, probabilities, tuple(map(str, patient)))


def patient_numbers(entries: tuple[Entry, ...], groups: dict[str, str]) -> Patients:
    """Return the number of each image's patient, by the joined groups of `linked_groups`."""
    names = [groups[entry.group] for entry in entries]
    return np.unique(names, return_inverse=True)[1].astype(np.intp)


def audit(manifest: Manifest, table: Path) -> AuditedSplit:
    """Return the test split of a dataset with the second reader's table, checked against it."""
    entries = manifest.of(Split.TEST)
    with table.open(newline="", encoding="utf-8") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    names = [Path(entry.path).name for entry in entries]
    if set(names) != set(rows):
        difference = sorted(set(names) ^ set(rows))
        raise SystemExit(
            f"{table}: its files are not those of the test split ({len(difference)} differ, such "
            f"as {difference[0]}); name the table of this dataset's second reader"
        )
    for name, entry in zip(names, entries, strict=True):
        if rows[name]["published"] != published_subtype(entry):
            raise SystemExit(
                f"{table}: {name} was published as {rows[name]['published']} there, and is "
                f"{published_subtype(entry)} in {manifest.root}; name the table of this dataset"
            )
    return AuditedSplit(
        manifest,
        entries,
        patient_numbers(entries, linked_groups(manifest.in_use)),
        np.array([rows[name]["expert"] for name in names]),
        {
            flag: np.array([rows[name][column] == "1" for name in names])
            for flag, column in FLAGS.items()
        },
    )


def estimate_by_patient(statistic: Callable[[Floats], Floats], patient: Patients) -> Estimate:
    """Return a statistic of images with its bootstrap interval by patient.

    Parameters
    ----------
    statistic
        Function of the images' weights in each resample, shape (resamples, n), that returns a
        value for each, NaN where it is undefined.
    patient
        Patient of each image.
    """
    numbers = np.unique(patient, return_inverse=True)[1]
    patients = int(numbers.max()) + 1
    draws = patient_draws(patients, DRAWS if patients > 1 else 0, np.random.default_rng(0))
    times = np.stack([np.ones(patients, np.int32), *draws])
    return estimate_from_resamples(statistic(times[:, numbers].astype(np.float64)))


def share(hits: Flags, patient: Patients) -> Estimate:
    """Return the share of images that are hits, with its interval by patient."""
    if not len(hits):
        return Estimate(None)
    estimate = estimate_by_patient(lambda weights: weighted_mean(hits, weights), patient)
    return widen_certain(estimate, len(np.unique(patient)))


def weighted_mean(values: Flags | Floats, weights: Floats) -> Floats:
    """Return the mean of values, shape (n,), by weights, shape (resamples, n); NaN without any."""
    return ratio(weights @ values.astype(np.float64), weights.sum(axis=1))


def counted_share(hits: Flags, patient: Patients) -> str:
    """Return a share as counts, and with its interval by patient.

    Examples
    --------
    >>> counted_share(np.array([True, True, False, True]), np.array([0, 0, 1, 2]))
    '3/4 = 0.750 (0.000 to 1.000)'
    """
    return f"{int(hits.sum())}/{len(hits)} = {share(hits, patient)}" if len(hits) else "–"


def auc_by_patient(labels: NDArray[np.int8], scores: Floats, patient: Patients) -> Estimate:
    """Return the area under the ROC curve with its interval by patient."""
    numbers = np.unique(patient, return_inverse=True)[1]
    ranking = Ranking.of(labels, scores, numbers)
    values = resample(lambda times: ranking.areas_and_counts(times)[:1], numbers, DRAWS, 0)
    smaller_class = min(len(np.unique(numbers[labels == label])) for label in Label)
    return widen_certain(estimate_from_resamples(values[:, 0]), smaller_class)


def kappa_by_patient(first: Flags, second: Flags, patient: Patients) -> Estimate:
    """Return Cohen's kappa of two yes-or-no readings with its interval by patient."""
    numbers = np.unique(patient, return_inverse=True)[1]
    return cohen_kappa(first.astype(np.int8), second.astype(np.int8), numbers)
