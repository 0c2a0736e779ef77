"""Acquisition as a shortcut: label and split predicted from it alone, and acquisition-adjusted AUC.

A classifier sees the features of border, markers, exposure and noise (see `describe_acquisitions`),
not the lungs. Of the test split no label is read. The documentation is held to the results in
benchmarks/results/machines.json, written when this benchmark was called `machines`.
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
    acquisition_classifier,
    acquisition_strata,
    describe_acquisitions,
)

DATA = CHECKOUT.parent / "shared" / "data" / "chest_xray"
FOLDS = 5
N_RESAMPLES = 500
"""Bootstrap samples of patients; the interval is the middle 95 % of them."""

FEATURES_NOTE = """\
Means; heights of markers are fractions of the image's height. The test split is shown without its
labels."""

CLASSIFIER_NOTE = f"""\
AUC of gradient boosting on the columns above alone; 0.5 is chance. The label: fitted on train,
evaluated on validation. The split: train against test, {FOLDS} folds by patient. Intervals by
bootstrap over patients; the classifier is fitted once."""

ADJUSTED_NOTE = f"""\
Validation images in {N_STRATA} strata of the probability of PNEUMONIA that the acquisition alone
gives. Adjusted AUC: mean of the strata's AUCs by van Elteren's weights (see
`covariate_adjusted_auc`). False positives: share of NORMAL images called PNEUMONIA at the threshold
with a recall of 0.99 on validation, of all and of the last stratum, whose acquisition is most like
that of PNEUMONIA."""

POINTS_NOTE = """\
The same validation images and strata; stratum 1 is the least like PNEUMONIA by its acquisition.
Recall and specificity at each operating point, as counts, with Wilson's interval."""


def _labels(entries: Sequence[Entry]) -> NDArray[np.int8]:
    return np.array([entry.label for entry in entries], np.int8)


def _mean_rows(parts: dict[str, NDArray[np.float64]]) -> Iterator[dict[str, Cell]]:
    for name, table in parts.items():
        means = map(float, table.mean(axis=0))
        yield {"images": name, "n": len(table), **dict(zip(COLUMNS, means, strict=True))}


def with_interval(
    patients: Sequence[str], metric: Callable[[NDArray[np.intp]], float | None]
) -> str:
    """Return a metric with its 95 % bootstrap interval, resampled by patient.

    Parameters
    ----------
    patients
        Patient of each row.
    metric
        Function that computes the metric of rows, or None where it is undefined.

    Examples
    --------
    >>> with_interval(["a", "b", "c"], lambda rows: 0.5)
    '0.500 (0.500–0.500)'
    """
    rng = np.random.default_rng(0)
    _, patient = np.unique(patients, return_inverse=True)
    rows_of = [np.flatnonzero(patient == number) for number in range(patient.max() + 1)]
    values = []
    for _ in range(N_RESAMPLES):
        drawn = rng.integers(0, len(rows_of), len(rows_of))
        values.append(metric(np.concatenate([rows_of[number] for number in drawn])))
    low, high = np.quantile([value for value in values if value is not None], (0.025, 0.975))
    return f"{metric(np.arange(len(patient))):.3f} ({low:.3f}–{high:.3f})"


def split_auc(
    train: NDArray[np.float64], test: NDArray[np.float64], patients: Sequence[str]
) -> str:
    """Return the cross-validated AUC of a classifier of train against test, folds by patient."""
    is_test = np.repeat([0, 1], [len(train), len(test)])
    probabilities = cross_val_predict(
        acquisition_classifier(),
        np.concatenate([train, test]),
        is_test,
        groups=np.array(patients),
        cv=GroupKFold(FOLDS),
        method="predict_proba",
    )[:, 1]
    return with_interval(patients, lambda rows: _auc(is_test[rows], probabilities[rows]))


def _auc(labels: NDArray[np.int8], probabilities: NDArray[np.float64]) -> float | None:
    return covariate_adjusted_auc(labels, probabilities, np.zeros(len(labels), np.intp))


