"""Evaluation against a second reader: the same metrics against each reader, and their agreement."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.second_reader import SecondReader
from pneumoscope.evaluation.statistics.agreement import cohen_kappa
from pneumoscope.evaluation.statistics.bootstrap import DRAWS
from pneumoscope.evaluation.statistics.discrimination import (
    Discrimination,
    PointEvaluation,
    assess_discrimination,
)
from pneumoscope.report.estimate import Estimate
from pneumoscope.support.errors import PredictionsError


class Reference(StrEnum):
    """Reference standard that predictions are compared with."""

    LABELS = "labels"
    """The labels, on all images."""
    SECOND_READER = "second_reader"
    """The second reader, on the images that this reader calls usable."""
    AGREED = "agreed"
    """Both, on the usable images where they agree."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceEvaluation:
    """Performance against one reference standard on ``n`` images, ``positives`` with pneumonia.

    ``discrimination`` is None where there is no image.
    """

    n: int
    positives: int
    discrimination: Discrimination | None


@dataclass(frozen=True, slots=True, eq=False)
class ReaderAgreement:
    """Agreement of the second reader with the labels on ``n`` images.

    ``kappa`` is Cohen's, ``point`` the second reader's own operating point against the labels.
    """

    n: int
    kappa: Estimate
    point: PointEvaluation


@dataclass(frozen=True, slots=True, eq=False)
class SecondReaderEvaluation:
    """Evaluation of one model against a second reader, on the images that the model read.

    Parameters
    ----------
    table
        Name of the second reader's table.
    read
        Number of evaluated images with a second reading.
    unusable
        Number of them that the second reader calls unusable.
    without_reading
        Number of evaluated images without a second reading.
    not_evaluated
        Number of second readings of images without a prediction.
    references
        Performance against each reference standard.
    usable
        Agreement on the usable images.
    labelled
        Agreement on all images that the second reader labelled, unusable ones included.
    """

    table: str
    read: int
    unusable: int
    without_reading: int
    not_evaluated: int
    references: Mapping[Reference, ReferenceEvaluation]
    usable: ReaderAgreement
    labelled: ReaderAgreement


def evaluate_second_reader(
    predictions: Predictions,
    discrimination: Discrimination,
    second_reader: SecondReader,
    draws: int = DRAWS,
    seed: int = 0,
) -> SecondReaderEvaluation:
    """Evaluate predictions against a second reader, beside the labels.

    Parameters
    ----------
    predictions
        Predictions with the labels.
    discrimination
        Discrimination against the labels, whose operating points are used.
    second_reader
        Second reader, matched to the files of the predictions.
    draws
        Number of bootstrap resamples.
    seed
        Random seed; the same seed gives the same evaluation.

    Raises
    ------
    PredictionsError
        If no evaluated image has a usable second reading.
    """
    readings = [second_reader.readings.get(file) for file in predictions.files]
    read = [reading for reading in readings if reading is not None]
    second = np.array(
        [-1 if reading is None or reading.label is None else reading.label for reading in readings]
    )
    usable = np.array([reading is not None and reading.usable for reading in readings])
    if not usable.any():
        raise PredictionsError(
            f"{second_reader.table}: none of its usable images is among the "
            f"{len(predictions.files):,} images with a prediction; give second readings of these"
        )
    thresholds = {point.name: point.threshold for point in discrimination.points}

    def evaluate(rows: NDArray[np.bool_]) -> ReferenceEvaluation:
        if not rows.any():
            return ReferenceEvaluation(0, 0, None)
        relabelled = replace(predictions.rows(rows), labels=second[rows])
        assessed = assess_discrimination(relabelled, thresholds, (), draws, seed)
        return ReferenceEvaluation(int(rows.sum()), int(second[rows].sum()), assessed)

    return SecondReaderEvaluation(
        second_reader.table.name,
        len(read),
        sum(not reading.usable for reading in read),
        len(readings) - len(read),
        len(second_reader.readings) - len(read),
        {
            Reference.LABELS: ReferenceEvaluation(
                len(readings), int(predictions.labels.sum()), discrimination
            ),
            Reference.SECOND_READER: evaluate(usable),
            Reference.AGREED: evaluate(usable & (second == predictions.labels)),
        },
        _agreement(predictions, second, usable, draws, seed),
        _agreement(predictions, second, second >= 0, draws, seed),
    )


def _agreement(
    predictions: Predictions,
    second: NDArray[np.int_],
    rows: NDArray[np.bool_],
    draws: int,
    seed: int,
) -> ReaderAgreement:
    """Return the agreement on some images: the second reader as a model of two probabilities."""
    images, labels = predictions.rows(rows), second[rows].astype(np.int8)
    calls = replace(images, probabilities=labels.astype(np.float64))
    (point,) = assess_discrimination(calls, {"second reader": 0.5}, (), draws, seed).points
    kappa = cohen_kappa(images.labels, labels, images.patient_numbers(), draws, seed)
    return ReaderAgreement(len(labels), kappa, point)
