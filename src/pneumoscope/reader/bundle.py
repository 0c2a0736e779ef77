"""Bundle: a folder with a network and everything that turns its output into a reading."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

import pneumoscope
from pneumoscope.lungs import Framing, LungFinder, Preparation
from pneumoscope.lungs.framing import preparation_version
from pneumoscope.radiograph import Resampling
from pneumoscope.reader.familiarity import FeatureFamiliarity
from pneumoscope.reader.population import Population
from pneumoscope.report.estimate import Estimate
from pneumoscope.report.operating_point import OperatingPoint
from pneumoscope.support.errors import BundleError
from pneumoscope.support.files import atomic_folder, write_bytes

FORMAT = 6
"""Version of the folder's layout.

Formats 2 to 5 are read too: 5 counts findings by other words and states no metrics of abstention, 4
knows whole images alone, 3 states no population and no limits of refusal, 2 also has other names.
"""

RECORD = "bundle.yaml"
CHECKSUM = "bundle.yaml.sha256"
"""File with the SHA-256 of the record, for ``sha256sum --check``; the record has the others."""

GRAPH = "model.onnx"
GATE = "quality_gate.npz"
FAMILIARITY = "familiarity.npz"
LUNG_FINDER = "lung_finder.onnx"
"""Lung finder of a bundle that reads lungs; others have none."""

CARD = "MODEL_CARD.md"

CROSS_VALIDATION = "cross-validation"
"""Name of the images whose predictions are those of folds' networks, not of the bundle's own."""

_FORMAT_2_FAMILIARITY = "population.npz"
_FORMAT_2_METRICS = {"recall": "sensitivity", "precision": "ppv"}
_FORMAT_2_HISTORY = {"before": "previous", "what": "description"}
"""Names of metrics and of parts of the history in format 2, and their names since."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputContract(_Part):
    """Input of the graph: uint8 pixels (n, size, size) from `Preparation.square`."""

    size: int
    resampling: Resampling
    framing: Framing = Framing.WHOLE
    preparation: int
    """`preparation_version` with which the network was trained."""

    @property
    def needs_lungs(self) -> bool:
        """Whether the lungs must be found before the network can read."""
        return self.framing is not Framing.WHOLE


class Member(_Part):
    """One trained network of the graph; logits and heat maps of several are averaged."""

    model: str
    seed: int
    precision: str
    epochs: int
    created: str
    initial_weights: str | None = None
    """Origin of the weights that its training started from, and with them of their data."""


class Calibration(_Part):
    """Calibration of the network: probability = sigmoid(logit / temperature + intercept)."""

    temperature: float
    intercept: float = 0.0
    n: int
    """Number of images that it was fitted on."""
    fitted_on: str


class TrainingData(_Part):
    """Training data: population of the patients in words, fingerprint, and numbers of images.

    ``split_by`` is the unit that validation was split by, in words; None where not recorded.
    """

    population: str
    fingerprint: str
    train: int
    validation: int
    split_by: str | None = None
    synthetic: bool


class Change(_Part):
    """Change of a bundle after its export, with the bundle's identity before it."""

    created: str
    pneumoscope: str
    previous: str
    description: str


