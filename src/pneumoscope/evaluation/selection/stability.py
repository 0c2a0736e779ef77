"""How often another model would have been chosen, had other patients been at hand."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats, Predictions
from pneumoscope.evaluation.selection.rule import MIN_RECALL
from pneumoscope.evaluation.statistics.bootstrap import resample
from pneumoscope.evaluation.statistics.metrics import point_metrics
from pneumoscope.evaluation.statistics.paired_tests import aligned
from pneumoscope.evaluation.statistics.roc import Ranking
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
    if not tables:
        raise PredictionsError("there is no model to choose from; evaluate at least one")
    patient = _shared_patients(tables)
    rates = []
    for name, table in tables.items():
        ranking = Ranking.of(table.labels, table.probabilities, patient, [thresholds[name]])
        cells = resample(ranking.confusions, patient, draws, seed)[:, 0].T
        rates.append(point_metrics(cells.astype(np.float64)))
    places = _choose_in_each(
        np.stack([values["ppv"] for values in rates]),
        np.stack([values["sensitivity"] for values in rates]),
        min_recall,
    )
    counts = np.bincount(places[1:], minlength=len(tables))
    shares = dict(zip(tables, (counts / draws).tolist(), strict=True))
    chosen = list(tables)[places[0]]
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
    patient = first[1].patient_numbers()
    if patient.max() == 0:
        raise PredictionsError(
            "all validation images are of one patient, who says nothing about others; judge the "
            "choice on several patients"
        )
    return patient


def _choose_in_each(precision: Floats, recall: Floats, min_recall: float) -> NDArray[np.intp]:
    """Return the number of the model that `choose` takes in each resample.

    Both arrays have the shape (models, resamples). Models are ordered as by `choose`: qualified or
    not, then the two metrics, then the order given.
    """
    precisions, recalls = (np.nan_to_num(part, nan=-1.0) for part in (precision, recall))
    qualified = recalls >= min_recall
    any_qualified = qualified.any(axis=0)
    aim = np.where(any_qualified, precisions, recalls)
    other = np.where(any_qualified, recalls, precisions)
    earlier = np.broadcast_to(-np.arange(len(recalls))[:, None], recalls.shape)
    best: NDArray[np.intp] = np.lexsort((earlier, other, aim, qualified), axis=0)[-1]
    return best
