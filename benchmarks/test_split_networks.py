"""Networks that share no training patient, and the shipped bundle, on the test split."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from benchmarks.report import Cell, Table
from benchmarks.split_shift import SETTINGS
from benchmarks.test_split_data import (
    AuditedSplit,
    Flags,
    auc_by_patient,
    make_predictions,
    patient_numbers,
)
from pneumoscope.dataset import Entry, Manifest, Split, open_pixels
from pneumoscope.dataset.pixels import ArrayKind
from pneumoscope.dataset.reading_log import record_test_reading
from pneumoscope.dataset.splits import deal_folds, linked_groups
from pneumoscope.evaluation.predictions import Floats, Predictions
from pneumoscope.evaluation.selection.operating_points import choose_operating_points
from pneumoscope.lungs import Preparation
from pneumoscope.models import build_network, computing_in, fastest_precision, find_model, place
from pneumoscope.radiograph import Resampling, preprocess
from pneumoscope.reader import Bundle, Reader
from pneumoscope.support.cache import ArrayCache, WriteRows
from pneumoscope.support.terminal import track
from pneumoscope.training import ExampleStore, evaluate_once, make_recipe, train
from pneumoscope.training.evaluate import read_predictions

BACKBONE = "efficientnet_lite0"
LAYERS = ("_blocks.5", "_blocks.10", "")
"""Layers of the backbone whose maps are described: the last of stages 3 and 5, and the last."""

SIZE, BATCH_SIZE = 224, 32
PENALTY = 0.01
"""Inverse strength of the probes' L2 penalty, C of scikit-learn."""

NETWORKS_NOTE = f"""\
The halves are two halves of train's patients: networks of different halves share no patient. Probe:
logistic regression (C = {PENALTY}) on a frozen ImageNet EfficientNet-Lite0 (mean and deviation of
three layers, whole image, {SIZE} px). Compact: the compact network from random weights, with
{", ".join(SETTINGS)}, each half with a seed of its own. Validation: the other half; for the bundle
its own validation images. Threshold: `balanced`, chosen there (the bundle's own). AUC with
intervals by patient: published labels; the expert's, unusable images included; and the images on
which both agree."""


@dataclass(frozen=True, eq=False)
class OutOfSampleNetwork:
    """Network that saw no test image, and its predictions.

    Parameters
    ----------
    name
        Name in the tables.
    part
        Part of the published train folder that it was trained on: ``"half 1"``, ``"half 2"``, or
        ``"train"`` for the bundle, whose patients are in both halves.
    images, patients
        Numbers of training images and patients; None where unknown.
    validation, test
        Predictions on validation and test images.
    threshold
        Lowest probability that it calls PNEUMONIA.
    """

    name: str
    part: str
    images: int
    patients: int
    validation: Predictions
    test: Predictions
    threshold: float

    @property
    def called(self) -> Flags:
        """Test images that it calls PNEUMONIA."""
        return self.test.probabilities >= self.threshold

    @property
    def wrong(self) -> Flags:
        """Test images of which it contradicts the published label."""
        return np.asarray(self.called != (self.test.labels == 1))

    def shares_patients(self, other: "OutOfSampleNetwork") -> bool:
        """Tell whether the two learned from images of the same patients."""
        return "train" in (self.part, other.part) or self.part == other.part


def halves(manifest: Manifest) -> list[Manifest]:
    """Return the dataset twice: trained on one half of train's patients, validated on the other."""
    folds = deal_folds(manifest.entries, 2, seed=0)
    return [replace(manifest, entries=tuple(entries)) for entries in folds]


def read_with_bundle(split: AuditedSplit, bundle: Bundle) -> OutOfSampleNetwork:
    """Read validation and test images with a bundle, refused ones included, and record it."""
    manifest, reader = split.manifest, Reader(bundle)
    record_test_reading(bundle.folder, manifest.fingerprint, len(split.entries))
    test = _read(reader, manifest.root, split.entries)
    if np.isnan(test).any():
        raise SystemExit(
            f"{bundle.identity}: rejects {int(np.isnan(test).sum())} test images, and the audit "
            "needs a probability of each; name another bundle with --bundle"
        )
    validation = manifest.of(Split.VALIDATION)
    probabilities = _read(reader, manifest.root, validation)
    read = tuple(e for e, p in zip(validation, probabilities, strict=True) if not np.isnan(p))
    learned = manifest.of(Split.TRAIN)
    return OutOfSampleNetwork(
        bundle.record.name,
        "train",
        len(learned),
        len({entry.group for entry in learned}),
        _table(manifest, read, probabilities[~np.isnan(probabilities)]),
        split.predictions(test),
        bundle.record.operating_points["balanced"].threshold,
    )


def _read(reader: Reader, root: Path, entries: Sequence[Entry]) -> Floats:
    """Return the network's probabilities, also of images without an answer; NaN if rejected."""
    readings = reader.read_many(root / entry.path for entry in entries)
    both = (
        (reading.probability, reading.probability_outside)
        for reading in track(readings, "Reading", len(entries))
    )
    return np.array([outside if p is None else p for p, outside in both], np.float64)


def train_compact(
    half: Manifest, number: int, runs: Path, cache: ArrayCache, settings: Sequence[str]
) -> OutOfSampleNetwork:
    """Train the compact network on a half, or continue its training, and read the test split."""
    recipe = make_recipe("compact", assignments=[*SETTINGS, f"seed={number}", *settings])
    store = ExampleStore(half, cache)
    run = train(store, recipe, runs / f"compact_{number}", resume=True)
    evaluate_once(run, store)
    tables = [read_predictions(run, split) for split in (Split.VALIDATION, Split.TEST)]
    return _network(f"compact {number}", number, half, *(table.probabilities for table in tables))


