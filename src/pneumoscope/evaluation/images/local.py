"""A hospital's own radiographs, read with a bundle beside their labels."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscope.errors import PredictionsError
from pneumoscope.evaluation.predictions import Labels, Predictions
from pneumoscope.reader import Reader, Reading, Status
from pneumoscope.reader.listing import list_files
from pneumoscope.terminal import track

READ_OR_FLAGGED = (Status.READ, Status.FLAGGED)
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
        Those that were read or flagged; whether is the group ``reading``.
    distances
        From what the network learned from, by the bundle's limit, float64, shape (n,); above 1 an
        image is unfamiliar.
    rejected
        Those that were not read.
    quality
        How many radiographs each finding of the quality gate was made on, by its code.
    unlabelled
        Files of the folder that no label names.
    """

    paths: tuple[Path, ...]
    predictions: Predictions
    distances: NDArray[np.float64]
    rejected: tuple[Rejected, ...]
    quality: Mapping[str, int]
    unlabelled: tuple[str, ...]


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
        If a labelled file is not there, or none could be read.
    """
    _require_files(labels, folder)
    paths = [folder / file for file in labels.files]
    readings = list(track(reader.read_many(paths), "Reading", len(paths)))
    rows = [row for row, one in enumerate(readings) if one.status in READ_OR_FLAGGED]
    rejected = tuple(
        Rejected(file, str(one.status), one.reasons)
        for file, one in zip(labels.files, readings, strict=True)
        if one.status not in READ_OR_FLAGGED
    )
    if not rows:
        raise PredictionsError(
            f"{folder}: none of its {len(paths)} labelled radiographs could be read; the first: "
            f"{rejected[0].file}: {'; '.join(rejected[0].reasons)}"
        )
    read = [readings[row] for row in rows]
    predictions = labels.with_probabilities([_known(one.probability) for one in read], rows)
    return LocalReadings(
        tuple(paths[row] for row in rows),
        _with_status(predictions, read),
        np.array([_known(one.distance) for one in read]),
        rejected,
        Counter(finding.code for one in readings for finding in one.quality),
        _unlabelled(paths, folder),
    )


def _known(value: float | None) -> float:
    assert value is not None  # of what was read or flagged
    return value


def _with_status(predictions: Predictions, read: Sequence[Reading]) -> Predictions:
    groups = dict(predictions.groups) | {"reading": tuple(str(one.status) for one in read)}
    return Predictions(
        predictions.files,
        predictions.labels,
        predictions.probabilities,
        predictions.patients,
        groups,
    )


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
