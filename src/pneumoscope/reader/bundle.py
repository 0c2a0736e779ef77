"""The Bundle: a network with all that turns its logit into a reading, in one folder."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

import pneumoscope
from pneumoscope.radiograph import Resampling, preprocess
from pneumoscope.report.estimate import Estimate
from pneumoscope.report.operating_point import OperatingPoint
from pneumoscope.support.errors import BundleError
from pneumoscope.support.files import atomic_folder, write_bytes

FORMAT = 3
"""Version of the folder's layout; format 2 is read too, and its metrics are renamed."""

_RENAMED_METRICS = {"recall": "sensitivity", "precision": "ppv"}
"""Metrics of an operating point by their names in format 2, and their names since."""

RECORD = "bundle.yaml"
CHECKSUM = "bundle.yaml.sha256"
"""Of the record, which holds those of the other files; ``sha256sum --check`` reads it."""

GRAPH = "model.onnx"
GATE = "quality_gate.npz"
POPULATION = "population.npz"
CARD = "MODEL_CARD.md"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputContract(_Part):
    """What the graph is given: uint8 pixels (n, size, size) from `prepare_pixels`."""

    size: int
    resampling: Resampling
    preparation: int
    """`preprocess.PREPARATION_VERSION` with which the network learned."""


class Member(_Part):
    """One Run in the graph; of several, logits and heat maps are averaged."""

    model: str
    seed: int
    precision: str
    epochs: int
    created: str


class Calibration(_Part):
    """Probability = sigmoid(logit / temperature + intercept)."""

    temperature: float
    intercept: float = 0.0
    n: int
    fitted_on: str


class TrainingData(_Part):
    """What was learned from; ``population`` says whose radiographs, in words."""

    population: str
    fingerprint: str
    train: int
    validation: int
    synthetic: bool


class Change(_Part):
    """What was done to a bundle after it was exported: ``before`` is the bundle's identity then."""

    created: str
    pneumoscope: str
    before: str
    what: str


class BundleRecord(_Part):
    """What ``bundle.yaml`` says."""

    format: Literal[2, 3] = 3
    name: str
    notice: str | None
    created: str
    pneumoscope: str
    members: tuple[Member, ...]
    input: InputContract
    arithmetic: Literal["float32", "int8"] = "float32"
    """What the graph's convolutions multiply."""
    calibration: Calibration
    operating_points: dict[str, OperatingPoint]
    population_limit: float
    training_data: TrainingData
    metrics: dict[str, dict[str, Estimate]]
    """By split, then metric: of the exported graph on validation, of the Runs on test."""
    intended_use: str
    limitations: tuple[str, ...]
    licence: str
    history: tuple[Change, ...] = ()
    files: dict[str, str]
    """SHA-256 of every other file."""

    def to_yaml(self) -> str:
        """Return the record as the text of ``bundle.yaml``."""
        settings = self.model_dump(mode="json")
        return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=100)


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files have been checked.

    Parameters
    ----------
    folder
        Where it lies.
    record
        What ``bundle.yaml`` says.
    digest
        SHA-256 of ``bundle.yaml``, and so of everything.
    contents
        The bytes of each file that a reader needs: those that were checked, not read again.
    """

    folder: Path
    record: BundleRecord
    digest: str
    contents: Mapping[str, bytes]

    @property
    def identity(self) -> str:
        """Name and the start of the digest, as readings carry them."""
        return f"{self.record.name}@{self.digest[:12]}"

    @classmethod
    def open(cls, folder: Path) -> "Bundle":
        """Read a bundle and check every byte of it.

        Raises
        ------
        BundleError
            If a file is missing or changed, or the bundle is of another format or was made for
            another preparation of pixels.
        """
        text = _read(folder / RECORD, folder)
        record = _parse(text, folder)
        if _read(folder / CHECKSUM, folder) != checksum_of(text):
            raise _changed(folder / RECORD)
        contents = {}
        for name, sha256 in record.files.items():
            content = _read(folder / name, folder)
            if hashlib.sha256(content).hexdigest() != sha256:
                raise _changed(folder / name)
            if name in (GRAPH, GATE, POPULATION):
                contents[name] = content
        return cls(folder, record, hashlib.sha256(text).hexdigest(), contents)


def write_bundle(out: Path, record: BundleRecord, contents: Mapping[str, bytes]) -> Bundle:
    """Write a bundle, whole or not at all.

    Parameters
    ----------
    out
        The folder to appear; nothing, or an empty folder, may be there.
    record
        What it says; `BundleRecord.files` is filled in here.
    contents
        Every other file by its name.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    files = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    with atomic_folder(out) as folder:
        for name, content in contents.items():
            write_bytes(folder / name, content)
        text = record.model_copy(update={"files": files}).to_yaml().encode()
        write_bytes(folder / RECORD, text)
        write_bytes(folder / CHECKSUM, checksum_of(text))
    return Bundle.open(out)


