"""A hospital's own radiographs, read with a bundle beside their labels."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import CLASS_NAMES, Labels, Predictions
from pneumoscope.reader import Reader, Reading, Status
from pneumoscope.reader.listing import list_files
from pneumoscope.support.errors import PredictionsError
from pneumoscope.support.terminal import track

READ_OR_FLAGGED = (Status.READ, Status.FLAGGED)
_Value = TypeVar("_Value")

_NAMED = 5
"""Missing files that a message names."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A labelled radiograph without a probability, and why."""

    file: str
    status: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class LocalReadings:
    """What a bundle said of labelled radiographs.

    Parameters
    ----------
    paths
        Of the radiographs that were read, in the order of `predictions`.
    predictions
        Those that were read or flagged; whether is the group ``reading``, or ``reading status``
        where the labels have a column ``reading`` of their own. Patients of whom the same file is
        there count as one.
    distances
        From what the network learned from, by the bundle's limit, float64, shape (n,); above 1 an
        image is unfamiliar.
    rejected
        Those that were not read.
    quality
        How many radiographs each finding of the quality gate was made on, by its code.
    unlabelled
        Files of the folder that no label names.
    copies
        Those among the files that were read whose bytes are those of an earlier one.
    """

    paths: tuple[Path, ...]
    predictions: Predictions
    distances: NDArray[np.float64]
    rejected: tuple[Rejected, ...]
    quality: Mapping[str, int]
    unlabelled: tuple[str, ...]
    copies: int


def read_labelled(reader: Reader, labels: Labels, folder: Path) -> LocalReadings:
    """Read every labelled radiograph of a folder.

    Parameters
    ----------
    reader
        To read with.
    labels
        Their files are relative to ``folder``.
    folder
        Where the radiographs lie.

    Raises
    ------
    PredictionsError
        If a labelled file is not there, two labels are of one file or of copies that differ in
        their labels, or none could be read.
    """
    _require_files(labels, folder)
    paths = [folder / file for file in labels.files]
    _refuse_same_file(labels, paths)
    readings = list(track(reader.read_many(paths), "Reading", len(paths)))
    rows = [row for row, one in enumerate(readings) if one.status in READ_OR_FLAGGED]
    rejected = tuple(
        Rejected(file, str(one.status), _without_place(one.reasons, path))
        for file, path, one in zip(labels.files, paths, readings, strict=True)
        if one.status not in READ_OR_FLAGGED
    )
    if not rows:
        raise PredictionsError(
            f"{folder}: none of its {len(paths)} labelled radiographs could be read; the first: "
            f"{rejected[0].file}: {'; '.join(rejected[0].reasons)}"
        )
    read = [readings[row] for row in rows]
    predictions = labels.with_probabilities([_known(one.probability) for one in read], rows)
    read_paths = tuple(paths[row] for row in rows)
    contents = [_known(one.sha256) for one in read]
    _refuse_other_labels(predictions, contents, folder)
    patients = _join_patients(predictions.patients, contents)
    return LocalReadings(
        read_paths,
        _with_status(replace(predictions, patients=patients), read),
        np.array([_known(one.distance) for one in read]),
        rejected,
        Counter(finding.code for one in readings for finding in one.quality),
        _unlabelled(paths, folder),
        len(contents) - len(set(contents)),
    )


def _known(value: _Value | None) -> _Value:
    assert value is not None  # of what was read or flagged
    return value


def _with_status(predictions: Predictions, read: Sequence[Reading]) -> Predictions:
    name = "reading"
    while name in predictions.groups:
        name += " status"
    status = tuple(str(one.status) for one in read)
    return replace(predictions, groups={**predictions.groups, name: status})


def _without_place(reasons: Sequence[str], path: Path) -> tuple[str, ...]:
    """Return reasons without where the file lies, which is nothing for a report."""
    return tuple(reason.removeprefix(f"{path}: ") for reason in reasons)


def _refuse_same_file(labels: Labels, paths: Sequence[Path]) -> None:
    first: dict[Path, str] = {}
    for file, path in zip(labels.files, paths, strict=True):
        known = first.setdefault(path.resolve(), file)
        if known != file:
            raise PredictionsError(f"{path}: is the same file as {known}; take one of the rows out")


def _refuse_other_labels(predictions: Predictions, contents: Sequence[str], folder: Path) -> None:
    first: dict[str, int] = {}
    for row, content in enumerate(contents):
        known = first.setdefault(content, row)
        label, other = (CLASS_NAMES[predictions.labels[one]] for one in (row, known))
        if label != other:
            raise PredictionsError(
                f"{folder}: {predictions.files[known]} ({other}) and {predictions.files[row]} "
                f"({label}) are the same file, byte by byte; correct a label, or take both out"
            )


def _join_patients(patients: Sequence[str], contents: Sequence[str]) -> tuple[str, ...]:
    """Return the patients, those of whom the same file is there as one, by the first's name."""
    leader: dict[str, str] = {}
    owner: dict[str, str] = {}

    def find(patient: str) -> str:
        while leader.setdefault(patient, patient) != patient:
            patient = leader[patient]
        return patient

    for patient, content in zip(patients, contents, strict=True):
        leader[find(patient)] = find(owner.setdefault(content, patient))
    return tuple(find(patient) for patient in patients)


def _require_files(labels: Labels, folder: Path) -> None:
    if not folder.is_dir():
        raise PredictionsError(f"{folder}: is not a folder; name the one that holds the images")
    missing = [file for file in labels.files if not (folder / file).is_file()]
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise PredictionsError(
            f"{folder}: {len(missing)} of {len(labels.files)} labelled files are not there: "
            f"{', '.join(missing[:_NAMED])}{more}. Names are relative to --images; correct the "
            "table, bring the files, or take their rows out: figures of fewer radiographs than the "
            "table names would look like figures of all"
        )


def _unlabelled(paths: Sequence[Path], folder: Path) -> tuple[str, ...]:
    named = {path.resolve() for path in paths}
    return tuple(
        file.relative_to(folder).as_posix()
        for file in list_files([folder])
        if file.resolve() not in named and file.suffix
    )
