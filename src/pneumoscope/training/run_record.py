"""Record of a Run: the contents of ``run.json``, its version, and the conversion of older ones."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

import pneumoscope
from pneumoscope.support.errors import RunError
from pneumoscope.support.plugins import PluginSource

FORMAT = 5
"""Version of a Run directory.

Version 4, which had no `kept_epoch`, and version 3, which had another name for `initial_weights`,
are read.
"""


class ParameterRecord(BaseModel, frozen=True, extra="forbid"):
    """Number of the network's parameters, and of those that were trained."""

    total: int
    trainable: int


class InitialWeightsRecord(BaseModel, frozen=True, extra="forbid"):
    """Origin and SHA-256 of the initial weights, and the seconds of the frozen layers' pass."""

    origin: str
    digest: str
    pass_seconds: float | None


class RunRecord(BaseModel, frozen=True, extra="forbid"):
    """Contents of ``run.json``; the values after ``environment`` are added during the training."""

    format: Literal[5] = 5
    created: str
    manifest_fingerprint: str
    synthetic: bool
    environment: dict[str, Any]
    lung_finder: str | None = None
    """SHA-256 of the lung finder; None where whole images are read."""
    network_source: PluginSource | None = None
    """Origin of a network of another package; None for those of this one."""
    parameters: ParameterRecord | None = None
    initial_weights: InitialWeightsRecord | None = None
    finished: bool = False
    stopped_early: bool = False
    kept_epoch: int | None = None
    """Epoch whose weights are kept; None before the end, and in versions before 5: the last."""

    def to_json(self) -> str:
        """Return the record as the text of ``run.json``."""
        return self.model_dump_json(indent=2) + "\n"


def read_record(folder: Path) -> RunRecord:
    """Read ``run.json`` of a Run directory.

    Raises
    ------
    RunError
        If the folder is no Run directory, its record is damaged, or of a version that is not read.
    """
    path = folder / "run.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RunError(
            f"{path}: cannot be read ({error}), so {folder} is no Run; pass a folder that "
            "'pneumoscope train' wrote"
        ) from error
    version = content.get("format") if isinstance(content, dict) else None
    if version == 3:
        content |= {"initial_weights": content.pop("backbone", None)}
    if version in (3, 4):
        content |= {"format": FORMAT}
    elif version is None:
        raise RunError(
            f"{path}: not the record of a Run; pass a folder that 'pneumoscope train' wrote"
        )
    elif version != FORMAT:
        raise RunError(
            f"{folder}: a Run of format {version}, and this pneumoscope "
            f"({pneumoscope.__version__}) reads formats 3 to {FORMAT}; use the version that wrote "
            "it, or train again into another folder"
        )
    try:
        return RunRecord.model_validate(content)
    except ValidationError as error:
        raise damaged_file(path, error) from error


def damaged_file(path: Path, error: Exception) -> RunError:
    """Return the error of a file of a Run directory that is missing or damaged."""
    return RunError(
        f"{path}: missing or damaged ({error}); restore it from a copy, or train again into "
        "another folder"
    )
