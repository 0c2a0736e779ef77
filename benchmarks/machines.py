"""How far the machine that made an image, and not the lungs, tells its label and its split.

From the pixels of border, markers, exposure and noise alone (see `describe_acquisition`). Of the
test split no label is read.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, cross_val_predict

from benchmarks.coverage import read_entries, require_own_split, share_in_words
from benchmarks.report import CHECKOUT, Cell, Table, option_parser, publish
from pneumoscope.cli.options import open_cache
from pneumoscope.dataset import Entry, Label, Split, open_dataset
from pneumoscope.dataset.acquisition import COLUMNS
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.statistics.covariate_adjusted_auc import covariate_adjusted_auc
from pneumoscope.reader import SHIPPED, Bundle
from pneumoscope.training.acquisition_groups import (
    N_STRATA,
    acquisition_strata,
    describe_acquisitions,
    acquisition_classifier,
)

DATA = CHECKOUT.parent / "shared" / "data" / "chest_xray"
FOLDS = 5
DRAWS = 500
"""Bootstrap samples of patients, of which the middle 95 % are the interval."""

GREYS_NOTE = """\
Means; heights of markers are fractions of the image's. The test split without its labels."""

TELLS_NOTE = f"""\
AUC of gradient boosting over the columns above alone: 0.5 would be nothing. The label: fitted on
train, judged on validation. The split: train against test, {FOLDS} folds by patient. Intervals by
patient, of what was fitted once."""

ADJUSTED_NOTE = f"""\
Validation images in {N_STRATA} strata by the probability of PNEUMONIA that their machine alone gives;
adjusted is the mean of the strata's AUCs by van Elteren's weights (see `adjusted_auc`). Called ill:
NORMAL images at the threshold with a recall of 0.99 on validation, as a share of all and of those
in the stratum whose machine speaks most for PNEUMONIA."""


POINTS_NOTE = """\
The same validation images and strata, the machines that speak least for PNEUMONIA first: recall and
specificity at each operating point, counted, with Wilson's interval."""


def _labels(entries: Sequence[Entry]) -> NDArray[np.int8]:
    return np.array([entry.label for entry in entries], np.int8)


def _mean_rows(parts: dict[str, NDArray[np.float64]]) -> Iterator[dict[str, Cell]]:
    for name, table in parts.items():
        means = map(float, table.mean(axis=0))
        yield {"images": name, "n": len(table), **dict(zip(COLUMNS, means, strict=True))}


def with_interval(
    patients: Sequence[str], figure: Callable[[NDArray[np.intp]], float | None]
) -> str:
    """Return a figure of some rows with its 95 % interval, bootstrapped by patient.

    Examples
    --------
    >>> with_interval(["a", "b", "c"], lambda rows: 0.5)
    '0.500 (0.500–0.500)'
    """
    rng = np.random.default_rng(0)
    _, patient = np.unique(patients, return_inverse=True)
    rows_of = [np.flatnonzero(patient == number) for number in range(patient.max() + 1)]
    values = []
    for _ in range(DRAWS):
        drawn = rng.integers(0, len(rows_of), len(rows_of))
        values.append(figure(np.concatenate([rows_of[number] for number in drawn])))
    low, high = np.quantile([value for value in values if value is not None], (0.025, 0.975))
    return f"{figure(np.arange(len(patient))):.3f} ({low:.3f}–{high:.3f})"


def told_split(
    train: NDArray[np.float64], test: NDArray[np.float64], patients: Sequence[str]
) -> str:
    """Return the AUC of telling train from test, over folds of whole patients."""
    which = np.repeat([0, 1], [len(train), len(test)])
    said = cross_val_predict(
        acquisition_classifier(),
        np.concatenate([train, test]),
        which,
        groups=np.array(patients),
        cv=GroupKFold(FOLDS),
        method="predict_proba",
    )
    return with_interval(patients, lambda rows: _auc(which[rows], said[rows, 1]))


def _auc(labels: NDArray[np.int8], said: NDArray[np.float64]) -> float | None:
    return covariate_adjusted_auc(labels, said, np.zeros(len(labels), np.intp))


