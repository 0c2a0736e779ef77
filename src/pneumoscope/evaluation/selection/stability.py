"""How often another model would have been chosen, had other patients been at hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.selection.rule import MIN_RECALL, Candidate, choose
from pneumoscope.evaluation.statistics.bootstrap import weight_chunks
from pneumoscope.evaluation.statistics.metrics import Floats, measure, weighted_metrics
from pneumoscope.evaluation.statistics.paired_tests import aligned
from pneumoscope.support.errors import PredictionsError


@dataclass(frozen=True, slots=True)
class ChoiceStability:
    """How firmly a model was chosen.

    Parameters
    ----------
    chosen
        The model that the rule chooses on the data as they are.
    shares
        By model: the share of draws in which it would have been chosen, in [0, 1].
    differs
        The share of draws in which the choice would have been another.
    draws
        How many there were.
    """

    chosen: str
    shares: Mapping[str, float]
    differs: float
    draws: int


def choice_stability(
    models: Mapping[str, Predictions],
    threshold: float | Mapping[str, float],
    min_recall: float = MIN_RECALL,
    draws: int = 1000,
    seed: int = 0,
) -> ChoiceStability:
    """Return how often each model is chosen by the rule of `choose` on a resample of the patients.

    Whole patients are drawn with replacement, the same ones for every model. The thresholds stay:
    what would change if they were chosen anew as well is not in these figures.

    Parameters
    ----------
    models
        By name, in the order that breaks ties: predictions on the same validation images.
    threshold
        A probability of at least this means PNEUMONIA; one for all models, or one for each.
    min_recall
        The least recall of the rule, within [0, 1].
    draws
        Number of resamplings.
    seed
        The same seed gives the same shares.

    Raises
    ------
    PredictionsError
        If there are no models, a model lacks a threshold, the tables are not of the same images,
        labels and patients, or there is one patient only, who says nothing about others.

    References
    ----------
    Sauerbrei W, Schumacher M. A bootstrap resampling procedure for model building. Statistics in
    Medicine 11:2093-2109, 1992.

    Examples
    --------
    >>> labels, files = np.array([0, 0, 1, 1]), ("a", "b", "c", "d")
    >>> good = Predictions(files, labels, np.array([0.1, 0.2, 0.8, 0.9]), files)
    >>> poor = Predictions(files, labels, np.array([0.9, 0.8, 0.2, 0.1]), files)
    >>> stability = choice_stability({"poor": poor, "good": good}, threshold=0.5, draws=100)
    >>> stability.chosen, stability.shares["good"] > 0.8
    ('good', True)
    """
    tables = aligned(models)
    thresholds = _thresholds(tables, threshold)
    metrics = {name: measure(table, thresholds[name]) for name, table in tables.items()}
    chosen = choose(
        [Candidate(name, each.precision, each.recall) for name, each in metrics.items()], min_recall
    ).name
    patient = _shared_patients(tables)
    counts = np.zeros(len(tables), dtype=np.int64)
    for weights in weight_chunks(patient, draws, seed):
        drawn = [weighted_metrics(tables[name], thresholds[name], weights) for name in tables]
        places = _chosen_in_each(
            [each["precision"] for each in drawn], [each["recall"] for each in drawn], min_recall
        )
        counts += np.bincount(places, minlength=len(tables))
    shares = dict(zip(tables, (counts / draws).tolist(), strict=True))
    return ChoiceStability(chosen, shares, 1 - shares[chosen], draws)


def _thresholds(
    tables: Mapping[str, Predictions], threshold: float | Mapping[str, float]
) -> Mapping[str, float]:
    if not isinstance(threshold, Mapping):
        return dict.fromkeys(tables, threshold)
    for name in tables:
        if name not in threshold:
            raise PredictionsError(f"the model {name} has no threshold; give one for each model")
    return threshold


def _shared_patients(tables: Mapping[str, Predictions]) -> NDArray[np.intp]:
    """Return the number of each image's patient, in which all tables must agree."""
    first, *others = tables.items()
    for name, table in others:
        for file, here, there in zip(table.files, first[1].patients, table.patients, strict=True):
            if here != there:
                raise PredictionsError(
                    f"{file}: the predictions of {first[0]} and of {name} name different patients; "
                    "give all models' tables the same column patient"
                )
    patient = np.unique(np.array(first[1].patients), return_inverse=True)[1]
    if patient.max() == 0:
        raise PredictionsError(
            "all validation images are of one patient, who says nothing about others; judge the "
            "choice on several patients"
        )
    return patient


def _chosen_in_each(
    precision: Sequence[Floats], recall: Sequence[Floats], min_recall: float
) -> NDArray[np.intp]:
    """Return the place of the model that `choose` takes in each draw.

    The order is that of `choose`: qualified or not, then the two figures, then the order given.
    """
    precisions, recalls = (np.nan_to_num(np.stack(part), nan=-1.0) for part in (precision, recall))
    qualified = recalls >= min_recall
    any_qualified = qualified.any(axis=0)
    aim = np.where(any_qualified, precisions, recalls)
    other = np.where(any_qualified, recalls, precisions)
    earlier = np.broadcast_to(-np.arange(len(recalls))[:, None], recalls.shape)
    best: NDArray[np.intp] = np.lexsort((earlier, other, aim, qualified), axis=0)[-1]
    return best
