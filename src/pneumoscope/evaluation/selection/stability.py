"""Stability of the choice of a model: how often another is chosen on resampled patients."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats, Predictions
from pneumoscope.evaluation.selection.rule import MIN_RECALL, require_choice
from pneumoscope.evaluation.statistics.bootstrap import resample
from pneumoscope.evaluation.statistics.metrics import point_metrics
from pneumoscope.evaluation.statistics.paired_tests import align_predictions
from pneumoscope.evaluation.statistics.roc import Ranking
from pneumoscope.support.errors import PredictionsError


@dataclass(frozen=True, slots=True)
class ChoiceStability:
    """Stability of the choice of a model by the rule on the data as they are.

    ``shares`` has the share of bootstrap resamples that choose each model, by its name, and
    ``differs`` is the share that chooses another one than ``chosen``, all in [0, 1].
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
    """Return how often `choose_model` chooses each model on a bootstrap resample of the patients.

    Whole patients are drawn with replacement, the same ones for every model. Models that tie in a
    resample share it equally. The thresholds are kept: that they would change as well is not
    included.

    Parameters
    ----------
    models
        Predictions on the same validation images by the name of the model, in the order that breaks
        ties.
    threshold
        Lowest probability that is called PNEUMONIA; one for all models, or one for each.
    min_recall
        Lowest acceptable recall, within [0, 1].
    draws
        Number of bootstrap resamples.
    seed
        Random seed; the same seed gives the same shares.

    Raises
    ------
    PredictionsError
        If there are no models, ``min_recall`` is not within [0, 1], a model lacks a threshold, the
        tables differ in images, labels or patients, or there is a single patient, from whom nothing
        follows for others.

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
    tables = align_predictions(models)
    thresholds = _thresholds(tables, threshold)
    require_choice(len(tables), min_recall)
    patient = _shared_patients(tables)
    rates = []
    for name, table in tables.items():
        ranking = Ranking.of(table.labels, table.probabilities, patient, [thresholds[name]])
        cells = resample(ranking.confusions, patient, draws, seed)[:, 0].T
        rates.append(point_metrics(cells.astype(np.float64)))
    parts = _choose_in_each(
        np.stack([values["ppv"] for values in rates]),
        np.stack([values["sensitivity"] for values in rates]),
        min_recall,
    )
    shares = dict(zip(tables, parts[:, 1:].mean(axis=1).tolist(), strict=True))
    chosen = list(tables)[int(parts[:, 0].argmax())]
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
    first, *rest = tables.items()
    for name, table in rest:
        for file, *patients in zip(table.files, first[1].patients, table.patients, strict=True):
            if len(set(patients)) > 1:
                raise PredictionsError(
                    f"{file}: the predictions of {first[0]} and of {name} name different patients; "
                    "give all models' tables the same column patient"
                )
    patient = first[1].patient_numbers()
    if patient.max() == 0:
        raise PredictionsError(
            "all validation images are of one patient, from whom nothing follows for others; "
            "choose on the images of several patients"
        )
    return patient


def _choose_in_each(precision: Floats, recall: Floats, min_recall: float) -> Floats:
    """Return each model's part in the choice by `choose_model` in each resample.

    All arrays have the shape (models, resamples). Models are sorted in the same way: qualified or
    not, then by the two metrics; those that tie have equal parts, which sum to 1.
    """
    precisions, recalls = (np.nan_to_num(part, nan=-1.0) for part in (precision, recall))
    qualified = recalls >= min_recall
    any_qualified = qualified.any(axis=0)
    first = np.where(any_qualified, precisions, recalls)
    second = np.where(any_qualified, recalls, precisions)
    best = np.lexsort((second, first, qualified), axis=0)[-1:]
    ties = np.ones(recalls.shape, np.bool_)
    for key in (qualified, first, second):
        ties &= key == np.take_along_axis(key, best, axis=0)
    parts: Floats = ties / ties.sum(axis=0)
    return parts
