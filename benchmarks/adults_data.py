"""Tables of labels for the fine-tuning on adults: the NIH images, the children, and the folds."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from benchmarks.radiologists import (
    NOT_READ,
    RadiologistReading,
    RsnaClass,
    read_radiologists,
)
from pneumoscope.dataset import Split, open_dataset

CHILDREN = "chest_xray"
ADULTS = ("nih_external", "nih_mixed")
FOLDS = 5
CHILDREN_STRIDE = 3
"""One in this many of the children's training patients stays in the fine-tuning."""

COLUMNS = ("file", "label", "patient", "split", "source", "view", "findings")


class Labels(StrEnum):
    """Labels of the adults: mined from reports, or cleaned by the radiologists who read them."""

    MINED = "mined"
    CLEANED = "cleaned"


@dataclass(frozen=True)
class Adult:
    """An image of an adult: a row of the NIH folders' tables of labels, and how it was read."""

    file: str
    folder: str
    patient: str
    view: str
    findings: tuple[str, ...]
    reading: RadiologistReading = NOT_READ

    @property
    def ill(self) -> bool:
        """Whether the report names pneumonia."""
        return "Pneumonia" in self.findings

    @property
    def healthy(self) -> bool:
        """Whether the report names no finding."""
        return self.findings == ("No Finding",)

    def is_pneumonia(self, labels: Labels) -> bool:
        """Return the label; cleaned, it is whether radiologists saw an opacity, where they read."""
        if labels is Labels.MINED or self.reading.opacity is None:
            return self.ill
        return self.reading.opacity

    def has_other_findings(self, labels: Labels) -> bool:
        """Return whether it is neither PNEUMONIA nor without findings, by these labels."""
        if labels is Labels.MINED:
            return not (self.ill or self.healthy)
        return not (self.is_pneumonia(labels) or has_no_finding(self) or is_normal(self))

    def row(self, split: Split, labels: Labels = Labels.MINED) -> dict[str, str]:
        """Return the row of the table of labels; other diseases count as NORMAL."""
        return {
            "file": self.file,
            "label": "PNEUMONIA" if self.is_pneumonia(labels) else "NORMAL",
            "patient": f"adult {self.patient}",
            "split": split.value,
            "source": self.folder,
            "view": self.view,
            "findings": "|".join(self.findings),
        }


def has_no_finding(adult: Adult) -> bool:
    """Return whether the report names no finding, and no radiologist read it otherwise."""
    return (
        adult.healthy
        and adult.reading.rsna_class in (None, RsnaClass.NORMAL)
        and not adult.reading.airspace_opacity
    )


def is_normal(adult: Adult) -> bool:
    """Return whether radiologists read the image as normal, whatever its report says."""
    reading = adult.reading
    return reading.rsna_class is RsnaClass.NORMAL and not reading.airspace_opacity


def read_adults(data: Path) -> list[Adult]:
    """Read the tables of labels of both NIH folders, and how radiologists read the images."""
    adults = []
    for folder in ADULTS:
        readings = read_radiologists(data / folder)
        with (data / folder / "labels.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                path = f"{folder}/images/{row['file']}"
                findings = tuple(row["findings"].split("|"))
                reading = readings.get(row["file"], NOT_READ)
                adults.append(Adult(path, folder, row["patient"], row["view"], findings, reading))
    return adults


def read_children(data: Path, fingerprint: str) -> list[dict[str, str]]:
    """Return rows of the children: all of validation and test, and a part of train.

    Raises
    ------
    SystemExit
        If the data are others than those of this fingerprint, which the network was trained on.
    """
    manifest = open_dataset(data / CHILDREN)
    if manifest.fingerprint != fingerprint:
        raise SystemExit(
            f"{data}: the network was trained on other data or another split ({fingerprint[:12]}); "
            "pass a Run trained on it"
        )
    entries = manifest.in_use
    train_patients = sorted({entry.group for entry in entries if entry.split is Split.TRAIN})
    kept = set(train_patients[::CHILDREN_STRIDE])
    return [
        {
            "file": f"{CHILDREN}/{entry.path}",
            "label": entry.label.name,
            "patient": f"child {entry.group}",
            "split": entry.split.value,
            "source": CHILDREN,
            "view": "",
            "findings": "",
        }
        for entry in entries
        if entry.split is not None and (entry.split is not Split.TRAIN or entry.group in kept)
    ]


def assign_folds(adults: Sequence[Adult]) -> NDArray[np.intp]:
    """Return the fold of each adult, grouped by patient and stratified by folder and label."""
    strata = [f"{adult.folder} {adult.ill} {adult.healthy}" for adult in adults]
    fold = np.zeros(len(adults), np.intp)
    splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    patients = [adult.patient for adult in adults]
    for number, (_, held_out) in enumerate(splitter.split(strata, strata, patients)):
        fold[held_out] = number
    return fold


def write_table(rows: Sequence[Mapping[str, str]], path: Path) -> None:
    """Write rows as a table of labels that `pneumoscope data manifest` reads."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def fold_rows(
    children: Sequence[Mapping[str, str]],
    adults: Sequence[Adult],
    fold: NDArray[np.intp],
    held_out: int,
    labels: Labels,
) -> Iterator[Mapping[str, str]]:
    """Yield a fold's table: validation are children, test the adults of the fold held out.

    Adults who have other findings are tested, and not learned from: a label that calls an effusion
    or a mass NORMAL teaches that opacities are normal.
    """
    yield from (row for row in children if row["split"] != Split.TEST.value)
    for adult, number in zip(adults, fold, strict=True):
        if number == held_out:
            yield adult.row(Split.TEST, labels)
        elif not adult.has_other_findings(labels):
            yield adult.row(Split.TRAIN, labels)


def last_rows(
    children: Sequence[Mapping[str, str]], adults: Sequence[Adult]
) -> Iterator[Mapping[str, str]]:
    """Yield the table of the last training: train on adults, validate and test on children."""
    for row in children:
        if row["split"] == Split.TEST.value:
            # Equal numbers in train's file names are other children: docs/explanation/splits.md.
            yield {**row, "patient": f"{row['patient']} of test"}
        else:
            yield row
    for adult in adults:
        if not adult.has_other_findings(Labels.MINED):
            yield adult.row(Split.TRAIN)
