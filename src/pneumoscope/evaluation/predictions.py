"""Tables of predictions: a model's probabilities for labelled radiographs."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pneumoscope.report.interval import Unit
from pneumoscope.support.data_frame import make_data_frame
from pneumoscope.support.errors import PredictionsError
from pneumoscope.support.tables import TableRow, parse_number, read_table, write_table
from pneumoscope.support.terminal import messages

if TYPE_CHECKING:
    from pandas import DataFrame

Floats: TypeAlias = NDArray[np.float64]

CLASS_NAMES = ("NORMAL", "PNEUMONIA")
"""Names of the classes by label, 0 and 1."""

_LABELS = {"normal": 0, "0": 0, "pneumonia": 1, "1": 1}
"""Labels as they are written in tables, in lower case."""

_LIKE_POSITIVES = re.compile(r"pneumonia|positive|^(yes|true|1)", re.IGNORECASE)
"""Unknown labels that look positive, for which the error proposes no --negative."""

COLUMNS = ("file", "label", "probability", "patient")
"""Columns of a table of predictions."""

NOT_READ = "not_read"
"""Column with the reason why an image has no probability; such rows are left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Probabilities of PNEUMONIA by one model for labelled radiographs, one row per image.

    The predictions may be those of any model, not only ours. The arrays are copied and made
    read-only.

    Parameters
    ----------
    files
        File name or path of each image.
    labels
        Label of each image, int8, shape (n,): 0 for NORMAL, 1 for PNEUMONIA.
    probabilities
        Probability of PNEUMONIA, float64, shape (n,), within [0, 1].
    patients
        Patient of each image; an image of unknown patient has its file name here, and so counts as
        a patient of its own.
    groups
        Further columns by name, such as sex or scanner, for the analysis by subgroup.

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
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        labels = np.array(self.labels)
        probabilities = np.array(self.probabilities, dtype=np.float64)
        _check_lengths(self.files, labels, probabilities, self.patients)
        for name, column in self.groups.items():
            if len(column) != len(self.files):
                raise PredictionsError(
                    f"the column {name} has {len(column)} cells for {len(self.files)} files; give "
                    "one for each image"
                )
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

    def worst_errors(self, threshold: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the rows of false negatives and of false positives, the most confident first.

        Examples
        --------
        >>> probabilities, files = np.array([0.4, 0.1, 0.6]), ("a", "b", "c")
        >>> Predictions(files, np.array([1, 1, 0]), probabilities, files).worst_errors(0.5)
        (array([1, 0]), array([2]))
        """
        negatives, positives = self.false_negatives(threshold), self.false_positives(threshold)
        return (
            negatives[np.argsort(self.probabilities[negatives], kind="stable")],
            positives[np.argsort(-self.probabilities[positives], kind="stable")],
        )

    @property
    def prevalence(self) -> float:
        """Share of the images that is labelled PNEUMONIA."""
        return float(np.mean(self.labels == 1))

    @property
    def n_without_patient(self) -> int:
        """Number of images of unknown patient."""
        files = set(self.files)
        return sum(patient in files for patient in self.patients)

    @property
    def resampling_unit(self) -> Unit:
        """Unit that intervals are by: the image, if the patient of any image is unknown.

        Images of a known patient stay together even then.
        """
        return "image" if self.n_without_patient else "patient"

    def describe_patients(self) -> str:
        """Return the number of patients in words; it is not counted if any is unknown.

        Examples
        --------
        >>> columns = ("a.png", "b.png"), np.array([0, 1]), np.array([0.1, 0.3])
        >>> Predictions(*columns, patients=("A", "A")).describe_patients()
        '1 patient'
        >>> Predictions(*columns, patients=("A", "b.png")).describe_patients()
        'patients unknown for 1 of 2 images'
        """
        unknown = self.n_without_patient
        if unknown == len(self.files):
            return "patients unknown"
        if unknown:
            return f"patients unknown for {unknown:,} of {len(self.files):,} images"
        count = len(set(self.patients))
        return f"{count:,} patient" + "s" * (count != 1)

    def patient_numbers(self) -> NDArray[np.intp]:
        """Return the number of each image's patient, 0 to patients - 1, shape (n,)."""
        return np.unique(np.array(self.patients), return_inverse=True)[1]

    def write(self, path: Path) -> None:
        """Write the table, atomically, such that `read` returns the same values.

        Only blanks around names and cells are lost. It is CSV, or Parquet where the name ends so.

        Raises
        ------
        StorageError
            If the file cannot be written; an existing file stays as it is.

        Examples
        --------
        >>> path = getfixture("tmp_path") / "test.csv"
        >>> Predictions(("a.png",), np.array([1]), np.array([0.25]), ("person1",)).write(path)
        >>> print(path.read_text(), end="")
        file,label,probability,patient
        a.png,PNEUMONIA,0.25,person1
        """
        write_table(path, self._columns())

    def to_frame(self) -> "DataFrame":
        """Return the predictions as a data frame, with the columns that `write` writes.

        Raises
        ------
        MissingPackageError
            If pandas is not installed.

        Examples
        --------
        >>> Predictions(("a.png",), np.array([1]), np.array([0.25]), ("person1",)).to_frame()
            file      label  probability  patient
        0  a.png  PNEUMONIA         0.25  person1
        """
        return make_data_frame(self._columns())

    def _columns(self) -> dict[str, Sequence[str | float | None]]:
        names = [CLASS_NAMES[label] for label in self.labels]
        columns = (self.files, names, self.probabilities.tolist(), self.patients)
        groups = {name: cells for name, cells in self.groups.items() if name not in COLUMNS}
        return {**dict(zip(COLUMNS, columns, strict=True)), **groups}

    def rows(self, selection: NDArray[np.intp] | NDArray[np.bool_]) -> "Predictions":
        """Return the rows of a selection, by their numbers or by a mask.

        Raises
        ------
        PredictionsError
            If the selection is empty.
        """
        numbers = np.arange(len(self.files))[selection]

        def pick(column: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(column[row] for row in numbers)

        return Predictions(
            pick(self.files),
            self.labels[numbers],
            self.probabilities[numbers],
            pick(self.patients),
            {name: pick(column) for name, column in self.groups.items()},
        )

    @classmethod
    def read(cls, path: Path, negatives: Sequence[str] = ()) -> "Predictions":
        """Read a table with the columns file, label and probability.

        Labels are ``NORMAL`` or 0 and ``PNEUMONIA`` or 1, in upper or lower case. Where the column
        patient is missing or empty, the image counts as a patient of its own. All other columns
        become `groups`. Rows without a probability that state the reason in the column `NOT_READ`
        are left out, and a message says so.

        Parameters
        ----------
        path
            Table written by `write` or by any other program; see `read_table`.
        negatives
            Further labels that count as NORMAL, such as ``OTHER`` for other diseases, in upper or
            lower case; the label itself is kept as the group ``label``.

        Returns
        -------
        Predictions
            Rows in the order of the file.

        Raises
        ------
        TableError
            If the file cannot be read as a table or lacks a column.
        PredictionsError
            If a row cannot be evaluated; the message names the file, and the line or image.
        """
        labels = Labels.read(path, negatives, ("probability",))
        texts = labels.groups["probability"]
        rows = _rows_with_probability(path, labels)
        try:
            return labels.with_probabilities(
                [_probability(labels.files[row], texts[row]) for row in rows], rows
            )
        except PredictionsError as error:
            raise PredictionsError(f"{path}: {error}; correct it or write it again") from error


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of radiographs, without predictions, as columns of `Predictions`."""

    files: tuple[str, ...]
    labels: tuple[int, ...]
    patients: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]

    @classmethod
    def read(
        cls, path: Path, negatives: Sequence[str] = (), further: Sequence[str] = ()
    ) -> "Labels":
        r"""Read a table with the columns file and label, and those of ``further``.

        See `Predictions.read` for the accepted labels and the errors.

        Examples
        --------
        >>> path = getfixture("tmp_path") / "labels.csv"
        >>> _ = path.write_text("file,label,sex\na.png,NORMAL,F\nb.png,OTHER,M\n")
        >>> Labels.read(path, negatives=["OTHER"]).groups
        {'sex': ('F', 'M'), 'label': ('NORMAL', 'OTHER')}
        """
        rows = read_table(path, (*COLUMNS[:2], *further))
        try:
            labels = tuple(parse_label(row, negatives) for row in rows)
        except PredictionsError as error:
            raise PredictionsError(f"{path}: {error}") from error
        files = tuple(row.cells["file"] for row in rows)
        patients = tuple(row.cells.get("patient") or row.cells["file"] for row in rows)
        if not rows:
            raise PredictionsError(f"{path}: the table has no rows; give one row per image")
        names = [name for name in rows[0].cells if name not in COLUMNS[:2]]
        names = [name for name in names if name != "patient"] + (["label"] if negatives else [])
        groups = {name: tuple(row.cells[name] for row in rows) for name in names}
        return cls(files, labels, patients, groups)

    def with_probabilities(
        self, probabilities: Sequence[float], rows: Sequence[int] | None = None
    ) -> Predictions:
        """Return predictions with a model's probabilities of PNEUMONIA, for all rows or some.

        Raises
        ------
        PredictionsError
            If `Predictions` refuses the values.
        """
        rows = range(len(self.files)) if rows is None else rows

        def pick(column: Sequence[str]) -> tuple[str, ...]:
            return tuple(column[row] for row in rows)

        return Predictions(
            pick(self.files),
            np.array([self.labels[row] for row in rows], dtype=np.int8),
            np.array(probabilities, dtype=np.float64),
            pick(self.patients),
            {
                name: pick(column)
                for name, column in self.groups.items()
                if name not in ("probability", NOT_READ)
            },
        )


def _rows_with_probability(path: Path, labels: Labels) -> list[int]:
    """Return the rows but those that state why they have no probability; a message names one."""
    reasons = labels.groups.get(NOT_READ, [""] * len(labels.files))
    unread = [
        row for row, text in enumerate(labels.groups["probability"]) if not text and reasons[row]
    ]
    if unread:
        messages.print(
            f"{path}: {len(unread):,} of {len(labels.files):,} images have no probability and are "
            f"left out; the first: {labels.files[unread[0]]}: {reasons[unread[0]]}",
            style="yellow",
        )
    return sorted(set(range(len(labels.files))).difference(unread))


def parse_label(row: TableRow, negatives: Sequence[str] = ()) -> int:
    """Return the label of a table's row, 0 or 1; see `Predictions.read`.

    A label of another kind raises `PredictionsError`, which names the line.

    Examples
    --------
    >>> parse_label(TableRow("line 2", {"file": "a.png", "label": "Pneumonia"}))
    1
    """
    label = row.cells["label"]
    lower = label.casefold()
    if lower in {negative.strip().casefold() for negative in negatives}:
        return 0
    if lower in _LABELS:
        return _LABELS[lower]
    problem = f"the label {label!r} is unknown" if label else "no label"
    hint = (
        f", or if it counts as not having pneumonia, pass --negative {shlex.quote(label)}"
        if label and not _LIKE_POSITIVES.search(label)
        else ""
    )
    raise PredictionsError(
        f"{row.place}: {problem}; write NORMAL or 0, or PNEUMONIA or 1, in any case{hint}"
    )


def _probability(file: str, text: str) -> float:
    try:
        return parse_number(text)
    except ValueError:
        raise PredictionsError(f"{file}: the probability {text!r} is not a number") from None


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
