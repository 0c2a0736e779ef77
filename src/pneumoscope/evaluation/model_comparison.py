"""One or several readers on the same images: each judged, all compared, one chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pneumoscope.evaluation.model_evaluation import ModelEvaluation, Subject, evaluate_model
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.selection.rule import MIN_RECALL, Candidate, Choice, choose
from pneumoscope.evaluation.selection.stability import ChoiceStability, choice_stability
from pneumoscope.evaluation.statistics.bootstrap import DRAWS
from pneumoscope.evaluation.statistics.discrimination import PREVALENCES
from pneumoscope.evaluation.statistics.metrics import measure
from pneumoscope.evaluation.statistics.paired_tests import Pair, compare_pairs
from pneumoscope.support.errors import PredictionsError
from pneumoscope.support.terminal import track

_ALIKE = 0.95
"""Share of each table's images that all must have, for the rest to be left out of comparisons."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """What was found of several readers on the same images.

    Parameters
    ----------
    judgements
        One for each, in the order given.
    pairs
        Every two of them compared, on the images that all of them have.
    compared
        How many those are.
    choice, stability
        The one chosen on validation images, and how often another would be on a resample; None of
        a single reader, or where validation predictions of the same images are not known of all.
    """

    judgements: tuple[ModelEvaluation, ...]
    pairs: tuple[Pair, ...]
    compared: int
    choice: Choice | None
    stability: ChoiceStability | None

    @property
    def main(self) -> ModelEvaluation:
        """The chosen one, or the first."""
        name = self.judgements[0].subject.name if self.choice is None else self.choice.name
        return next(one for one in self.judgements if one.subject.name == name)


def compare_models(
    subjects: Sequence[Subject],
    prevalences: Sequence[float] = PREVALENCES,
    min_recall: float = MIN_RECALL,
    draws: int = DRAWS,
    seed: int = 0,
) -> Comparison:
    """Judge readers, compare them, and choose one by the rule, on validation images.

    Parameters
    ----------
    subjects
        At least one; all of the same images, and of different names.
    prevalences
        See `evaluate_model`.
    min_recall
        Of the rule; see `choose`.
    draws, seed
        Of the bootstrap.

    Raises
    ------
    PredictionsError
        If two have one name, or are of different images or labels.
    """
    names = [subject.name for subject in subjects]
    if twice := [name for name in names if names.count(name) > 1]:
        raise PredictionsError(
            f"two of the readers are called {twice[0]}; rename a folder or file, so that tables "
            "can tell them apart"
        )
    # Before the long work: what cannot be compared is refused at once.
    shared = _shared({one.name: one.predictions for one in subjects})
    pairs = compare_pairs({one.name: (shared[one.name], one.threshold) for one in subjects})
    judgements = tuple(
        evaluate_model(subject, prevalences, draws, seed)
        for subject in track(subjects, "Judging", len(subjects))
    )
    choice, stability = _chosen(subjects, min_recall, seed)
    compared = len(next(iter(shared.values())).files)
    return Comparison(judgements, pairs, compared, choice, stability)


def _shared(tables: Mapping[str, Predictions]) -> dict[str, Predictions]:
    """Return the rows of the images that all tables have, where each lacks at most a few.

    A bundle rejects an image now and then, and the others are compared all the same; tables of
    different images are returned as they are, for the comparison to refuse.
    """
    common = set.intersection(*(set(table.files) for table in tables.values()))
    if any(len(common) < _ALIKE * len(table.files) for table in tables.values()):
        return dict(tables)
    return {
        name: table.rows(np.array([file in common for file in table.files]))
        for name, table in tables.items()
    }


def _chosen(
    subjects: Sequence[Subject], min_recall: float, seed: int
) -> tuple[Choice | None, ChoiceStability | None]:
    validations: dict[str, Predictions] = {
        one.name: one.validation for one in subjects if one.validation is not None
    }
    if len(subjects) < 2 or len(validations) < len(subjects):
        return None, None
    validations = _shared(validations)
    if len({frozenset(table.files) for table in validations.values()}) > 1:
        return None, None
    thresholds = {one.name: one.threshold for one in subjects}
    candidates = []
    for name, predictions in validations.items():
        metrics = measure(predictions, thresholds[name])
        candidates.append(Candidate(name, metrics.value("ppv"), metrics.value("sensitivity")))
    return (
        choose(candidates, min_recall),
        choice_stability(validations, thresholds, min_recall, seed=seed),
    )
