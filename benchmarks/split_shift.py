"""Distribution shift of the test split, by a classifier two-sample test on whole images.

A network is trained to tell images of the test split from those of train and validation, and
evaluated on other patients; no label is read. An AUC near 0.5 means that the network sees no
difference. The documentation is held to the results in benchmarks/results/unlike.json, written when
this benchmark was called `unlike`.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from benchmarks.acquisition import with_interval
from benchmarks.report import CHECKOUT, Cell, Table, option_parser, publish
from pneumoscope.cli.options import open_cache
from pneumoscope.dataset import Label, Manifest, Split, open_dataset
from pneumoscope.dataset.phantoms.generate import generate_phantoms
from pneumoscope.evaluation.statistics.covariate_adjusted_auc import covariate_adjusted_auc
from pneumoscope.training import ExampleStore, Run, make_recipe, train
from pneumoscope.training.evaluate import read_predictions

FOLDS = 5
"""Number of folds of patients, one of which is evaluated."""

SETTINGS = ("class_balance=sampler", "image_size=128", "epochs=20", "weight_average=0.99")

NOTE = f"""\
AUC of telling the test split's images from all others, on one of {FOLDS} folds of patients that is
left out of the training, with its interval by patient. The compact network by its own recipe but
for {", ".join(SETTINGS)}."""


def write_splits_as_labels(manifest: Manifest, path: Path) -> None:
    """Write a table of labels in which images of the test split are positive."""
    images = manifest.in_use
    of_test = np.array([entry.split is Split.TEST for entry in images])
    splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    _, rows = next(splitter.split(of_test, of_test, [entry.group for entry in images]))
    held_out = set(rows.tolist())
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "label", "patient", "split"])
        for row, entry in enumerate(images):
            split = Split.VALIDATION if row in held_out else Split.TRAIN
            label = Label(int(of_test[row]))
            writer.writerow([entry.path, label.name, entry.group, split.value])


def train_split_classifier(source: Path, runs: Path, settings: Sequence[str]) -> Run:
    """Train the network that classifies images by their split."""
    runs.mkdir(parents=True, exist_ok=True)
    table = runs / "splits.csv"
    write_splits_as_labels(open_dataset(source), table)
    recipe = make_recipe("compact", assignments=[*SETTINGS, *settings])
    store = ExampleStore(open_dataset(table, source), open_cache())
    return train(store, recipe, runs / "compact", resume=True)


def row(run: Run) -> dict[str, Cell]:
    """Return the classifier's AUC on the patients left out."""
    table = read_predictions(run, Split.VALIDATION)
    auc = with_interval(
        table.patients,
        lambda rows: covariate_adjusted_auc(
            table.labels[rows], table.probabilities[rows], np.zeros(len(rows), np.intp)
        ),
    )
    of_test = int(table.labels.sum())
    return {"of the test split": of_test, "others": len(table.files) - of_test, "AUC": auc}


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument("source", type=Path, nargs="?", help="dataset of radiographs")
    parser.add_argument(
        "--runs",
        type=Path,
        default=CHECKOUT / "runs" / "split_shift",
        help="folder of the training (default: %(default)s)",
    )
    arguments = parser.parse_args()
    settings: list[str] = []
    if arguments.smallest:
        arguments.source, arguments.runs = arguments.out / "phantoms", arguments.out / "runs"
        generate_phantoms(arguments.source, count=60, size=64)
        settings = ["epochs=1", "image_size=64"]
    elif arguments.source is None:
        parser.error("name the dataset (SOURCE), or pass --smallest")
    run = train_split_classifier(arguments.source, arguments.runs, settings)
    table = Table("Test split against the rest", [row(run)], NOTE)
    publish("split_shift", [table], arguments.out)


if __name__ == "__main__":
    main()
