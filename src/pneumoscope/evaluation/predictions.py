"""The table that evaluation starts from: what a model said about each radiograph, and the truth."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscope.errors import PredictionsError
from pneumoscope.files import write_text

CLASS_NAMES = ("NORMAL", "PNEUMONIA")
"""Names of the labels 0 and 1."""

COLUMNS = ("file", "label", "probability", "patient")
"""Header of a table of predictions."""


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """One model's probabilities of PNEUMONIA for labelled radiographs, one row per image.

    Any model's predictions can stand here, ours or a stranger's. The arrays are copied and made
    read-only.

    Parameters
    ----------
    files
        File name or path of each image.
    labels
        The truth, int8, shape (n,): 0 for NORMAL, 1 for PNEUMONIA.
    probabilities
        Probability of PNEUMONIA, float64, shape (n,), within [0, 1].
    patients
        Patient of each image; an image of unknown patient carries its file name here, and so
        counts as a patient of its own.

    Raises
    ------
    PredictionsError
        If there are no rows, the columns differ in length, a label is neither 0 nor 1, or a
        probability is outside [0, 1] or not finite.

    Examples
    --------
    >>> table = Predictions(("a.png", "b.png"), np.array([0, 1]), np.array([0.1, 0.3]), ("A", "B"))
    >>> table.false_negatives(threshold=0.5)
    array([1])
    """

    files: tuple[str, ...]
    labels: NDArray[np.int8]
    probabilities: NDArray[np.float64]
    patients: tuple[str, ...]

    def __post_init__(self) -> None:
        labels = np.array(self.labels)
        probabilities = np.array(self.probabilities, dtype=np.float64)
        _check_lengths(self.files, labels, probabilities, self.patients)
        _check_values(self.files, labels, probabilities)
        for name, array in (("labels", labels.astype(np.int8)), ("probabilities", probabilities)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def false_negatives(self, threshold: float) -> NDArray[np.intp]:
        """Return the rows with PNEUMONIA whose probability is below ``threshold``."""
        return np.flatnonzero((self.labels == 1) & (self.probabilities < threshold))

    def false_positives(self, threshold: float) -> NDArray[np.intp]:
        """Return the NORMAL rows whose probability is at least ``threshold``."""
        return np.flatnonzero((self.labels == 0) & (self.probabilities >= threshold))

    def write(self, path: Path) -> None:
        """Write the table as CSV, atomically; `read` gives back exactly the same values.

        Parameters
        ----------
        path
            The file to write or replace.

        Raises
        ------
        StorageError
            If the file cannot be written; what stood there before stays.

        Examples
        --------
        >>> path = getfixture("tmp_path") / "test.csv"
        >>> Predictions(("a.png",), np.array([1]), np.array([0.25]), ("person1",)).write(path)
        >>> print(path.read_text(), end="")
        file,label,probability,patient
        a.png,PNEUMONIA,0.25,person1
        """
        text = io.StringIO()
        # The line ends of RFC 4180: with others a carriage return in a file name goes unquoted.
        rows = csv.writer(text, lineterminator="\r\n")
        rows.writerow(COLUMNS)
        names = (CLASS_NAMES[label] for label in self.labels)
        probabilities = map(repr, self.probabilities.tolist())
        rows.writerows(zip(self.files, names, probabilities, self.patients, strict=True))
        write_text(path, text.getvalue())

    @classmethod
    def read(cls, path: Path) -> "Predictions":
        """Read a CSV with the columns file, label, probability and patient.

        Further columns are ignored. Labels are ``NORMAL`` and ``PNEUMONIA``; where the patient is
        empty, the image counts as a patient of its own.

        Parameters
        ----------
        path
            A table that `write` made, or anyone's with the same columns.

        Returns
        -------
        Predictions
            The rows in the order of the file.

        Raises
        ------
        PredictionsError
            If the file cannot be read, lacks a column, or has a row that cannot be evaluated; the
            message names the file and the line.
        """
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = list(_rows(file))
            return _from_rows(rows)
        except (OSError, UnicodeDecodeError, csv.Error, PredictionsError) as error:
            raise PredictionsError(
                f"{path}: not a table of predictions: {error}. It should be a CSV in UTF-8 with "
                f"the columns {', '.join(COLUMNS)}; correct it or have it written again."
            ) from error


@dataclass(frozen=True, slots=True)
class _Row:
    file: str
    label: int
    probability: float
    patient: str


def _rows(lines: Iterable[str]) -> Iterator[_Row]:
    reader = csv.DictReader(lines)
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise PredictionsError(f"the column {missing[0]!r} is missing")
    for cells in reader:
        try:
            yield _parse(cells)
        except PredictionsError as error:
            raise PredictionsError(f"line {reader.line_num}: {error}") from error


def _parse(cells: dict[str, str | None]) -> _Row:
    file, label, probability, patient = (cells[name] for name in COLUMNS)
    if not file or label is None or probability is None:
        raise PredictionsError("the row is incomplete")
    if label not in CLASS_NAMES:
        raise PredictionsError(f"the label {label!r} is neither NORMAL nor PNEUMONIA")
    try:
        number = float(probability)
    except ValueError:
        raise PredictionsError(f"the probability {probability!r} is not a number") from None
    return _Row(file, CLASS_NAMES.index(label), number, patient or file)


def _from_rows(rows: list[_Row]) -> Predictions:
    return Predictions(
        files=tuple(row.file for row in rows),
        labels=np.array([row.label for row in rows], dtype=np.int8),
        probabilities=np.array([row.probability for row in rows]),
        patients=tuple(row.patient for row in rows),
    )


def _check_lengths(
    files: tuple[str, ...],
    labels: NDArray[np.int8],
    probabilities: NDArray[np.float64],
    patients: tuple[str, ...],
) -> None:
    count = len(files)
    if count == 0:
        raise PredictionsError("there are no predictions to evaluate; give at least one image")
    if labels.shape != (count,) or probabilities.shape != (count,) or len(patients) != count:
        raise PredictionsError(
            f"{count} files, but labels of shape {labels.shape}, probabilities of shape "
            f"{probabilities.shape} and {len(patients)} patients; give one of each per image"
        )


def _check_values(
    files: tuple[str, ...], labels: NDArray[np.int8], probabilities: NDArray[np.float64]
) -> None:
    for row in np.flatnonzero(~np.isin(labels, (0, 1)))[:1]:
        raise PredictionsError(
            f"{files[row]}: the label {labels[row]} is neither 0 (NORMAL) nor 1 (PNEUMONIA)"
        )
    # A NaN fails every comparison, so it is caught here too.
    for row in np.flatnonzero(~((probabilities >= 0) & (probabilities <= 1)))[:1]:
        raise PredictionsError(
            f"{files[row]}: the probability {probabilities[row]} is not between 0 and 1"
        )
