"""Shift of the test split by acquisition: borders, markers, exposure, and the original size."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

from benchmarks.report import Cell, Table
from benchmarks.test_split_data import (
    AuditedSplit,
    Flags,
    Patients,
    auc_by_patient,
    counted_share,
    patient_numbers,
)
from pneumoscope.dataset import Label, Manifest, Split
from pneumoscope.dataset.acquisition import COLUMNS
from pneumoscope.dataset.splits import linked_groups
from pneumoscope.evaluation.predictions import Floats
from pneumoscope.support.cache import ArrayCache
from pneumoscope.training.acquisition_groups import acquisition_classifier, describe_acquisitions

SIZE_COLUMNS = ("original width", "original height", "aspect")
BORDER, SIZE, BOTH = "border, markers, exposure", "original size", "both"
FOLDS = 5
N_PARTS = 3

MEDIANS_NOTE = """\
Medians. Train is the published train folder, of which this project validates on a fifth of the
patients. The first ten columns are measured in the outermost eighth of each image; marker heights
are fractions of the image's height. The original size is known where lung masks were published."""

SPLIT_NOTE = f"""\
AUC of gradient boosting that tells images of test from those of train, in {FOLDS} folds by patient.
0.5 is chance. All: both classes together. Rows with the original size are of the images whose
original size is known."""

CLASS_NOTE = f"""\
AUC of gradient boosting that tells PNEUMONIA from NORMAL, and sees no lung. Within: {FOLDS} folds
by patient. Train on test: fitted on all of train."""

ALARMS_NOTE = f"""\
NORMAL test images in {N_PARTS} equal parts by the probability of PNEUMONIA that the acquisition
alone gives (border and original size, fitted on train), least like PNEUMONIA first; then the AUC of
that probability for being called PNEUMONIA. Networks at their `balanced` threshold."""


@dataclass(frozen=True, eq=False)
class Acquisitions:
    """Acquisition of every image in use, and its split, label and patient; arrays are n each."""

    features: Mapping[str, Floats]
    labels: NDArray[np.int8]
    is_test: Flags
    patient: Patients

    def known(self, name: str) -> Flags:
        """Return the images of which all features of a set are known."""
        return np.asarray(~np.isnan(self.features[name]).any(axis=1))


def read_sizes(table: Path) -> dict[str, tuple[int, int]]:
    """Return the original width and height of images, by their path in the dataset's folder."""
    with table.open(newline="", encoding="utf-8") as file:
        return {
            PurePosixPath(*PurePosixPath(row["file"]).parts[1:]).as_posix(): (
                int(row["original_width"]),
                int(row["original_height"]),
            )
            for row in csv.DictReader(file)
        }


def measure(manifest: Manifest, sizes_table: Path, cache: ArrayCache) -> Acquisitions:
    """Measure the acquisition of every image in use."""
    entries, sizes = manifest.in_use, read_sizes(sizes_table)
    border = np.asarray(describe_acquisitions(manifest, entries, cache))
    size = np.array([sizes.get(entry.path, (np.nan, np.nan)) for entry in entries], float)
    size = np.column_stack([size, size[:, 0] / size[:, 1]])
    return Acquisitions(
        {BORDER: border, SIZE: size, BOTH: np.column_stack([border, size])},
        np.array([entry.label for entry in entries], np.int8),
        np.array([entry.split is Split.TEST for entry in entries]),
        patient_numbers(entries, linked_groups(entries)),
    )


def tables(acquisitions: Acquisitions) -> Iterator[Table]:
    """Yield the tables of the shift."""
    yield Table("Acquisition by split and class", list(median_rows(acquisitions)), MEDIANS_NOTE)
    yield Table("Split by acquisition", list(split_rows(acquisitions)), SPLIT_NOTE)
    yield Table("Class by acquisition", list(class_rows(acquisitions)), CLASS_NOTE)