def fit_probe(half: Manifest, number: int, features: NDArray[np.float32]) -> OutOfSampleNetwork:
    """Fit a linear probe of frozen features, shape (n, columns), on a half."""
    splits = np.array([entry.split for entry in half.in_use])
    labels = np.array([entry.label for entry in half.in_use], np.int8)
    probe = make_pipeline(
        StandardScaler(),
        LogisticRegression(C=PENALTY, class_weight="balanced", max_iter=1000),
    )
    probe.fit(features[splits == Split.TRAIN], labels[splits == Split.TRAIN])
    validation, test = (
        probe.predict_proba(features[splits == split])[:, 1]
        for split in (Split.VALIDATION, Split.TEST)
    )
    return _network(f"probe {number}", number, half, validation, test)


def _network(
    name: str, number: int, half: Manifest, validation: Floats, test: Floats
) -> OutOfSampleNetwork:
    learned = half.of(Split.TRAIN)
    validated = _table(half, half.of(Split.VALIDATION), validation)
    return OutOfSampleNetwork(
        name,
        f"half {number}",
        len(learned),
        len({entry.group for entry in learned}),
        validated,
        _table(half, half.of(Split.TEST), test),
        choose_operating_points(validated)["balanced"].threshold,
    )


def _table(manifest: Manifest, entries: tuple[Entry, ...], probabilities: Floats) -> Predictions:
    labels = np.array([entry.label for entry in entries], np.int8)
    patient = patient_numbers(entries, linked_groups(manifest.in_use))
    return make_predictions(entries, labels, probabilities, patient)


def image_features(
    manifest: Manifest, weights: str, size: int, cache: ArrayCache
) -> NDArray[np.float32]:
    """Return features of frozen EfficientNet-Lite0 of every image in use, from the cache.

    They are mean and standard deviation of each channel of three layers, float32, shape
    (n, columns).
    """
    spec = find_model(BACKBONE)
    pretrained = spec.load_weights(weights, seed=0)
    assert pretrained is not None
    network = build_network(spec, size, seed=0)
    pretrained.fill(network)
    backbone = network.head.get_submodule("features").eval()
    place(backbone, torch.device("cpu"))
    pixels = open_pixels(manifest, Preparation(size, Resampling.BILINEAR), cache)
    precision = fastest_precision()

    def fill(write: WriteRows) -> None:
        starts = range(0, len(pixels), BATCH_SIZE)
        for start in track(starts, "Frozen layers, batches", len(starts)):
            images = torch.tensor(pixels[start : start + BATCH_SIZE]).unsqueeze(1) / 255
            with computing_in(precision, torch.device("cpu")):
                write(start, describe_layers(backbone, images).numpy())

    columns = describe_layers(backbone, torch.zeros(1, 1, size, size)).shape[1]
    key = [pretrained.digest, str(size), precision, *LAYERS, preprocess.PIXELS_VERSION]
    values: NDArray[np.float32] = cache.open(
        ArrayKind.FEATURES,
        " ".join([*map(str, key), *(str(entry.sha256) for entry in manifest.in_use)]),
        f"{BACKBONE}, mean and deviation of three layers, data {manifest.fingerprint[:12]}",
        (len(pixels), columns),
        np.float32,
        fill,
    ).values
    return values


@torch.inference_mode()
def describe_layers(backbone: nn.Module, images: Tensor) -> Tensor:
    """Return mean and standard deviation of each channel of `LAYERS`, shape (n, columns)."""
    maps: list[Tensor] = []
    hooks = [
        backbone.get_submodule(layer).register_forward_hook(lambda *call: maps.append(call[2]))
        for layer in LAYERS
    ]
    backbone(images.to(memory_format=torch.channels_last))
    for hook in hooks:
        hook.remove()
    parts = [(m.mean((2, 3)), m.std((2, 3), correction=0)) for m in map(Tensor.float, maps)]
    return torch.cat([part for pair in parts for part in pair], dim=1)


def networks_table(split: AuditedSplit, networks: Sequence[OutOfSampleNetwork]) -> Table:
    """Return the performance of each network against both readers."""
    agreed = ~split.disputed
    rows: list[dict[str, Cell]] = []
    for network in networks:
        probabilities, validation = network.test.probabilities, network.validation
        references = {
            "published": (split.labels, np.full(len(agreed), True)),
            "expert": (split.expert_labels, np.full(len(agreed), True)),
            "agreed": (split.labels, agreed),
        }
        aucs = {
            name: str(auc_by_patient(labels[rows], probabilities[rows], split.patient[rows]))
            for name, (labels, rows) in references.items()
        }
        rows.append(
            {
                "network": network.name,
                "trained on": network.part,
                "images": network.images,
                "patients": network.patients,
                "validation": str(
                    auc_by_patient(
                        validation.labels, validation.probabilities, validation.patient_numbers()
                    )
                ),
                **aucs,
                "NORMAL called PNEUMONIA": int((network.wrong & (split.labels == 0)).sum()),
                "PNEUMONIA missed": int((network.wrong & (split.labels == 1)).sum()),
            }
        )
    return Table("Networks", rows, NETWORKS_NOTE)