def _bundle_row(bundle: Bundle, table: Predictions, stratum: NDArray[np.intp]) -> dict[str, Cell]:
    """Evaluate a bundle on the validation images that it does not reject."""
    labels, probabilities = table.labels, table.probabilities
    threshold = float(np.quantile(probabilities[labels == 1], 0.01, method="lower"))
    normal = labels == 0
    normal_of_last = normal & (stratum == stratum.max())
    return {
        "bundle": bundle.identity,
        "images": len(labels),
        "AUC": with_interval(table.patients, lambda rows: _auc(labels[rows], probabilities[rows])),
        "adjusted AUC": with_interval(
            table.patients,
            lambda rows: covariate_adjusted_auc(labels[rows], probabilities[rows], stratum[rows]),
        ),
        "false positives, all NORMAL": float((probabilities[normal] >= threshold).mean()),
        "false positives, last stratum": float((probabilities[normal_of_last] >= threshold).mean()),
        "NORMAL in the last stratum": int(normal_of_last.sum()),
    }


def point_rows(
    bundle: Bundle, table: Predictions, stratum: NDArray[np.intp]
) -> Iterator[dict[str, Cell]]:
    """Yield recall and specificity of each operating point within each stratum."""
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
    """Return the share of true values, as counts with Wilson's interval."""
    return share_in_words(int(hits.sum()), len(hits))


def _tables(arguments: argparse.Namespace) -> Iterator[Table]:
    manifest = open_dataset(arguments.data)
    entries = {split: manifest.of(split) for split in Split}
    features = {
        split: describe_acquisitions(manifest, entries[split], open_cache()) for split in Split
    }
    train, validation = _labels(entries[Split.TRAIN]), _labels(entries[Split.VALIDATION])
    parts = {
        f"{split}, {label.name}": features[split][_labels(entries[split]) == label]
        for split in (Split.TRAIN, Split.VALIDATION)
        for label in Label
    }
    parts["test"] = features[Split.TEST]
    yield Table("Acquisition features", list(_mean_rows(parts)), FEATURES_NOTE)
    probabilities = (
        acquisition_classifier()
        .fit(features[Split.TRAIN], train)
        .predict_proba(features[Split.VALIDATION])[:, 1]
    )
    groups = [entry.group for split in (Split.TRAIN, Split.TEST) for entry in entries[split]]
    rows: list[dict[str, Cell]] = [
        {
            "predicted": "label, on validation",
            "AUC": with_interval(
                [entry.group for entry in entries[Split.VALIDATION]],
                lambda rows: _auc(validation[rows], probabilities[rows]),
            ),
        },
        {
            "predicted": "split, train against test",
            "AUC": split_auc(features[Split.TRAIN], features[Split.TEST], groups),
        },
    ]
    yield Table("Predicted from acquisition alone", rows, CLASSIFIER_NOTE)
    paths = [entry.path for entry in entries[Split.VALIDATION]]
    numbers = acquisition_strata(features[Split.TRAIN], train, features[Split.VALIDATION])
    strata = dict(zip(paths, map(int, numbers), strict=True))
    bundle_rows, points = [], list[dict[str, Cell]]()
    for bundle in map(Bundle.open, arguments.bundles):
        require_own_split(manifest, bundle)
        table = read_entries(bundle, manifest.root, entries[Split.VALIDATION])
        stratum = np.array([strata[file] for file in table.files])
        bundle_rows.append(_bundle_row(bundle, table, stratum))
        points += point_rows(bundle, table, stratum)
    yield Table("Bundles, adjusted for acquisition", bundle_rows, ADJUSTED_NOTE)
    yield Table("Operating points, by acquisition", points, POINTS_NOTE)


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument(
        "data", type=Path, nargs="?", default=DATA, help="dataset (default: %(default)s)"
    )
    parser.add_argument(
        "--bundle",
        type=Path,
        action="append",
        dest="bundles",
        help="bundle trained on the dataset (default: the shipped one); repeatable",
    )
    arguments = parser.parse_args()
    arguments.bundles = arguments.bundles or [SHIPPED]
    publish("acquisition", _tables(arguments), arguments.out)


if __name__ == "__main__":
    main()