def checksum_of(record: bytes) -> bytes:
    """Return what the file `CHECKSUM` holds for a record.

    Examples
    --------
    >>> checksum_of(b"")[:24]
    b'e3b0c44298fc1c149afbf4c8'
    """
    return f"{hashlib.sha256(record).hexdigest()}  {RECORD}\n".encode()


def _parse(text: bytes, folder: Path) -> BundleRecord:
    path = folder / RECORD
    try:
        settings: Any = yaml.load(text, Loader=_FAST_LOADER)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BundleError(f"{path}: cannot be read as YAML ({error}); {_AGAIN}") from error
    found = settings.get("format") if isinstance(settings, dict) else None
    if found not in (2, FORMAT):
        raise BundleError(
            f"{folder}: a bundle of format {found}, and this pneumoscope "
            f"({pneumoscope.__version__}) reads format {FORMAT}; use the version that made it, or "
            "export it again with this one"
        )
    try:
        record = BundleRecord.model_validate_json(json.dumps(settings))
    except (ValidationError, TypeError) as error:
        raise BundleError(f"{path}: damaged ({error}); {_AGAIN}") from error
    if record.input.preparation != preprocess.PREPARATION_VERSION:
        raise BundleError(
            f"{folder}: its network learned from pixels prepared in another way (version "
            f"{record.input.preparation}, here {preprocess.PREPARATION_VERSION}); train and export it again"
        )
    unsafe = [name for name in record.files if Path(name).name != name]
    missing = {GRAPH, GATE, POPULATION} - record.files.keys()
    if unsafe or missing:
        raise BundleError(
            f"{path}: its list of files is wrong ({', '.join([*unsafe, *missing])}); {_AGAIN}"
        )
    return record if record.format == FORMAT else _with_renamed_metrics(record)


def _with_renamed_metrics(record: BundleRecord) -> BundleRecord:
    """Return a record of format 2 in the current one."""

    def rename(metrics: Mapping[str, Estimate]) -> dict[str, Estimate]:
        return {_RENAMED_METRICS.get(name, name): value for name, value in metrics.items()}

    points = {
        name: replace(point, measured=rename(point.measured), tested=rename(point.tested))
        for name, point in record.operating_points.items()
    }
    return record.model_copy(update={"format": FORMAT, "operating_points": points})


def _read(path: Path, folder: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(
            f"{path}: cannot be read ({error.strerror}), so {folder} is no whole bundle; pass a "
            "folder that 'pneumoscope export' wrote, or restore it from a copy"
        ) from error


def _changed(path: Path) -> BundleError:
    return BundleError(
        f"{path}: changed since the bundle was made; restore the bundle from a copy, or export it "
        "again with 'pneumoscope export'"
    )


_AGAIN = "restore it from a copy, or export the bundle again with 'pneumoscope export'"
_FAST_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
