"""AUC among adults: the groups that are told apart, by radiologists' readings and mined labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.acquisition import with_interval
from benchmarks.adults_data import ADULTS, FOLDS, Adult, has_no_finding, is_normal
from benchmarks.radiologists import RsnaClass
from pneumoscope.evaluation.statistics.covariate_adjusted_auc import covariate_adjusted_auc

RADIOLOGISTS, MINED = "radiologists", "mined"

CONTRASTS_NOTE = f"""\
Radiologists: images of the RSNA class Lung Opacity, whatever their report says, against (no
finding) those whose report names none and that radiologists did not read or call Normal; (other
findings) those of the class No Lung Opacity / Not Normal; (Normal) those of the class Normal.
Images in which Google's radiologists saw an airspace opacity are not among the others. Mined:
images whose report names pneumonia, against those whose report names no finding, other findings,
or either.
Out-of-fold ({FOLDS} folds): each adult is scored by the training that left the patient out, and
compared with adults of the same fold; the AUC is the mean of the folds' AUCs by van Elteren's
weights. Intervals by bootstrap over patients; each network is trained once."""


@dataclass(frozen=True)
class AdultPrediction:
    """Probability of pneumonia of an adult, by the training of a fold."""

    adult: Adult
    fold: int
    probability: float


def shows_opacity(adult: Adult) -> bool:
    """Return whether the RSNA's radiologists saw an opacity."""
    return adult.reading.rsna_class is RsnaClass.OPACITY


def has_other_finding(adult: Adult) -> bool:
    """Return whether radiologists saw something abnormal, and no opacity."""
    reading = adult.reading
    return reading.rsna_class is RsnaClass.ABNORMAL and not reading.airspace_opacity


@dataclass(frozen=True)
class Contrast:
    """Two groups of adults that a network is to tell apart: the positives and the others.

    Parameters
    ----------
    labels
        Where the labels come from: radiologists, or mined from reports.
    against
        Name of the others.
    is_positive, is_other
        Membership of either group; an adult may be in none, and positives are never others.
    """

    labels: str
    against: str
    is_positive: Callable[[Adult], bool]
    is_other: Callable[[Adult], bool]

    def includes(self, adult: Adult) -> bool:
        """Return whether an adult is in either group."""
        return self.is_positive(adult) or self.is_other(adult)

    def count(self, predictions: Sequence[AdultPrediction]) -> tuple[int, int]:
        """Return the numbers of positives and of others."""
        positives = sum(self.is_positive(prediction.adult) for prediction in predictions)
        return positives, sum(map(self.includes, _adults(predictions))) - positives

    def auc(self, predictions: Sequence[AdultPrediction]) -> str:
        """Return the AUC within folds, with its interval by patient."""
        part = [prediction for prediction in predictions if self.includes(prediction.adult)]
        labels = np.array([self.is_positive(prediction.adult) for prediction in part], np.int8)
        probabilities = np.array([prediction.probability for prediction in part])
        fold = np.array([prediction.fold for prediction in part])
        return with_interval(
            [adult.patient for adult in _adults(part)],
            lambda rows: covariate_adjusted_auc(labels[rows], probabilities[rows], fold[rows]),
        )


def _mined(against: str, includes: Callable[[Adult], bool]) -> Contrast:
    return Contrast(
        MINED,
        against,
        lambda adult: adult.ill and includes(adult),
        lambda adult: not adult.ill and includes(adult),
    )


BY_RADIOLOGISTS = (
    Contrast(RADIOLOGISTS, "no finding", shows_opacity, has_no_finding),
    Contrast(RADIOLOGISTS, "other findings", shows_opacity, has_other_finding),
    Contrast(RADIOLOGISTS, "Normal", shows_opacity, is_normal),
)

BY_MINED_LABELS = (
    _mined("no finding", lambda adult: adult.ill or adult.healthy),
    _mined("other findings", lambda adult: adult.ill or not adult.healthy),
    _mined("all others", lambda adult: True),
    # This folder has no other findings.
    _mined("no finding, nih_external", lambda adult: adult.folder == ADULTS[0]),
    _mined(
        "no finding, nih_external, AP",
        lambda adult: adult.folder == ADULTS[0] and adult.view == "AP",
    ),
    _mined(
        "no finding, nih_external, PA",
        lambda adult: adult.folder == ADULTS[0] and adult.view == "PA",
    ),
)


def _adults(predictions: Sequence[AdultPrediction]) -> list[Adult]:
    return [prediction.adult for prediction in predictions]
