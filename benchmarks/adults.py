"""Fine-tuning of the children's network on adults: cross-validation, then the final training.

Cross-validation by patient over both folders of NIH ChestX-ray14, then a last training for a
bundle. Each training starts from a finished Run on the children and keeps a third of their training
patients beside the adults, against catastrophic forgetting. The children's test split is not read
before the last training has finished.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.acquisition import with_interval
from benchmarks.adults_auc import (
    BY_MINED_LABELS,
    BY_RADIOLOGISTS,
    CONTRASTS_NOTE,
    AdultPrediction,
)
from benchmarks.adults_data import (
    CHILDREN,
    FOLDS,
    Adult,
    Labels,
    assign_folds,
    fold_rows,
    last_rows,
    read_adults,
    read_children,
    write_table,
)
from benchmarks.report import CHECKOUT, Cell, Table, option_parser, publish
from pneumoscope.cli.options import open_cache
from pneumoscope.dataset import Split, open_dataset
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.statistics.covariate_adjusted_auc import covariate_adjusted_auc
from pneumoscope.training import ExampleStore, Recipe, Run, make_recipe, train
from pneumoscope.training.evaluate import evaluate_once, load_trained_network, read_predictions
from pneumoscope.training.prediction import predict
from pneumoscope.training.recipe_format import read_settings

DATA = CHECKOUT.parent / "shared" / "data"
RECIPE = CHECKOUT / "recipes" / "adults" / "recipe.yaml"

SMALLEST_STRIDE = 10
"""One in this many images is used in the smallest run."""

SMALLEST_FOLDS = 3
"""Number of folds, of all, that are trained in the smallest run."""

INHERITED = {"precision", "image_size", "resampling", "framing", "augmentation", "weights"}
"""Settings of the Run on the children that the adults' recipe leaves open."""

OUT_OF_FOLD = "out_of_fold.csv"
"""File of the out-of-fold probabilities of the adults."""

OUTSIDERS = "outsiders"
"""Folder of links to the children whom the bundle must refuse."""

SENSITIVITY = 0.8

OUT_OF_FOLD_NOTE = f"""\
{CONTRASTS_NOTE}
Before: the Run on the children, unadapted. AP images are mostly bedside images of sicker people;
within one view that tells nothing. Adults with other findings were not learned from. Cleaned
labels: an image that radiologists read was learned from as PNEUMONIA if they saw an opacity, as
NORMAL if they called it so; such networks are measured, not shipped."""

CHILDREN_NOTE = """\
The children's validation split, which no training learned from. AUC before, with its interval by
patient, and after: mean of the folds (lowest to highest)."""

DISEASES_NOTE = f"""\
Adults without pneumonia by the findings of their reports (an adult counts under each finding), and
the share called PNEUMONIA, at each fold's threshold with a sensitivity of {SENSITIVITY} on the
adults left out. Intervals by patient."""


def adults_recipe(start: Run, file: Path, assignments: Sequence[str] = ()) -> Recipe:
    """Return the recipe of a file that starts from a Run, and takes its network and `INHERITED`.

    Settings of the file, and assignments, come before those of the Run.
    """
    inherited = start.recipe.model_dump(include=INHERITED, exclude=set(read_settings(file)))
    settings = {**inherited, "start": str(start.folder)}
    return make_recipe(start.recipe.model, file, assignments, **settings)


def train_on(rows: Sequence[Mapping[str, str]], data: Path, recipe: Recipe, folder: Path) -> Run:
    """Train on a table's rows, or resume the training, and evaluate its test split once."""
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "labels.csv"
    write_table(rows, table)
    store = ExampleStore(open_dataset(table, data), open_cache())
    run = train(store, recipe, folder / recipe.model, resume=True)
    evaluate_once(run, store)
    return run


def out_of_fold_predictions(adults: Sequence[Adult], runs: Sequence[Run]) -> list[AdultPrediction]:
    """Return the out-of-fold prediction of each adult."""
    by_file = {adult.file: adult for adult in adults}
    return [
        AdultPrediction(by_file[file], fold, float(probability))
        for fold, run in enumerate(runs)
        for table in [read_predictions(run, Split.TEST)]
        for file, probability in zip(table.files, table.probabilities, strict=True)
    ]


def predictions_before(start: Run, runs: Sequence[Run], data: Path) -> list[AdultPrediction]:
    """Return the starting Run's prediction of each fold's adults."""
    by_file = {adult.file: adult for adult in read_adults(data)}
    network = load_trained_network(start)
    predictions = []
    for fold, run in enumerate(runs):
        recipe = run.recipe
        examples = ExampleStore(run.manifest(data), open_cache()).pixels(Split.TEST, recipe)
        probabilities = predict(network, examples, recipe.precision)
        predictions += [
            AdultPrediction(by_file[entry.path], fold, float(probability))
            for entry, probability in zip(examples.entries, probabilities, strict=True)
        ]
    return predictions


def predictions_table(predictions: Sequence[AdultPrediction]) -> Predictions:
    """Return the out-of-fold predictions as a table."""
    return Predictions(
        files=tuple(prediction.adult.file for prediction in predictions),
        labels=np.array([prediction.adult.ill for prediction in predictions], np.int8),
        probabilities=np.array([prediction.probability for prediction in predictions]),
        patients=tuple(prediction.adult.patient for prediction in predictions),
    )


def auc_rows(networks: Mapping[str, Sequence[AdultPrediction]]) -> Iterator[dict[str, Cell]]:
    """Yield the AUC of networks among adults, by the groups that are told apart.

    Parameters
    ----------
    networks
        Predictions of each network by its column's name, all of the same adults.
    """
    for contrast in (*BY_RADIOLOGISTS, *BY_MINED_LABELS):
        positive, others = contrast.count(next(iter(networks.values())))
        yield {
            "labels": contrast.labels,
            "against": contrast.against,
            "positive": positive,
            "others": others,
            **{name: contrast.auc(predictions) for name, predictions in networks.items()},
        }


