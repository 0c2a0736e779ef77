"""Linear probes of adults on frozen features, by framing, resolution and labels to learn from.

Five folds by patient on both folders of NIH ChestX-ray14. No weight of a network is trained, so
that this takes minutes where `benchmarks.adults` takes hours.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.adults_auc import (
    BY_MINED_LABELS,
    BY_RADIOLOGISTS,
    CONTRASTS_NOTE,
    AdultPrediction,
    Contrast,
)
from benchmarks.adults_data import FOLDS, Adult, Labels, assign_folds, read_adults, write_table
from benchmarks.pooled_features import PooledFeatures, linear_probe
from benchmarks.report import CHECKOUT, Cell, Table, option_parser, publish
from pneumoscope.cli.options import open_cache
from pneumoscope.dataset import Split, open_dataset, open_pixels
from pneumoscope.lungs import Framing, Preparation
from pneumoscope.radiograph import Resampling
from pneumoscope.training.examples import Examples

DATA = CHECKOUT.parent / "shared" / "data"
MODEL = "efficientnet_lite0"
SMALLEST_STRIDE = 10
"""One in this many images is used in the smallest run."""

CONTRASTS: Sequence[Contrast] = (*BY_RADIOLOGISTS, *BY_MINED_LABELS[:2])

NOTE = f"""\
AUC of a logistic regression of one strength, nothing tuned, on the mean and deviation of three
layers of EfficientNet-Lite0 as ImageNet left it. Learned from: labels mined from reports, or
cleaned: where radiologists read an image, whether they saw an opacity; of all adults, or without
those who have other findings.
{CONTRASTS_NOTE}"""


@dataclass(frozen=True)
class Candidate:
    """A preparation of radiographs."""

    size: int
    framing: Framing

    @property
    def name(self) -> str:
        """Name in the table."""
        return f"{self.framing}, {self.size} px"


CANDIDATES = tuple(Candidate(size, framing) for size in (192, 288) for framing in Framing)


@dataclass(frozen=True)
class TrainingSet:
    """Adults that a probe learns from: their labels, and whether those with other findings are in.

    Parameters
    ----------
    labels
        Labels of the adults.
    others
        Whether adults who have other findings are learned from, as NORMAL.
    """

    labels: Labels
    others: bool

    @property
    def name(self) -> str:
        """Name in the table."""
        return self.labels if self.others else f"{self.labels}, no other findings"

    def includes(self, adult: Adult) -> bool:
        """Return whether an adult is learned from."""
        return self.others or not adult.has_other_findings(self.labels)


TRAINING_SETS = tuple(TrainingSet(labels, others) for others in (True, False) for labels in Labels)


class FrozenFeatures:
    """Features of the adults' images, of a network that is not trained.

    Parameters
    ----------
    adults
        Adults whose images are read.
    data
        Folder of the datasets.
    weights
        Weights of the network, as a recipe names them.
    """

    def __init__(self, adults: Sequence[Adult], data: Path, weights: str) -> None:
        self.adults = adults
        self.network = PooledFeatures(MODEL, weights)
        with TemporaryDirectory() as folder:
            table = Path(folder) / "labels.csv"
            write_table([adult.row(Split.TRAIN) for adult in adults], table)
            self.manifest = open_dataset(table, data)

    def of(self, candidate: Candidate) -> NDArray[np.float32]:
        """Return the features of the adults' images, shape (adults, features)."""
        preparation = Preparation(candidate.size, Resampling.BILINEAR, candidate.framing)
        entries = self.manifest.in_use
        pixels = open_pixels(self.manifest, preparation, open_cache())
        examples = Examples(entries, pixels, np.arange(len(entries)))
        features = self.network.compute(examples, candidate.name)
        row_of = {entry.path: row for row, entry in enumerate(entries)}
        return features[[row_of[adult.file] for adult in self.adults]]


def out_of_fold_probes(
    adults: Sequence[Adult], features: NDArray[np.float32], training_set: TrainingSet
) -> list[AdultPrediction]:
    """Return the out-of-fold prediction of each adult, by linear probes of the features."""
    fold = assign_folds(adults)
    is_pneumonia = np.array([adult.is_pneumonia(training_set.labels) for adult in adults])
    included = np.array([training_set.includes(adult) for adult in adults])
    probabilities = np.zeros(len(adults))
    for number in range(FOLDS):
        held_out = fold == number
        learned = included & ~held_out
        probe = linear_probe().fit(features[learned], is_pneumonia[learned])
        probabilities[held_out] = probe.predict_proba(features[held_out])[:, 1]
    return [
        AdultPrediction(adult, int(number), float(probability))
        for adult, number, probability in zip(adults, fold, probabilities, strict=True)
    ]


def probe_row(
    adults: Sequence[Adult],
    candidate: Candidate,
    features: NDArray[np.float32],
    training_set: TrainingSet,
) -> dict[str, Cell]:
    """Return the row of a candidate's probe that learned from a training set."""
    predictions = out_of_fold_probes(adults, features, training_set)
    return {
        "images": candidate.name,
        "learned from": training_set.name,
        **{
            f"{contrast.labels}: {contrast.against}": contrast.auc(predictions)
            for contrast in CONTRASTS
        },
    }


def _tables(arguments: argparse.Namespace) -> Iterator[Table]:
    adults, candidates, weights = read_adults(arguments.data), CANDIDATES, "imagenet"
    if arguments.smallest:
        adults, weights = adults[::SMALLEST_STRIDE], "none"
        candidates = (Candidate(64, Framing.LUNGS),)
    features = FrozenFeatures(adults, arguments.data, weights)
    rows = []
    for candidate in candidates:
        values = features.of(candidate)
        rows += [probe_row(adults, candidate, values, chosen) for chosen in TRAINING_SETS]
    yield Table("Adults, linear probes", rows, NOTE)
    everyone = [AdultPrediction(adult, 0, 0) for adult in adults]
    counts = [(contrast, *contrast.count(everyone)) for contrast in CONTRASTS]
    yield Table(
        "Images",
        [
            {
                "labels": contrast.labels,
                "against": contrast.against,
                "positive": positive,
                "others": others,
            }
            for contrast, positive, others in counts
        ],
    )


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument(
        "--data", type=Path, default=DATA, help="folder of the datasets (default: %(default)s)"
    )
    arguments = parser.parse_args()
    publish("adults_probe", _tables(arguments), arguments.out)


if __name__ == "__main__":
    main()
