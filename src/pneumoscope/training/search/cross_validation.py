"""Cross-validation of a recipe on folds of the train and validation splits."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pneumoscope.dataset import Entry, Manifest, Split
from pneumoscope.dataset.splits import deal_folds
from pneumoscope.evaluation.statistics.covariate_adjusted_auc import covariate_adjusted_auc
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.errors import RunError
from pneumoscope.training.acquisition_groups import (
    acquisition_strata,
    describe_acquisitions,
    leave_one_acquisition_out,
)
from pneumoscope.training.examples import ExampleStore
from pneumoscope.training.initial_weights import build_initial_network, load_initial_weights
from pneumoscope.training.memory_estimate import require_memory
from pneumoscope.training.prediction import predict
from pneumoscope.training.recipe import Recipe
from pneumoscope.training.search.plan import HeldOut, SearchPlan
from pneumoscope.training.trainer import Trainer


class CrossValidation:
    """Folds of a dataset, on which recipes are trained and scored; the test split is not read.

    With too few patients for the folds, creating it raises a `DatasetError`.
    """

    def __init__(self, manifest: Manifest, plan: SearchPlan, cache: ArrayCache) -> None:
        self.manifest, self.held_out, self.cache = manifest, plan.held_out, cache
        folds = self._deal(plan.folds, plan.seed)
        self.folds = [replace(manifest, entries=tuple(entries)) for entries in folds]

    def trainers(self, recipe: Recipe) -> Iterator[Trainer]:
        """Yield an untrained trainer for each fold; a `RecipeError` means too little memory."""
        weights = load_initial_weights(recipe)
        for fold in self.folds:
            store = ExampleStore(fold, self.cache)
            train, validation = (
                store.pixels(split, recipe) for split in (Split.TRAIN, Split.VALIDATION)
            )
            require_memory(recipe, len(train) + len(validation))
            network = build_initial_network(recipe, weights)
            yield Trainer(network, recipe, train, validation)

    def score(self, trainer: Trainer) -> float:
        """Return the AUC of a trained fold, within strata of the acquisition or as it is.

        Raises
        ------
        RunError
            If no two images of different classes share a stratum.
        """
        train, validation = trainer.train, trainer.validation
        strata = np.zeros(len(validation), np.intp)
        if self.held_out is HeldOut.PATIENTS:
            tables = [
                np.stack([self._acquisitions[entry.path] for entry in examples.entries])
                for examples in (train, validation)
            ]
            strata = acquisition_strata(tables[0], train.labels, tables[1])
        probabilities = predict(trainer.result, validation, trainer.recipe.precision)
        score = covariate_adjusted_auc(validation.labels, probabilities, strata)
        if score is None:
            raise RunError(
                "borders and markers alone tell the classes apart, so no images of both classes "
                "are comparable"
            )
        return score

    def _deal(self, folds: int, seed: int) -> list[list[Entry]]:
        entries = self.manifest.entries
        if self.held_out is HeldOut.ACQUISITION:
            return leave_one_acquisition_out(entries, self._acquisitions, folds, seed)
        return deal_folds(entries, folds, seed)

    @cached_property
    def _acquisitions(self) -> dict[str, NDArray[np.float64]]:
        entries = [entry for entry in self.manifest.in_use if entry.split is not Split.TEST]
        table = describe_acquisitions(self.manifest, entries, self.cache)
        return {entry.path: row for entry, row in zip(entries, table, strict=True)}