def disease_rows(predictions: Sequence[AdultPrediction]) -> Iterator[dict[str, Cell]]:
    """Yield the false positive rate among adults without pneumonia, by finding."""
    thresholds = {
        fold: _threshold(predictions, fold)
        for fold in {prediction.fold for prediction in predictions}
    }
    negatives = [prediction for prediction in predictions if not prediction.adult.ill]
    findings = {finding for prediction in negatives for finding in prediction.adult.findings}
    for name in sorted(findings):
        part = [prediction for prediction in negatives if name in prediction.adult.findings]
        called = np.array(
            [prediction.probability >= thresholds[prediction.fold] for prediction in part]
        )
        share = with_interval(
            [prediction.adult.patient for prediction in part],
            lambda rows, called=called: float(called[rows].mean()),  # type: ignore[misc]
        )
        yield {"finding": name, "adults": len(part), "called PNEUMONIA": share}


def _threshold(predictions: Sequence[AdultPrediction], fold: int) -> float:
    ill = [
        prediction.probability
        for prediction in predictions
        if prediction.fold == fold and prediction.adult.ill
    ]
    return float(np.quantile(ill, 1 - SENSITIVITY, method="lower"))


def link_outsiders(data: Path, folder: Path) -> None:
    """Link the children's training images, whom a bundle for adults must refuse, into a folder."""
    manifest = open_dataset(data / CHILDREN)
    folder.mkdir(exist_ok=True)
    for entry in manifest.of(Split.TRAIN):
        link = folder / entry.path.replace("/", "-")
        link.unlink(missing_ok=True)
        link.symlink_to((manifest.root / entry.path).resolve())


def _children_row(start: Run, runs: Sequence[Run]) -> dict[str, Cell]:
    table = read_predictions(start, Split.VALIDATION)
    after = [float(_validation_auc(run)) for run in runs]
    before = with_interval(
        table.patients,
        lambda rows: covariate_adjusted_auc(
            table.labels[rows], table.probabilities[rows], np.zeros(len(rows), np.intp)
        ),
    )
    return {
        "before": before,
        "after": f"{np.mean(after):.4f} ({min(after):.4f}–{max(after):.4f})",
        "change": f"{np.mean(after) - _validation_auc(start):+.4f}",
    }


def _validation_auc(run: Run) -> float:
    table = read_predictions(run, Split.VALIDATION)
    strata = np.zeros(len(table.files), np.intp)
    auc = covariate_adjusted_auc(table.labels, table.probabilities, strata)
    assert auc is not None
    return auc


def _tables(arguments: argparse.Namespace) -> Iterator[Table]:
    start = Run.open(arguments.start)
    adults, children = (
        read_adults(arguments.data),
        read_children(arguments.data, start.record.manifest_fingerprint),
    )
    if arguments.smallest:
        adults, children = adults[::SMALLEST_STRIDE], children[::SMALLEST_STRIDE]
    recipe = adults_recipe(start, arguments.recipe, ["epochs=1"] if arguments.smallest else [])
    fold = assign_folds(adults)
    folds = range(SMALLEST_FOLDS if arguments.smallest else FOLDS)

    def cross_validate(labels: Labels, folder: Path) -> list[Run]:
        tables = [list(fold_rows(children, adults, fold, n, labels)) for n in folds]
        return [
            train_on(rows, arguments.data, recipe, folder / f"fold_{held_out}")
            for held_out, rows in enumerate(tables)
        ]

    runs = cross_validate(Labels.MINED, arguments.runs)
    after = out_of_fold_predictions(adults, runs)
    networks = {"before": predictions_before(start, runs, arguments.data), "AUC": after}
    if arguments.cleaned:
        cleaned = cross_validate(Labels.CLEANED, arguments.runs / "cleaned")
        networks["AUC, cleaned labels"] = out_of_fold_predictions(adults, cleaned)
    yield Table("Adults, out-of-fold", list(auc_rows(networks)), OUT_OF_FOLD_NOTE)
    yield Table("Children", [_children_row(start, runs)], CHILDREN_NOTE)
    yield Table("Adults without pneumonia", list(disease_rows(after)), DISEASES_NOTE)
    predictions_table(after).write(arguments.runs / OUT_OF_FOLD)
    if not arguments.only_folds:
        train_on(list(last_rows(children, adults)), arguments.data, recipe, arguments.runs / "last")
        link_outsiders(arguments.data, arguments.runs / OUTSIDERS)


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument(
        "--data", type=Path, default=DATA, help="folder of the datasets (default: %(default)s)"
    )
    parser.add_argument(
        "--start",
        type=Path,
        required=True,
        help="finished Run on the children, as 'pneumoscope train' writes it",
    )
    parser.add_argument(
        "--runs",
        type=Path,
        required=True,
        help="folder of the trainings; those that are in it are resumed",
    )
    parser.add_argument(
        "--recipe", type=Path, default=RECIPE, help="recipe of the trainings (default: %(default)s)"
    )
    parser.add_argument(
        "--cleaned",
        action="store_true",
        help="train the folds a second time, with labels cleaned where radiologists read; that is "
        "measured, and never part of the last training",
    )
    parser.add_argument(
        "--only-folds",
        action="store_true",
        help="leave out the last training, to compare recipes by cross-validation",
    )
    arguments = parser.parse_args()
    publish("adults", _tables(arguments), arguments.out)


if __name__ == "__main__":
    main()
