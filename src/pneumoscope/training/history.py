"""Training history: metrics of each epoch, kept as CSV."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pneumoscope.support.data_frame import make_data_frame
from pneumoscope.support.files import write_text

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, slots=True)
class Epoch:
    """Metrics of one epoch, numbered from 1; a metric is None where it is undefined.

    A loss is the binary cross-entropy plus the L2 penalty, as Keras reports it. Precision and
    recall on the training images are those during the epoch, with dropout. The learning rate is
    that of the last batch, and the seconds are those of training and validation together. Versions
    up to 0.2.0 did not record the accuracy.
    """

    epoch: int
    loss: float
    precision: float | None
    recall: float | None
    val_loss: float
    val_precision: float | None
    val_recall: float | None
    val_auc: float | None
    learning_rate: float
    seconds: float
    val_accuracy: float | None = None


def kept_epoch(history: Sequence[Epoch], *, best: bool) -> int:
    """Return the number of the last epoch, or of the first with the lowest validation loss."""
    if best:
        return min(history, key=lambda epoch: epoch.val_loss).epoch
    return len(history)


class TrainingHistory(tuple[Epoch, ...]):
    """Epochs of a training, in order.

    Examples
    --------
    >>> epoch = Epoch(1, 0.7, None, 0.5, 0.69, 0.8, 0.6, 0.71, 1e-3, 2.5)
    >>> TrainingHistory([epoch]).to_frame()[["epoch", "precision", "val_auc"]]
       epoch  precision  val_auc
    0      1        NaN     0.71
    """

    def to_frame(self) -> "DataFrame":
        """Return the metrics as a data frame, one row per epoch, with the columns of the CSV.

        Raises
        ------
        MissingPackageError
            If pandas is not installed.
        """
        columns = {
            name: np.array([getattr(epoch, name) for epoch in self], np.float64)
            for name in _COLUMNS
        }
        return make_data_frame({**columns, "epoch": [epoch.epoch for epoch in self]})


_COLUMNS = [field.name for field in fields(Epoch)]


def write_history(history: Sequence[Epoch], path: Path) -> None:
    """Write a history as CSV, atomically."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(epoch) for epoch in history)
    write_text(path, text.getvalue())


def read_history(path: Path) -> TrainingHistory:
    """Read a history; a damaged file is an OSError, a ValueError or a TypeError."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if rows.fieldnames not in (_COLUMNS, _COLUMNS[:-1]):  # up to 0.2.0 without accuracy
            raise ValueError("its columns are not those of a history")
        return TrainingHistory(_epoch(row) for row in rows)


def _epoch(row: Mapping[str, str]) -> Epoch:
    numbers = {name: None if text == "" else float(text) for name, text in row.items()}
    return Epoch(**{**numbers, "epoch": int(row["epoch"])})  # type: ignore[arg-type]
