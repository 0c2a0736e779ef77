"""The Run directory: everything that a training used and gave, readable without this package."""

import csv
import io
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save

import pneumoscope
from pneumoscope.dataset import Manifest
from pneumoscope.errors import RunError
from pneumoscope.files import append_line, atomic_write, write_text
from pneumoscope.training.recipe import Recipe

FORMAT = 1
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
        The contents of ``run.json``: format, manifest fingerprint, environment, parameters,
        where VGG16's weights are from, and whether training has finished.
    """

    folder: Path
    recipe: Recipe
    record: Mapping[str, Any]

    @classmethod
    def create(cls, folder: Path, recipe: Recipe, manifest: Manifest) -> "Run":
        """Lay out a new directory.

        Raises
        ------
        RunError
            If something is there already.
        StorageError
            If it cannot be written.
        """
        if folder.exists() and any(folder.iterdir()):
            raise RunError(
                f"{folder}: the folder is not empty; pass --resume to go on with the Run in it, or "
                "choose another --out"
            )
        record = {
            "format": FORMAT,
            "finished": False,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "manifest_fingerprint": manifest.fingerprint,
            "environment": describe_environment(),
        }
        recipe.write(folder / "recipe.yaml")
        manifest.write(folder / "manifest.parquet")
        write_text(folder / "run.json", json.dumps(record, indent=2))
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
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise RunError(
                f"{path}: cannot be read ({error}), so {folder} is no Run; pass a folder that "
                "'pneumoscope train' wrote"
            ) from error
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            found = record.get("format") if isinstance(record, dict) else None
            raise RunError(
                f"{folder}: a Run of format {found}, and this pneumoscope "
                f"({pneumoscope.__version__}) reads format {FORMAT}; use the version that wrote "
                "it, or train again into another folder"
            )
        return cls(folder, Recipe.read(folder / "recipe.yaml"), record)

    @property
    def finished(self) -> bool:
        """Whether training came to its end."""
        return bool(self.record["finished"])

    def note(self, **facts: object) -> "Run":
        """Add facts to ``run.json`` and return the Run with them."""
        record = {**self.record, **facts}
        write_text(self.folder / "run.json", json.dumps(record, indent=2))
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

    def write_history(self, history: Sequence[Epoch]) -> None:
        """Write ``history.csv``, atomically."""
        text = io.StringIO()
        writer = csv.DictWriter(text, [field.name for field in fields(Epoch)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(epoch) for epoch in history)
        write_text(self.folder / "history.csv", text.getvalue())

    def history(self) -> list[Epoch]:
        """Read ``history.csv``."""
        with (self.folder / "history.csv").open(newline="", encoding="utf-8") as file:
            return [_epoch(row) for row in csv.DictReader(file)]

    def write_weights(self, state: Mapping[str, torch.Tensor]) -> None:
        """Write the finished network, atomically."""
        with atomic_write(self.weights_path) as file:
            file.write(save({name: value.contiguous() for name, value in state.items()}))

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
        """Read the finished network."""
        return load_file(self.weights_path)


def describe_environment() -> dict[str, object]:
    """Say what a Run is computed with: versions, device, threads and source commit."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "pneumoscope": pneumoscope.__version__,
        "git_commit": _git_commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": gpu or _processor(),
        "threads": torch.get_num_threads(),
        "precision": "float32",
        "packages": {name: metadata.version(name) for name in ("torch", "numpy", "pillow")},
    }


def _git_commit() -> str | None:
    """Return the commit of a source checkout, None for an installed package or without git."""
    checkout = Path(__file__).resolve().parents[3]
    if not (checkout / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(checkout), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


def _epoch(row: Mapping[str, str]) -> Epoch:
    numbers = {name: None if text == "" else float(text) for name, text in row.items()}
    return Epoch(**{**numbers, "epoch": int(row["epoch"])})  # type: ignore[arg-type]