def _bundle_row(bundle: Bundle, table: Predictions, stratum: NDArray[np.intp]) -> dict[str, Cell]:
    """Judge a bundle on the validation images that it does not reject."""
    labels, said = table.labels, table.probabilities
    threshold = float(np.quantile(said[labels == 1], 0.01, method="lower"))
    normal, speaks = labels == 0, stratum == stratum.max()
    return {
        "bundle": bundle.identity,
        "images": len(said),
        "AUC": with_interval(table.patients, lambda rows: _auc(labels[rows], said[rows])),
        "adjusted AUC": with_interval(
            table.patients, lambda rows: covariate_adjusted_auc(labels[rows], said[rows], stratum[rows])
        ),
        "called ill, of all NORMAL": float((said[normal] >= threshold).mean()),
        "of those most like PNEUMONIA": float((said[normal & speaks] >= threshold).mean()),
        "so many": int((normal & speaks).sum()),
    }


def point_rows(
    bundle: Bundle, table: Predictions, stratum: NDArray[np.intp]
) -> Iterator[dict[str, Cell]]:
    """Judge each operating point within each stratum."""
    for name, point in bundle.record.operating_points.items():
        called = table.probabilities >= point.threshold
        for number in np.unique(stratum):
            ill, normal = (table.labels == label for label in (1, 0))
            inside = stratum == number
            yield {
                "bundle": bundle.identity,
                "operating point": name,
                "stratum": int(number) + 1,
                "recall": counted_share(called[ill & inside]),
                "specificity": counted_share(~called[normal & inside]),
            }


def counted_share(hits: NDArray[np.bool_]) -> str:
    """Return how many of some are hits, with Wilson's interval."""
    return share_in_words(int(hits.sum()), len(hits))


def _tables(given: argparse.Namespace) -> Iterator[Table]:
    manifest = open_dataset(given.data)
    entries = {split: manifest.of(split) for split in Split}
    made = {split: describe_acquisitions(manifest, entries[split], open_cache()) for split in Split}
    train, validation = _labels(entries[Split.TRAIN]), _labels(entries[Split.VALIDATION])
    parts = {
        f"{split}, {label.name}": made[split][_labels(entries[split]) == label]
        for split in (Split.TRAIN, Split.VALIDATION)
        for label in Label
    }
    parts["test"] = made[Split.TEST]
    yield Table("How images were made", list(_mean_rows(parts)), GREYS_NOTE)
    said = (
        acquisition_classifier()
        .fit(made[Split.TRAIN], train)
        .predict_proba(made[Split.VALIDATION])[:, 1]
    )
    groups = [one.group for split in (Split.TRAIN, Split.TEST) for one in entries[split]]
    rows: list[dict[str, Cell]] = [
        {
            "told": "label, on validation",
            "AUC": with_interval(
                [one.group for one in entries[Split.VALIDATION]],
                lambda rows: _auc(validation[rows], said[rows]),
            ),
        },
        {
            "told": "split, train against test",
            "AUC": told_split(made[Split.TRAIN], made[Split.TEST], groups),
        },
    ]
    yield Table("What that alone tells", rows, TELLS_NOTE)
    paths = [entry.path for entry in entries[Split.VALIDATION]]
    numbers = acquisition_strata(made[Split.TRAIN], train, made[Split.VALIDATION])
    strata = dict(zip(paths, map(int, numbers), strict=True))
    judged, points = [], list[dict[str, Cell]]()
    for bundle in map(Bundle.open, given.bundles):
        require_own_split(manifest, bundle)
        table = read_entries(bundle, manifest.root, entries[Split.VALIDATION])
        stratum = np.array([strata[file] for file in table.files])
        judged.append(_bundle_row(bundle, table, stratum))
        points += point_rows(bundle, table, stratum)
    yield Table("Bundles, among images made alike", judged, ADJUSTED_NOTE)
    yield Table("Operating points, by machine", points, POINTS_NOTE)


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument("data", type=Path, nargs="?", default=DATA, help="default: %(default)s")
    parser.add_argument(
        "--bundle",
        type=Path,
        action="append",
        dest="bundles",
        help="that learned from it; the shipped one if not given; repeatable",
    )
    given = parser.parse_args()
    given.bundles = given.bundles or [SHIPPED]
    publish("machines", list(_tables(given)), given.out)


if __name__ == "__main__":
    main()
