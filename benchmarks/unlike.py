"""How unlike the test split is to what is learned from, as whole pixels: no label is read.

A network learns to tell images of the test split from those of train and validation, and is judged
on patients that it did not learn from. Near 0.5, nothing that it sees tells them apart.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from benchmarks.machines import with_interval
from benchmarks.report import CHECKOUT, Cell, Table, option_parser, publish
from pneumoscope.cli.options import open_cache
from pneumoscope.dataset import Label, Manifest, Split, open_dataset
from pneumoscope.dataset.phantoms.generate import generate_phantoms
from pneumoscope.evaluation.statistics.covariate_adjusted_auc import adjusted_auc
from pneumoscope.training import ExampleStore, Run, make_recipe, train
from pneumoscope.training.evaluate import read_predictions

FOLDS = 5
"""Of patients; one is judged."""

SETTINGS = ("class_balance=sampler", "image_size=128", "epochs=20", "weight_average=0.99")

NOTE = f"""\
AUC of telling the test split's images from all others, on a fifth ({FOLDS} folds) of the patients,
of which nothing was learned, with its interval by patient. The compact network by its own recipe
but for {", ".join(SETTINGS)}."""


def write_splits_as_labels(manifest: Manifest, path: Path) -> None:
    """Write a table of labels in which the test split is the finding."""
    images = manifest.in_use
    of_test = np.array([entry.split is Split.TEST for entry in images])
    dealt = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    _, judged = next(dealt.split(of_test, of_test, [entry.group for entry in images]))
    held = set(judged.tolist())
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "label", "patient", "split"])
        for row, entry in enumerate(images):
            split = Split.VALIDATION if row in held else Split.TRAIN
            label = Label(int(of_test[row]))
            writer.writerow([entry.path, label.name, entry.group, split.value])


def told_apart(source: Path, runs: Path, settings: Sequence[str]) -> Run:
    """Train the network that tells the splits apart."""
    runs.mkdir(parents=True, exist_ok=True)
    table = runs / "splits.csv"
    write_splits_as_labels(open_dataset(source), table)
    recipe = make_recipe("compact", assignments=[*SETTINGS, *settings])
    store = ExampleStore(open_dataset(table, source), open_cache())
    return train(store, recipe, runs / "compact", resume=True)


def row(run: Run) -> dict[str, Cell]:
    """Return what the network is worth on patients it has not seen."""
    table = read_predictions(run, Split.VALIDATION)
    alike = np.zeros(len(table.files), np.intp)
    auc = with_interval(
        table.patients,
        lambda rows: adjusted_auc(table.labels[rows], table.probabilities[rows], alike[rows]),
    )
    of_test = int(table.labels.sum())
    return {"of the test split": of_test, "others": len(table.files) - of_test, "AUC": auc}


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument("source", type=Path, nargs="?", help="dataset of radiographs")
    parser.add_argument("--runs", type=Path, default=CHECKOUT / "runs" / "unlike")
    given = parser.parse_args()
    settings: list[str] = []
    if given.smallest:
        given.source, given.runs = given.out / "phantoms", given.out / "runs"
        generate_phantoms(given.source, count=60, size=64)
        settings = ["epochs=1", "image_size=64"]
    elif given.source is None:
        parser.error("name the dataset, or pass --smallest")
    run = told_apart(given.source, given.runs, settings)
    publish("unlike", [Table("Telling the test split from the rest", [row(run)], NOTE)], given.out)


if __name__ == "__main__":
    main()
