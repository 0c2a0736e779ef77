"""How far the machine that made an image, and not the lungs, tells its label and its split.

From the pixels of border, markers, exposure and noise alone (see `describe_acquisition`). Of the
test split no label is read.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict

from benchmarks.report import CHECKOUT, Cell, Table, option_parser, publish
from pneumoscope.dataset import Entry, Label, Split, open_dataset
from pneumoscope.dataset.acquisition import NAMES
from pneumoscope.evaluation.adjusted import adjusted_auc
from pneumoscope.training import Run
from pneumoscope.training.evaluate import read_predictions
from pneumoscope.training.machines import (
    STRATA,
    describe_entries,
    machine_classifier,
    machine_strata,
)

DATA = CHECKOUT.parent / "shared" / "data" / "chest_xray"
FOLDS = 5

GREYS_NOTE = """\
Means; heights of markers are fractions of the image's. The test split without its labels."""

TELLS_NOTE = f"""\
AUC of gradient boosting over the columns above alone: 0.5 would be nothing. The label: fitted on
train, judged on validation. The split: train against test, {FOLDS} folds by patient."""

ADJUSTED_NOTE = f"""\
Validation images in {STRATA} strata by the probability of PNEUMONIA that their machine alone gives;
adjusted is the mean of the strata's AUCs, weighed by their images with PNEUMONIA (Janes and Pepe
2009). Calls: the share of NORMAL images called ill at the threshold with a recall of 0.99 on all
validation images, among all and in the stratum whose machine speaks most for PNEUMONIA."""


def _labels(entries: Sequence[Entry]) -> NDArray[np.int8]:
    return np.array([entry.label for entry in entries], np.int8)


def _mean_rows(parts: dict[str, NDArray[np.float64]]) -> Iterator[dict[str, Cell]]:
    for name, table in parts.items():
        means = map(float, table.mean(axis=0))
        yield {"images": name, "n": len(table), **dict(zip(NAMES, means, strict=True))}


def told_split(
    train: NDArray[np.float64], test: NDArray[np.float64], patients: Sequence[str]
) -> float:
    """Return the AUC of telling train from test, over folds of whole patients."""
    which = np.repeat([0, 1], [len(train), len(test)])
    said = cross_val_predict(
        machine_classifier(),
        np.concatenate([train, test]),
        which,
        groups=np.array(patients),
        cv=GroupKFold(FOLDS),
        method="predict_proba",
    )
    return float(roc_auc_score(which, said[:, 1]))


def _run_row(run: Run, entries: Sequence[Entry], strata: NDArray[np.intp]) -> dict[str, Cell]:
    table = read_predictions(run, Split.VALIDATION)
    if table.files != tuple(entry.path for entry in entries):
        raise SystemExit(f"{run.folder}: was validated on other images than these")
    labels, said = table.labels, table.probabilities
    threshold = float(np.quantile(said[labels == 1], 0.01, method="lower"))
    normal, speaks = labels == 0, strata == strata.max()
    return {
        "run": run.folder.name,
        "AUC": float(roc_auc_score(labels, said)),
        "adjusted AUC": adjusted_auc(labels, said, strata),
        "calls, all": float((said[normal] >= threshold).mean()),
        "calls, most like PNEUMONIA": float((said[normal & speaks] >= threshold).mean()),
        "n": int((normal & speaks).sum()),
    }


def _tables(given: argparse.Namespace) -> Iterator[Table]:
    manifest = open_dataset(given.data)
    entries = {split: manifest.of(split) for split in Split}
    made = {split: describe_entries(manifest, entries[split]) for split in Split}
    train, validation = _labels(entries[Split.TRAIN]), _labels(entries[Split.VALIDATION])
    parts = {
        f"{split}, {label.name}": made[split][_labels(entries[split]) == label]
        for split in (Split.TRAIN, Split.VALIDATION)
        for label in Label
    }
    parts["test"] = made[Split.TEST]
    yield Table("How images were made", list(_mean_rows(parts)), GREYS_NOTE)
    said = (
        machine_classifier()
        .fit(made[Split.TRAIN], train)
        .predict_proba(made[Split.VALIDATION])[:, 1]
    )
    groups = [one.group for split in (Split.TRAIN, Split.TEST) for one in entries[split]]
    rows: list[dict[str, Cell]] = [
        {"told": "label, on validation", "AUC": float(roc_auc_score(validation, said))},
        {
            "told": "split, train against test",
            "AUC": told_split(made[Split.TRAIN], made[Split.TEST], groups),
        },
    ]
    yield Table("What that alone tells", rows, TELLS_NOTE)
    if given.runs:
        runs = [Run.open(folder) for folder in given.runs]
        strata = machine_strata(made[Split.TRAIN], train, made[Split.VALIDATION])
        compared = [_run_row(run, entries[Split.VALIDATION], strata) for run in runs]
        yield Table("Runs, among images made alike", compared, ADJUSTED_NOTE)


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument("data", type=Path, nargs="?", help=f"dataset (default: {DATA})")
    parser.add_argument(
        "--run", type=Path, action="append", dest="runs", help="trained on it; repeatable"
    )
    given = parser.parse_args()
    given.data = given.data or DATA
    publish("machines", list(_tables(given)), given.out)


if __name__ == "__main__":
    main()
