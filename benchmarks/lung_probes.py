"""Choice of framing, backbone, resolution and class balance, by linear probes on frozen features.

Leave-one-acquisition-out on the train and validation images; the test split is not read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.pooled_features import PooledFeatures, linear_probe
from benchmarks.report import Cell, Table, option_parser, publish
from pneumoscope.cli.options import open_cache
from pneumoscope.dataset import Manifest, Split, open_dataset
from pneumoscope.dataset.phantoms.generate import generate_phantoms
from pneumoscope.lungs import Framing, Preparation
from pneumoscope.radiograph import Resampling
from pneumoscope.support.terminal import messages
from pneumoscope.training import ExampleStore
from pneumoscope.training.acquisition_groups import (
    acquisition_weights,
    describe_acquisitions,
    leave_one_acquisition_out,
)
from pneumoscope.training.trainer import class_weights

FOLDS = 5
BALANCES = ("none", "classes", "acquisition", "trimmed")

NOTE = """\
Pooled: AUC of all images that were left out, ranked together, by which candidates are chosen
(docs/explanation/decisions/0014-lungs-first.md). Mean: of the AUC within each acquisition that was
left out. Validation: of the probe of the train split. Features: mean and deviation of three layers
of a frozen ImageNet network; a logistic regression of one strength, nothing tuned."""


@dataclass(frozen=True)
class Candidate:
    """A preparation of radiographs and a frozen network."""

    model: str
    size: int
    framings: tuple[Framing, ...]

    @property
    def name(self) -> str:
        """Name in the table."""
        return f"{self.model}, {self.size} px, {' + '.join(self.framings)}"


CANDIDATES = (
    *(
        Candidate("efficientnet_lite0", 192, framings)
        for framings in (
            (Framing.WHOLE,),
            (Framing.LUNG_BOX,),
            (Framing.LUNGS,),
            (Framing.LUNG_BOX, Framing.LUNGS),
        )
    ),
    *(Candidate("efficientnet_lite0", size, (Framing.LUNGS,)) for size in (160, 224, 288)),
    *(Candidate(f"efficientnet_lite{n}", 192, (Framing.LUNGS,)) for n in (1, 2)),
)


class Probes:
    """Linear probes on the train and validation images of a dataset."""

    def __init__(self, manifest: Manifest, weights: str, folds: int) -> None:
        self.store = ExampleStore(manifest, open_cache())
        self.weights = weights
        self.entries = (*manifest.of(Split.TRAIN), *manifest.of(Split.VALIDATION))
        self.labels = np.array([entry.label for entry in self.entries], np.int8)
        self.patients = [entry.group for entry in self.entries]
        self.acquisitions = describe_acquisitions(manifest, self.entries, self.store.cache)
        self.folds = list(self._deal(folds))

    def features(self, candidate: Candidate) -> NDArray[np.float32]:
        """Return the features of all images, shape (n, features)."""
        network = PooledFeatures(candidate.model, self.weights)
        parts = []
        for framing in candidate.framings:
            preparation = Preparation(candidate.size, Resampling.BILINEAR, framing)
            splits = [
                self.store.prepared(split, preparation) for split in (Split.TRAIN, Split.VALIDATION)
            ]
            name = f"{candidate.model} {candidate.size} {framing}"
            parts.append(np.concatenate([network.compute(split, name) for split in splits]))
        return np.concatenate(parts, axis=1)

    def row(self, name: str, features: NDArray[np.float32], balance: str) -> dict[str, Cell]:
        """Return the row of the table."""
        weights = self._sample_weights(balance)
        scores, labels, within = [], [], []
        for left_out in self.folds:
            fold_scores = self._fit(features, weights, ~left_out, left_out)
            fold_labels = self.labels[left_out]
            scores.append(fold_scores)
            labels.append(fold_labels)
            if 0 < fold_labels.mean() < 1:
                within.append(float(roc_auc_score(fold_labels, fold_scores)))
        validation = np.array([entry.split is Split.VALIDATION for entry in self.entries])
        of_validation = self._fit(features, weights, ~validation, validation)
        return {
            "candidate": name,
            "balance": balance,
            "pooled": f"{roc_auc_score(np.concatenate(labels), np.concatenate(scores)):.4f}",
            "mean": f"{np.mean(within):.4f}",
            "lowest": f"{min(within):.4f}",
            "validation": f"{roc_auc_score(self.labels[validation], of_validation):.4f}",
        }

    def _fit(
        self,
        features: NDArray[np.float32],
        weights: NDArray[np.float64],
        train: NDArray[np.bool_],
        evaluated: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        kept = train & (weights > 0)
        probe = linear_probe()
        probe.fit(
            features[kept], self.labels[kept], logisticregression__sample_weight=weights[kept]
        )
        scores: NDArray[np.float64] = probe.decision_function(features[evaluated])
        return scores

    def _deal(self, count: int) -> Iterator[NDArray[np.bool_]]:
        """Yield the mask of the images that are left out with each acquisition."""
        pool = [replace(entry, split=Split.TRAIN) for entry in self.entries]
        table = {
            entry.path: row for entry, row in zip(self.entries, self.acquisitions, strict=True)
        }
        for fold in leave_one_acquisition_out(pool, table, count, seed=0):
            yield np.array([entry.split is Split.VALIDATION for entry in fold])

    def _sample_weights(self, balance: str) -> NDArray[np.float64]:
        match balance:
            case "classes":
                return class_weights(self.labels)[self.labels]
            case "acquisition":
                return acquisition_weights(self.acquisitions, self.labels, self.patients)
            case "trimmed":  # no overlap: the acquisition alone almost decides the label
                return self._overlapping().astype(np.float64)
        return np.ones(len(self.labels))

    def _overlapping(self) -> NDArray[np.bool_]:
        weights = acquisition_weights(self.acquisitions, self.labels, self.patients)
        share = np.bincount(self.labels, minlength=2)[self.labels] / len(self.labels)
        propensity = share / weights  # of the image's own label
        overlapping: NDArray[np.bool_] = propensity < 0.95
        return overlapping


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument("source", type=Path, nargs="?", help="dataset of radiographs")
    arguments = parser.parse_args()
    candidates, weights, folds = CANDIDATES, "imagenet", FOLDS
    if arguments.smallest:
        arguments.source = arguments.out / "phantoms"
        if not arguments.source.exists():
            generate_phantoms(arguments.source, count=60, size=64)
        candidates = (Candidate("efficientnet_lite0", 64, (Framing.LUNGS,)),)
        weights, folds = "none", 2
    elif arguments.source is None:
        parser.error("name the dataset (SOURCE), or pass --smallest")
    for model in dict.fromkeys(candidate.model for candidate in candidates):
        PooledFeatures(model, weights)  # missing weights are reported before hours of work
    probes = Probes(open_dataset(arguments.source, seed=0), weights, folds)
    rows = []
    for candidate in candidates:
        features = probes.features(candidate)
        balances = BALANCES if candidate.framings == (Framing.LUNGS,) else BALANCES[:1]
        for balance in balances[: 1 if candidate.size != 192 else None]:
            rows.append(probes.row(candidate.name, features, balance))
            messages.print(", ".join(f"{key} {value}" for key, value in rows[-1].items()))
    publish("lung_probes", [Table("Linear probes", rows, NOTE)], arguments.out)


if __name__ == "__main__":
    main()
