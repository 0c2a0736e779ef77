"""Training history: metrics of each epoch, kept as CSV."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pneumoscope.support.files import write_text


@dataclass(frozen=True, slots=True)
class Epoch:
    """Metrics of one epoch.

    Parameters
    ----------
    epoch
        Number of the epoch, from 1.
    loss, val_loss
        Binary cross-entropy plus the L2 penalty, as Keras reports it, on train and validation.
    precision, recall
        Precision and recall on the training images during the epoch, with dropout; None where
        undefined.
    val_precision, val_recall, val_auc
        Precision, recall and AUC on validation; None where undefined.
    learning_rate
        Learning rate of the last batch.
    seconds
        Duration of training and validation together.
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


_COLUMNS = [field.name for field in fields(Epoch)]


def write_history(history: Sequence[Epoch], path: Path) -> None:
    """Write a history as CSV, atomically."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(epoch) for epoch in history)
    write_text(path, text.getvalue())


def read_history(path: Path) -> list[Epoch]:
    """Read a history; a damaged file is an OSError, a ValueError or a TypeError."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if rows.fieldnames != _COLUMNS:
            raise ValueError("its columns are not those of a history")
        return [_epoch(row) for row in rows]


def _epoch(row: Mapping[str, str]) -> Epoch:
    numbers = {name: None if text == "" else float(text) for name, text in row.items()}
    return Epoch(**{**numbers, "epoch": int(row["epoch"])})  # type: ignore[arg-type]