def median_rows(acquisitions: Acquisitions) -> Iterator[dict[str, Cell]]:
    """Yield the median of each measurement by split and class."""
    known = acquisitions.known(SIZE)
    for split in (False, True):
        for label in Label:
            rows = (acquisitions.is_test == split) & (acquisitions.labels == label)
            border = np.median(acquisitions.features[BORDER][rows], axis=0)
            size = np.median(acquisitions.features[SIZE][rows & known], axis=0)
            yield {
                "images": f"{'test' if split else 'train'}, {label.name}",
                "n": int(rows.sum()),
                **dict(zip(COLUMNS, map(float, border), strict=True)),
                "original size known": int((rows & known).sum()),
                **dict(zip(SIZE_COLUMNS, map(float, size), strict=True)),
            }


def cross_fit(features: Floats, target: NDArray[np.int8], patient: Patients) -> Floats:
    """Return the classifier's probability of each image, fitted on the other patients."""
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    probabilities: Floats = cross_val_predict(
        acquisition_classifier(),
        features,
        target,
        groups=patient,
        cv=folds,
        method="predict_proba",
    )[:, 1]
    return probabilities


def split_rows(acquisitions: Acquisitions) -> Iterator[dict[str, Cell]]:
    """Yield how well the acquisition tells test from train, in each class and in all."""
    labels, is_test = acquisitions.labels, acquisitions.is_test
    classes = {"all": np.full(len(labels), True)}
    classes |= {label.name: labels == label for label in Label}
    for name, of_class in classes.items():
        row: dict[str, Cell] = {"images": name}
        for features, table in acquisitions.features.items():
            rows = of_class & acquisitions.known(features)
            target, patient = is_test[rows].astype(np.int8), acquisitions.patient[rows]
            row[features] = str(
                auc_by_patient(target, cross_fit(table[rows], target, patient), patient)
            )
        yield row


def class_rows(acquisitions: Acquisitions) -> Iterator[dict[str, Cell]]:
    """Yield how well the acquisition tells the classes within either split, and across them."""
    labels, patient = acquisitions.labels, acquisitions.patient
    for name, table in acquisitions.features.items():
        known = acquisitions.known(name)
        train, test = known & ~acquisitions.is_test, known & acquisitions.is_test
        row: dict[str, Cell] = {"features": name}
        for column, rows in (("within train", train), ("within test", test)):
            scores = cross_fit(table[rows], labels[rows], patient[rows])
            row[column] = str(auc_by_patient(labels[rows], scores, patient[rows]))
        fitted = acquisition_classifier().fit(table[train], labels[train])
        scores = fitted.predict_proba(table[test])[:, 1]
        row["train on test"] = str(auc_by_patient(labels[test], scores, patient[test]))
        yield row | {"train": int(train.sum()), "test": int(test.sum())}


def propensity(acquisitions: Acquisitions) -> Floats:
    """Return the probability of PNEUMONIA by acquisition alone of each test image.

    It is learned from train; an original size that is unknown counts as missing.
    """
    table = acquisitions.features[BOTH]
    train = ~acquisitions.is_test & acquisitions.known(BOTH)
    classifier = acquisition_classifier().fit(table[train], acquisitions.labels[train])
    scores: Floats = classifier.predict_proba(table[acquisitions.is_test])[:, 1]
    return scores


def false_alarm_table(split: AuditedSplit, scores: Floats, calls: Mapping[str, Flags]) -> Table:
    """Return the NORMAL images that each reader calls PNEUMONIA, by acquisition.

    Parameters
    ----------
    split
        Test split.
    scores
        Probability of PNEUMONIA by acquisition alone, shape (n,).
    calls
        Whether each image is called PNEUMONIA, by the name of the reader.
    """
    normal = split.labels == 0
    scores, patient = scores[normal], split.patient[normal]
    part = np.searchsorted(np.quantile(scores, np.arange(1, N_PARTS) / N_PARTS), scores)
    rows: list[dict[str, Cell]] = [
        {
            "NORMAL images": f"part {number + 1}",
            **{
                name: counted_share(called[normal][part == number], patient[part == number])
                for name, called in calls.items()
            },
        }
        for number in range(N_PARTS)
    ]
    aucs = {
        name: str(auc_by_patient(called[normal].astype(np.int8), scores, patient))
        for name, called in calls.items()
    }
    rows.append({"NORMAL images": "AUC", **aucs})
    return Table("False alarms by acquisition", rows, ALARMS_NOTE)
