"""Readings of a hospital's own labelled radiographs by a bundle."""

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

_MAX_NAMED_FILES = 5
"""Largest number of missing files that an error message names."""


@dataclass(frozen=True, slots=True)
class UnreadRadiograph:
    """Labelled radiograph without a probability: outside, rejected, or failed to decode."""

    file: str
    """File name as the labels have it."""
    status: str
    """``outside``, ``rejected`` or ``failed``."""
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class LocalReadings:
    """Readings of labelled radiographs by a bundle.

    Parameters
    ----------
    paths
        Paths of the radiographs that were read or flagged, in the order of `predictions`.
    predictions
        Predictions of these radiographs. The group ``reading`` (``reading status`` if the labels
        have a column ``reading`` of their own) has the status of each. Patients who share a file
        are joined into one.
    distances
        Distance of each radiograph from the training images, relative to the bundle's limit,
        float64, shape (n,); above 1 an image is unfamiliar.
    unread
        Radiographs that were not read: outside, rejected or failed.
    quality
        Number of radiographs with each finding of the quality gate, by the code of the finding.
    unlabelled
        Files of the folder without a label.
    copies
        Number of radiographs that are copies of another one, byte by byte.
    """

    paths: tuple[Path, ...]
    predictions: Predictions
    distances: NDArray[np.float64]
    unread: tuple[UnreadRadiograph, ...]
    quality: Mapping[str, int]
    unlabelled: tuple[str, ...]
    copies: int

    @property
    def outside(self) -> tuple[UnreadRadiograph, ...]:
        """Radiographs that the bundle may not answer for (see `Status`)."""
        return tuple(image for image in self.unread if image.status == Status.OUTSIDE)

    @property
    def rejected(self) -> tuple[UnreadRadiograph, ...]:
        """Radiographs that the quality gate rejected, or that failed to decode."""
        return tuple(image for image in self.unread if image.status != Status.OUTSIDE)


def read_labelled(reader: Reader, labels: Labels, folder: Path) -> LocalReadings:
    """Read every labelled radiograph of a folder.

    Parameters
    ----------
    reader
        Bundle to read with.
    labels
        Labels by file name relative to ``folder``.
    folder
        Folder of the radiographs.

    Raises
    ------
    PredictionsError
        If a labelled file is missing, a file is labelled twice, copies of one file have different
        labels, or no file can be read.
    """
    _require_files(labels, folder)
    paths = [folder / file for file in labels.files]
    _require_distinct_files(labels, paths)
    readings = list(track(reader.read_many(paths), "Reading", len(paths)))
    rows = [row for row, reading in enumerate(readings) if reading.status in READ_OR_FLAGGED]
    unread = tuple(
        UnreadRadiograph(
            file,
            str(reading.status),
            # Reports do not need the folder of the file.
            tuple(reason.removeprefix(f"{path}: ") for reason in reading.reasons),
        )
        for file, path, reading in zip(labels.files, paths, readings, strict=True)
        if reading.status not in READ_OR_FLAGGED
    )
    if not rows:
        raise PredictionsError(
            f"{folder}: none of its {len(paths)} labelled radiographs could be read; the first: "
            f"{unread[0].file}: {'; '.join(unread[0].reasons)}"
        )
    read = [readings[row] for row in rows]
    predictions = labels.with_probabilities(
        [_not_none(reading.probability) for reading in read], rows
    )
    hashes = [_not_none(reading.sha256) for reading in read]
    _require_equal_labels_of_copies(predictions, hashes, folder)
    patients = _join_patients(predictions.patients, hashes)
    return LocalReadings(
        tuple(paths[row] for row in rows),
        _with_status(replace(predictions, patients=patients), read),
        np.array([_not_none(reading.distance) for reading in read]),
        unread,
        Counter(finding.code for reading in readings for finding in reading.quality),
        _unlabelled(paths, folder),
        len(hashes) - len(set(hashes)),
    )


def _not_none(value: _Value | None) -> _Value:
    assert value is not None  # a reading that was read or flagged has it
    return value


def _with_status(predictions: Predictions, read: Sequence[Reading]) -> Predictions:
    name = "reading"
    while name in predictions.groups:
        name += " status"
    status = tuple(str(reading.status) for reading in read)
    return replace(predictions, groups={**predictions.groups, name: status})


def _require_distinct_files(labels: Labels, paths: Sequence[Path]) -> None:
    """Raise an error if two rows name the same file, such as by a link."""
    first_name: dict[Path, str] = {}
    for file, path in zip(labels.files, paths, strict=True):
        earlier = first_name.setdefault(path.resolve(), file)
        if earlier != file:
            raise PredictionsError(
                f"{path}: is the same file as {earlier}; remove one of the two rows"
            )


def _require_equal_labels_of_copies(
    predictions: Predictions, hashes: Sequence[str], folder: Path
) -> None:
    """Raise an error if copies of one file have different labels."""
    first_row: dict[str, int] = {}
    for row, digest in enumerate(hashes):
        earlier = first_row.setdefault(digest, row)
        label, earlier_label = (CLASS_NAMES[predictions.labels[i]] for i in (row, earlier))
        if label != earlier_label:
            raise PredictionsError(
                f"{folder}: {predictions.files[earlier]} ({earlier_label}) and "
                f"{predictions.files[row]} ({label}) are copies of one file but have different "
                "labels; correct a label, or remove both rows"
            )


def _join_patients(patients: Sequence[str], hashes: Sequence[str]) -> tuple[str, ...]:
    """Return the patients, with those who share a file joined under the first one's name."""
    parent: dict[str, str] = {}
    owner: dict[str, str] = {}

    def find_root(patient: str) -> str:
        while parent.setdefault(patient, patient) != patient:
            patient = parent[patient]
        return patient

    for patient, digest in zip(patients, hashes, strict=True):
        parent[find_root(patient)] = find_root(owner.setdefault(digest, patient))
    return tuple(find_root(patient) for patient in patients)


def _require_files(labels: Labels, folder: Path) -> None:
    if not folder.is_dir():
        raise PredictionsError(f"{folder}: is not a folder; name the one that holds the images")
    missing = [file for file in labels.files if not (folder / file).is_file()]
    if missing:
        rest = len(missing) - _MAX_NAMED_FILES
        more = f" and {rest} more" if rest > 0 else ""
        raise PredictionsError(
            f"{folder}: {len(missing)} of {len(labels.files)} labelled files are missing: "
            f"{', '.join(missing[:_MAX_NAMED_FILES])}{more}. Names are relative to --images; "
            "correct the table, bring the files, or remove their rows: results on fewer "
            "radiographs than the table names would look like results on all"
        )


def _unlabelled(paths: Sequence[Path], folder: Path) -> tuple[str, ...]:
    labelled = {path.resolve() for path in paths}
    return tuple(
        file.relative_to(folder).as_posix()
        for file in list_files([folder])
        if file.resolve() not in labelled and file.suffix
    )
