"""Training history: metrics of each epoch, kept as CSV."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pneumoscope.support.files import write_text


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
        if rows.fieldnames not in (_COLUMNS, _COLUMNS[:-1]):  # up to 0.2.0 without accuracy
            raise ValueError("its columns are not those of a history")
        return [_epoch(row) for row in rows]


def _epoch(row: Mapping[str, str]) -> Epoch:
    numbers = {name: None if text == "" else float(text) for name, text in row.items()}
    return Epoch(**{**numbers, "epoch": int(row["epoch"])})  # type: ignore[arg-type]
