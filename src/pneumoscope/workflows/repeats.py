"""Repeated trainings of an experiment's models: with other seeds, and in folds."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pneumoscope.dataset import Manifest, Split
from pneumoscope.dataset.splits import deal_folds
from pneumoscope.evaluation.report.repeats import RepeatedTrainings
from pneumoscope.evaluation.selection.rule import Candidate, choose_model
from pneumoscope.evaluation.statistics.discrimination import bootstrap_metrics
from pneumoscope.evaluation.statistics.metrics import Metrics, measure
from pneumoscope.support.errors import RecipeError
from pneumoscope.training import ExampleStore, Recipe, Run, evaluate_once, train
from pneumoscope.training.evaluate import read_predictions
from pneumoscope.training.initial_weights import load_initial_weights, require_no_leakage
from pneumoscope.training.loggers import TrainingLogger


def require_repeats(manifest: Manifest, recipes: Sequence[Recipe], seeds: int, folds: int) -> None:
    """Raise if models cannot be trained so often, before hours of training.

    Raises
    ------
    DatasetError
        If there are too few patients for the folds.
    RecipeError
        If ``seeds`` is below 1 or ``folds`` is 1 or negative, or a recipe starts from a Run that
        has used images of a fold.
    """
    if seeds < 1:
        raise RecipeError(f"--seeds must be at least 1, not {seeds}")
    if folds < 0 or folds == 1:
        raise RecipeError(f"--folds must be 0 or at least 2, not {folds}")
    if not folds:
        return
    dealt = deal_folds(manifest.entries, folds, manifest.seed)
    for recipe in recipes:
        if recipe.start is not None:
            weights = load_initial_weights(recipe)
            for entries in dealt:
                require_no_leakage(weights, replace(manifest, entries=tuple(entries)))


def repeat_with_seeds(
    store: ExampleStore,
    runs: Sequence[Run],
    out: Path,
    count: int,
    min_recall: float,
    loggers: Sequence[TrainingLogger] = (),
) -> RepeatedTrainings:
    """Train the models of Runs again with the seeds that follow theirs, and evaluate them on test.

    Parameters
    ----------
    store
        Examples of the dataset; its split stays the same.
    runs
        Evaluated Runs, one for each model: those of the first seed.
    out
        Folder of the further Runs; those that it holds already are used or continued.
    count
        Number of seeds, that of the Runs included.
    min_recall
        Lowest acceptable recall of the rule that chooses a model for each seed.
    loggers
        Tools that show each training as it goes on.
    """
    trainings = [list(runs)]
    for step in range(1, count):
        further = []
        for run in runs:
            recipe = run.recipe.model_copy(update={"seed": run.recipe.seed + step})
            folder = out / f"{recipe.model}-seed{recipe.seed}"
            again = train(store, recipe, folder, resume=True, loggers=loggers)
            evaluate_once(again, store)
            further.append(again)
        trainings.append(further)
    return _repeats("seed", trainings, (Split.VALIDATION, Split.TEST), min_recall)


def repeat_in_folds(
    store: ExampleStore,
    recipes: Sequence[Recipe],
    out: Path,
    count: int,
    min_recall: float,
    loggers: Sequence[TrainingLogger] = (),
) -> RepeatedTrainings:
    """Cross-validate models: train each without one fold of train and validation, for each fold.

    The folds are dealt by patient; the test split is not read. Parameters are as in
    `repeat_with_seeds`.
    """
    manifest = store.manifest
    trainings = []
    for number, entries in enumerate(deal_folds(manifest.entries, count, manifest.seed), start=1):
        fold = ExampleStore(replace(manifest, entries=tuple(entries)), store.cache)
        trainings.append(
            [
                train(
                    fold,
                    recipe,
                    out / f"{recipe.model}-fold{number}",
                    resume=True,
                    loggers=loggers,
                )
                for recipe in recipes
            ]
        )
    return _repeats("fold", trainings, (Split.VALIDATION,), min_recall)


def _repeats(
    unit: Literal["seed", "fold"],
    trainings: Sequence[Sequence[Run]],
    splits: Sequence[Split],
    min_recall: float,
) -> RepeatedTrainings:
    """Measure Runs, given for each seed or fold and then for each model."""
    metrics: dict[Split, dict[str, list[Metrics]]] = {split: {} for split in splits}
    for runs in trainings:
        for run in runs:
            for split in splits:
                predictions = read_predictions(run, split)
                # The rule of choice needs intervals, the spread does not.
                assess = bootstrap_metrics if split is Split.VALIDATION else measure
                of_model = metrics[split].setdefault(run.recipe.model, [])
                of_model.append(assess(predictions, run.recipe.threshold))
    validation = metrics[Split.VALIDATION]
    choices = [
        choose_model(
            [Candidate.of(name, measured[row]) for name, measured in validation.items()], min_recall
        )
        for row in range(len(trainings))
    ]
    chosen = tuple(choice.name if choice.usable else None for choice in choices)
    return RepeatedTrainings(unit, validation, metrics.get(Split.TEST, {}), chosen)
