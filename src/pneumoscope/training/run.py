"""The Run directory: everything that a training used and gave, readable without this package."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save

import pneumoscope
from pneumoscope.dataset import Manifest
from pneumoscope.models.model_spec import Structure
from pneumoscope.support.errors import RunError
from pneumoscope.support.files import (
    append_line,
    atomic_folder,
    atomic_write,
    require_empty,
    write_text,
)
from pneumoscope.training.environment import describe_environment
from pneumoscope.training.recipe import Recipe

FORMAT = 3
"""Version of the directory's layout."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One row of the history.

    Parameters
    ----------
    epoch
        From 1.
    loss, val_loss
        Binary cross-entropy plus the L2 penalty, as Keras reports it.
    precision, recall
        On the training images as they passed, dropout on.
    val_precision, val_recall, val_auc
        On validation; None where undefined.
    learning_rate
        Of this epoch.
    seconds
        Training and validation together.
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


class ParameterRecord(BaseModel, frozen=True, extra="forbid"):
    """How many numbers the network holds, and how many of them learned."""

    total: int
    trainable: int


class BackboneRecord(BaseModel, frozen=True, extra="forbid"):
    """What others trained: whose weights, their SHA-256, and a frozen VGG16's seconds, if any."""

    origin: str
    digest: str
    pass_seconds: float | None


class RunRecord(BaseModel, frozen=True, extra="forbid"):
    """What ``run.json`` says; the facts after ``environment`` come as training goes on."""

    format: Literal[3] = 3
    created: str
    manifest_fingerprint: str
    synthetic: bool
    environment: dict[str, Any]
    parameters: ParameterRecord | None = None
    backbone: BackboneRecord | None = None
    finished: bool = False
    stopped_early: bool = False

    def to_json(self) -> str:
        """Return the record as the text of ``run.json``."""
        return self.model_dump_json(indent=2) + "\n"


@dataclass(frozen=True)
class Run:
    """A Run directory.

    Parameters
    ----------
    folder
        The directory.
    recipe
        What was asked for.
    record
        What ``run.json`` says.
    """

    folder: Path
    recipe: Recipe
    record: RunRecord

    @classmethod
    def create(cls, folder: Path, recipe: Recipe, manifest: Manifest) -> "Run":
        """Lay out a new directory, whole or not at all.

        Raises
        ------
        RunError
            If something is there already.
        StorageError
            If it cannot be written.
        """
        require_empty(folder, resumable=True)
        record = RunRecord(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            manifest_fingerprint=manifest.fingerprint,
            synthetic=manifest.synthetic,
            environment=describe_environment(),
        )
        with atomic_folder(folder) as new:
            recipe.write(new / "recipe.yaml")
            manifest.write(new / "manifest.parquet")
            write_text(new / "run.json", record.to_json())
        return cls(folder, recipe, record)

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """Open a directory that `create` laid out.

        Raises
        ------
        RunError
            If it is no Run directory or of another format version.
        """
        path = folder / "run.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise RunError(
                f"{path}: cannot be read ({error}), so {folder} is no Run; pass a folder that "
                "'pneumoscope train' wrote"
            ) from error
        found = content.get("format") if isinstance(content, dict) else None
        if found != FORMAT:
            raise RunError(
                f"{folder}: a Run of format {found}, and this pneumoscope "
                f"({pneumoscope.__version__}) reads format {FORMAT}; use the version that wrote "
                "it, or train again into another folder"
            )
        try:
            record = RunRecord.model_validate(content)
        except ValidationError as error:
            raise _damaged(path, error) from error
        return cls(folder, Recipe.read(folder / "recipe.yaml"), record)

    def note(self, **facts: object) -> "Run":
        """Add facts to ``run.json`` and return the Run with them."""
        record = self.record.model_copy(update=facts)
        write_text(self.folder / "run.json", record.to_json())
        return Run(self.folder, self.recipe, record)

    def manifest(self, images: Path | None = None) -> Manifest:
        """Read the manifest that the Run was trained on."""
        return Manifest.read(self.folder / "manifest.parquet", images)

    @property
    def checkpoint_path(self) -> Path:
        """State after the last finished epoch; removed once training has finished."""
        return self.folder / "checkpoints" / "last.pt"

    @property
    def weights_path(self) -> Path:
        """The finished network's weights."""
        return self.folder / "checkpoints" / "final.safetensors"

    def require_finished(self) -> None:
        """Refuse a Run whose training goes on or was interrupted.

        Raises
        ------
        RunError
            If so.
        """
        if not self.record.finished:
            raise RunError(
                f"{self.folder}: its training has not finished; go on with 'pneumoscope train ... "
                "--resume' first"
            )

    def write_history(self, history: Sequence[Epoch]) -> None:
        """Write ``history.csv``, atomically."""
        text = io.StringIO()
        writer = csv.DictWriter(text, [field.name for field in fields(Epoch)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(epoch) for epoch in history)
        write_text(self.folder / "history.csv", text.getvalue())

    def history(self) -> list[Epoch]:
        """Read ``history.csv``.

        Raises
        ------
        RunError
            If it is missing or damaged.
        """
        path = self.folder / "history.csv"
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = csv.DictReader(file)
                if rows.fieldnames != [field.name for field in fields(Epoch)]:
                    raise ValueError("its columns are not those of a history")
                return [_epoch(row) for row in rows]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise _damaged(path, error) from error

    def write_weights(self, state: Mapping[str, torch.Tensor]) -> None:
        """Write the finished network, atomically."""
        with atomic_write(self.weights_path) as file:
            file.write(save({name: value.contiguous() for name, value in state.items()}))

    def write_structure(self, structure: Structure) -> None:
        """Write what a network of the hub is built from, atomically."""
        write_text(self._structure_path, json.dumps(structure, indent=2) + "\n")

    def structure(self) -> Structure | None:
        """Read what the network is built from; None if it is of the catalogue alone.

        Raises
        ------
        RunError
            If it is damaged.
        """
        if not self._structure_path.exists():
            return None
        try:
            structure: Structure = json.loads(self._structure_path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise _damaged(self._structure_path, error) from error
        return structure

    @property
    def _structure_path(self) -> Path:
        return self.folder / "structure.json"

    def log(self, line: str) -> None:
        """Append a line to ``train.log``.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        stamp = datetime.now(UTC).isoformat(timespec="seconds")
        append_line(self.folder / "train.log", f"{stamp} {line}")

    def read_weights(self) -> dict[str, torch.Tensor]:
        """Read the finished network.

        Raises
        ------
        RunError
            If the file is missing or damaged.
        """
        try:
            return load_file(self.weights_path)
        except (OSError, SafetensorError) as error:
            raise _damaged(self.weights_path, error) from error


def _epoch(row: Mapping[str, str]) -> Epoch:
    numbers = {name: None if text == "" else float(text) for name, text in row.items()}
    return Epoch(**{**numbers, "epoch": int(row["epoch"])})  # type: ignore[arg-type]


def _damaged(path: Path, error: Exception) -> RunError:
    return RunError(
        f"{path}: missing or damaged ({error}); restore it from a copy, or train again into "
        "another folder"
    )
