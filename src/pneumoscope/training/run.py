"""Run directory: the inputs and results of a training, readable without this package."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

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
from pneumoscope.training.history import Epoch, TrainingHistory, read_history, write_history
from pneumoscope.training.recipe import Recipe
from pneumoscope.training.run_record import RunRecord, damaged_file, read_record


@dataclass(frozen=True)
class Run:
    """Run directory of a training.

    Parameters
    ----------
    folder
        Path of the directory.
    recipe
        Settings of the training.
    record
        Contents of ``run.json``.
    """

    folder: Path
    recipe: Recipe
    record: RunRecord

    @classmethod
    def create(cls, folder: Path, recipe: Recipe, manifest: Manifest) -> "Run":
        """Create a new directory, whole or not at all.

        Raises
        ------
        RunError
            If something else is at the path.
        StorageError
            If it cannot be written.
        """
        require_empty(folder, resumable=True)
        finder = recipe.preparation.lung_finder
        record = RunRecord(
            lung_finder=None if finder is None else finder.digest,
            network_source=recipe.spec.source,
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
        """Open a directory that `create` made.

        Raises
        ------
        RunError
            If it is no Run directory or of a version that is not read, or its network is of a
            package that is not installed.
        """
        record = read_record(folder)
        source = record.network_source
        if source is not None and not source.is_importable:
            raise RunError(
                f"{folder}: its network is {source}, which is not installed; "
                f"{source.how_to_install}"
            )
        return cls(folder, Recipe.read(folder / "recipe.yaml"), record)

    def update_record(self, **values: object) -> "Run":
        """Write values into ``run.json`` and return the Run with them."""
        record = self.record.model_copy(update=values)
        write_text(self.folder / "run.json", record.to_json())
        return replace(self, record=record)

    def manifest(self, images: Path | None = None) -> Manifest:
        """Read the manifest of the dataset that the Run was trained on."""
        return Manifest.read(self.folder / "manifest.parquet", images)

    def _repr_html_(self) -> str:
        from pneumoscope.training.jupyter import view_run  # it imports this module

        return view_run(self)

    @property
    def checkpoint_path(self) -> Path:
        """Path of the state after the last finished epoch, from which training can go on."""
        return self.folder / "checkpoints" / "last.pt"

    @property
    def weights_path(self) -> Path:
        """Path of the trained network's weights."""
        return self.folder / "checkpoints" / "final.safetensors"

    @property
    def history_path(self) -> Path:
        """Path of the history, which exists after the first epoch."""
        return self.folder / "history.csv"

    def write_recipe(self, recipe: Recipe) -> "Run":
        """Write another recipe into ``recipe.yaml`` and return the Run with it."""
        recipe.write(self.folder / "recipe.yaml")
        return replace(self, recipe=recipe)

    def is_finished(self, recipe: Recipe) -> bool:
        """Return whether the training of this very recipe has finished."""
        return self.record.finished and self.recipe == recipe

    def require_finished(self) -> None:
        """Raise if the training is running or was interrupted.

        Raises
        ------
        RunError
            If the training has not finished.
        """
        if not self.record.finished:
            raise RunError(
                f"{self.folder}: its training has not finished; continue it with 'pneumoscope "
                "train ... --resume' first"
            )

    def require_same_lung_finder(self) -> None:
        """Raise if the network was trained on lungs that another lung finder found.

        Raises
        ------
        RunError
            If the package's lung finder is another than that of the training.
        """
        finder = self.recipe.preparation.lung_finder
        if finder is not None and finder.digest != self.record.lung_finder:
            raise RunError(
                f"{self.folder}: was trained with another lung finder than this version's; use the "
                "version that run.json names, or train again into another folder"
            )

    def require_same_network(self) -> None:
        """Raise if the network is of another package, whose source is not that of the training.

        Raises
        ------
        RunError
            If a Python file of that package differs.
        """
        recorded, installed = self.record.network_source, self.recipe.spec.source
        if recorded is None or installed is None or recorded.digest == installed.digest:
            return
        raise RunError(
            f"{self.folder}: was trained with other source code of {recorded} than that of "
            f"{installed}, which is installed (their digests differ); {recorded.how_to_install} "
            "in the state of the training, or train again into another folder"
        )

    def write_history(self, history: Sequence[Epoch]) -> None:
        """Write ``history.csv``, atomically."""
        write_history(history, self.history_path)

    def history(self) -> TrainingHistory:
        """Read ``history.csv``; ``to_frame()`` makes a data frame of it.

        Raises
        ------
        RunError
            If it is missing or damaged.
        """
        try:
            return read_history(self.history_path)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise damaged_file(self.history_path, error) from error

    def write_weights(self, state: Mapping[str, torch.Tensor]) -> None:
        """Write the weights of the trained network, atomically."""
        with atomic_write(self.weights_path) as file:
            file.write(save({name: value.contiguous() for name, value in state.items()}))

    def read_weights(self) -> dict[str, torch.Tensor]:
        """Read the weights of the trained network.

        Raises
        ------
        RunError
            If the file is missing or damaged.
        """
        try:
            return load_file(self.weights_path)
        except (OSError, SafetensorError) as error:
            raise damaged_file(self.weights_path, error) from error

    def write_structure(self, structure: Structure) -> None:
        """Write the description of the layers of a network of the hub, atomically."""
        write_text(self._structure_path, json.dumps(structure, indent=2) + "\n")

    def structure(self) -> Structure | None:
        """Read the description of the layers; None for a network that the catalogue defines.

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
            raise damaged_file(self._structure_path, error) from error
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