class RefusalLimits(_Part):
    """Limits beyond which an image is too unfamiliar for an answer, fitted on validation images."""

    distance: float
    """Distance (see `FeatureFamiliarity`) above which an image is outside."""
    outsider_score: float | None = None
    """Score (see `FeatureFamiliarity`) above which an image is of another population."""
    outsiders: str | None = None
    """Radiographs of other populations that the score was fitted on, in words."""
    false_refusals: Estimate
    """Share of validation images, or of cross-validated ones, that are beyond either limit."""

    def exceeded(
        self, familiarity: FeatureFamiliarity, features: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """Return whether images with features (n, features) are beyond either limit."""
        exceeded: NDArray[np.bool_] = familiarity.distance(features) > self.distance
        score = familiarity.outsider_score(features)
        if score is not None and self.outsider_score is not None:
            exceeded |= score > self.outsider_score
        return exceeded


class BundleRecord(_Part):
    """Content of ``bundle.yaml``."""

    format: Literal[6] = 6
    name: str
    notice: str | None
    created: str
    pneumoscope: str
    members: tuple[Member, ...]
    input: InputContract
    arithmetic: Literal["float32", "int8"] = "float32"
    """Type of the numbers that the graph's convolutions multiply."""
    calibration: Calibration
    operating_points: dict[str, OperatingPoint]
    familiarity_limit: float
    """Distance (see `FeatureFamiliarity`) above which an image is unfamiliar."""
    population: Population = Population()
    refusal: RefusalLimits | None = None
    training_data: TrainingData
    metrics: dict[str, dict[str, Estimate]]
    """Metrics by split: of the exported graph on validation, of the Runs on test."""
    resampling_unit: Literal["patient", "image"] | None = None
    """Unit that the intervals of metrics are by: the image, if the patient of any is unknown; None
    where not recorded."""
    intended_use: str
    limitations: tuple[str, ...]
    licence: str
    history: tuple[Change, ...] = ()
    files: dict[str, str]
    """SHA-256 of every other file by its name."""

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
        Folder of the bundle.
    record
        Content of ``bundle.yaml``, in the current format.
    digest
        SHA-256 of ``bundle.yaml`` as it lies on the disk, and so of everything.
    contents
        Bytes of each file that a reader needs, by its name in the current format: those that were
        checked, not read again.

    Examples
    --------
    >>> from pneumoscope.reader import find_bundle
    >>> bundle = Bundle.open(find_bundle("adults"))
    >>> list(bundle.record.operating_points), bundle.record.input.size
    (['screening', 'balanced'], 224)
    """

    folder: Path
    record: BundleRecord
    digest: str
    contents: Mapping[str, bytes]

    @property
    def identity(self) -> str:
        """Name and the first 12 digits of the digest, as readings state it."""
        return f"{self.record.name}@{self.digest[:12]}"

    @property
    def preparation(self) -> Preparation:
        """Preparation of radiographs for the graph, with the bundle's own lung finder."""
        contract = self.record.input
        finder = LungFinder(self.contents[LUNG_FINDER]) if contract.needs_lungs else None
        return Preparation(contract.size, contract.resampling, contract.framing, finder)

    def change(self, description: str) -> Change:
        """Return the record of a change that is made to this bundle now."""
        return Change(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            pneumoscope=pneumoscope.__version__,
            previous=self.identity,
            description=description,
        )

    @classmethod
    def open(cls, folder: Path) -> "Bundle":
        """Open a bundle and check every byte of it.

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
            if (current := _current_name(name)) in (GRAPH, GATE, FAMILIARITY, LUNG_FINDER):
                contents[current] = content
        return cls(folder, record, hashlib.sha256(text).hexdigest(), contents)

    @staticmethod
    def read_file_names(folder: Path) -> tuple[str, ...]:
        """Return the names of the files that a bundle's record lists; only the record is read.

        Raises
        ------
        BundleError
            If the record cannot be read, or names a file outside of the folder.
        """
        return tuple(_parse(_read(folder / RECORD, folder), folder).files)


def write_bundle(out: Path, record: BundleRecord, contents: Mapping[str, bytes]) -> Bundle:
    """Write a bundle, complete or not at all (then `StorageError` is raised).

    Parameters
    ----------
    out
        Folder to write; it must not exist, or be empty.
    record
        Record of the bundle; `BundleRecord.files` is filled in.
    contents
        Content of every other file by its name.
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
    """Return the content of the file `CHECKSUM` for a record.

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
    version = settings.get("format") if isinstance(settings, dict) else None
    if not isinstance(version, int) or version not in range(2, FORMAT + 1):
        raise BundleError(
            f"{folder}: a bundle of format {version}, and this pneumoscope "
            f"({pneumoscope.__version__}) reads formats 2 to {FORMAT}; use the version that made "
            "it, or export it again with this one"
        )
    try:
        current = _upgrade(settings) if version == 2 else {**settings, "format": FORMAT}
        if version < FORMAT:
            current["operating_points"] = _without_counts(current["operating_points"])
        record = BundleRecord.model_validate_json(json.dumps(current))
    except (ValidationError, AttributeError, KeyError, TypeError) as error:
        raise BundleError(f"{path}: damaged ({error}); {_AGAIN}") from error
    here = preparation_version(record.input.framing)
    if record.input.preparation != here:
        raise BundleError(
            f"{folder}: its network was trained on pixels prepared in another way (version "
            f"{record.input.preparation}, here {here}); train and export "
            "it again"
        )
    unsafe = [name for name in record.files if Path(name).name != name]
    needed = {GRAPH, GATE, FAMILIARITY} | ({LUNG_FINDER} if record.input.needs_lungs else set())
    missing = needed - set(map(_current_name, record.files))
    if unsafe or missing:
        raise BundleError(
            f"{path}: its list of files is wrong ({', '.join([*unsafe, *missing])}); {_AGAIN}"
        )
    return record


def _upgrade(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of a bundle of format 2 in today's; its files keep their names."""
    current = {**settings, "format": FORMAT}
    current["familiarity_limit"] = current.pop("population_limit")
    current["history"] = [
        _rename_keys(change, _FORMAT_2_HISTORY) for change in settings.get("history", ())
    ]
    current["operating_points"] = {
        name: {
            **point,
            "measured": _rename_keys(point["measured"], _FORMAT_2_METRICS),
            "tested": _rename_keys(point.get("tested", {}), _FORMAT_2_METRICS),
        }
        for name, point in settings["operating_points"].items()
    }
    return current


def _without_counts(points: Mapping[str, Any]) -> dict[str, Any]:
    """Return operating points without the numbers of findings, which had other meanings."""
    dropped = ("findings", "tested_findings")
    return {
        name: {key: value for key, value in point.items() if key not in dropped}
        for name, point in points.items()
    }


def _rename_keys(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in values.items()}


def _current_name(file: str) -> str:
    return FAMILIARITY if file == _FORMAT_2_FAMILIARITY else file


def _read(path: Path, folder: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(
            f"{path}: cannot be read ({error.strerror}), so {folder} is not a complete bundle; "
            "pass a folder that 'pneumoscope export' wrote, or restore it from a copy"
        ) from error


def _changed(path: Path) -> BundleError:
    return BundleError(
        f"{path}: changed since the bundle was made; restore the bundle from a copy, or export it "
        "again with 'pneumoscope export'"
    )


_AGAIN = "restore it from a copy, or export the bundle again with 'pneumoscope export'"
_FAST_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
