"""Comparison of one or several models on the same images, and the choice of one of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pneumoscope.evaluation.model_evaluation import ModelEvaluation, Subject, evaluate_model
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.second_reader import SecondReader
from pneumoscope.evaluation.selection.rule import MIN_RECALL, Candidate, ModelChoice, choose_model
from pneumoscope.evaluation.selection.stability import ChoiceStability, choice_stability
from pneumoscope.evaluation.statistics.bootstrap import DRAWS
from pneumoscope.evaluation.statistics.custom_metrics import Metric
from pneumoscope.evaluation.statistics.discrimination import PREVALENCES, bootstrap_metrics
from pneumoscope.evaluation.statistics.paired_tests import PairedComparison, compare_pairs
from pneumoscope.support.errors import PredictionsError
from pneumoscope.support.terminal import track

_MIN_SHARED = 0.95
"""Smallest share of each table's images in all tables, for the others to be left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Comparison of models on the same images.

    The pairs are compared on the images that all models have, ``compared`` in number. ``choice`` is
    the model chosen on validation images, ``stability`` how often another one would be chosen on a
    resample; both are None for a single model, or unless all models have predictions on the same
    validation images.
    """

    evaluations: tuple[ModelEvaluation, ...]
    pairs: tuple[PairedComparison, ...]
    compared: int
    choice: ModelChoice | None
    stability: ChoiceStability | None

    @property
    def main(self) -> ModelEvaluation:
        """Evaluation of the chosen model, or of the first one."""
        name = None if self.choice is None else self.choice.name
        chosen = [evaluation for evaluation in self.evaluations if evaluation.subject.name == name]
        return (chosen or self.evaluations)[0]

    def _repr_html_(self) -> str:
        from pneumoscope.evaluation.report.jupyter import view_comparison  # it imports this module

        return view_comparison(self)


def compare_models(
    subjects: Sequence[Subject],
    prevalences: Sequence[float] = PREVALENCES,
    min_recall: float = MIN_RECALL,
    draws: int = DRAWS,
    seed: int = 0,
    second_reader: SecondReader | None = None,
    metrics: Mapping[str, Metric] | None = None,
) -> Comparison:
    """Evaluate models, compare them, and choose one by the rule, on validation images.

    Parameters
    ----------
    subjects
        Models, at least one, with predictions on the same images and different names.
    prevalences
        Prevalences at which predictive values and consequences are stated, each within (0, 1).
    min_recall
        Lowest acceptable recall of the rule; see `choose_model`.
    draws
        Number of bootstrap resamples.
    seed
        Random seed; the same seed gives the same comparison.
    second_reader
        Second reader, matched to the files of the predictions; no model is chosen with it.
    metrics
        Metrics of other packages by name, for reporting only; see `find_metrics`.

    Raises
    ------
    PluginError
        If a metric of another package fails.
    PredictionsError
        If two models have one name, or predictions on different images or labels, or no image has
        a usable second reading.
    """
    names = [subject.name for subject in subjects]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise PredictionsError(
            f"two of the models are called {repeated[0]}; rename a folder or file, so that tables "
            "can tell them apart"
        )
    # Before the evaluations, which take long: models that cannot be compared are refused at once.
    shared = _shared_rows({subject.name: subject.predictions for subject in subjects})
    pairs = compare_pairs(
        {subject.name: (shared[subject.name], subject.threshold) for subject in subjects}
    )
    evaluations = tuple(
        evaluate_model(subject, prevalences, draws, seed, second_reader, metrics)
        for subject in track(subjects, "Evaluating", len(subjects))
    )
    choice, stability = _choose(subjects, min_recall, seed)
    compared = len(next(iter(shared.values())).files)
    return Comparison(evaluations, pairs, compared, choice, stability)


def _shared_rows(tables: Mapping[str, Predictions]) -> dict[str, Predictions]:
    """Return the rows of the images that all tables have, where each lacks at most a few.

    A bundle rejects an image now and then, and the others are compared all the same; tables of
    different images are returned as they are, for the comparison to refuse.
    """
    common = set.intersection(*(set(table.files) for table in tables.values()))
    if any(len(common) < _MIN_SHARED * len(table.files) for table in tables.values()):
        return dict(tables)
    return {
        name: table.rows(np.array([file in common for file in table.files]))
        for name, table in tables.items()
    }


def _choose(
    subjects: Sequence[Subject], min_recall: float, seed: int
) -> tuple[ModelChoice | None, ChoiceStability | None]:
    validations: dict[str, Predictions] = {
        subject.name: subject.validation for subject in subjects if subject.validation is not None
    }
    if len(subjects) < 2 or len(validations) < len(subjects):
        return None, None
    validations = _shared_rows(validations)
    if len({frozenset(table.files) for table in validations.values()}) > 1:
        return None, None
    thresholds = {subject.name: subject.threshold for subject in subjects}
    candidates = [
        Candidate.of(name, bootstrap_metrics(predictions, thresholds[name], seed=seed))
        for name, predictions in validations.items()
    ]
    choice = choose_model(candidates, min_recall)
    eligible = {
        name: predictions
        for name, predictions in validations.items()
        if not choice.usable or name not in choice.ineligible
    }
    return choice, choice_stability(eligible, thresholds, min_recall, seed=seed)
