"""Label errors: images whose label is probably wrong, by confident learning."""

from dataclasses import dataclass

import numpy as np

from pneumoscope.evaluation.predictions import Predictions


@dataclass(frozen=True, slots=True)
class LabelErrorCandidate:
    """Image whose label, 0 or 1, a person should check.

    ``score`` is the predicted probability of that label, in [0, 1]: the lower, the likelier an
    error.
    """

    file: str
    label: int
    probability: float
    score: float


@dataclass(frozen=True, slots=True)
class LabelErrors:
    """Labels that are probably wrong, the likeliest first; ``total`` counts those left out, too."""

    candidates: tuple[LabelErrorCandidate, ...]
    total: int


def label_error_candidates(predictions: Predictions, limit: int = 50) -> LabelErrors:
    """Return the images whose label is probably wrong, the likeliest errors first.

    An image belongs confidently to a class if its probability of that class is at least the mean
    of that probability among the images with that label; of two such classes to the likelier one. A
    candidate is an image that belongs confidently to the class that is not its label [1]_.
    Candidates are ranked by the probability of their label; with two classes the paper's normalised
    margin gives the same order. A candidate is a question to a person, not a correction: difficult
    images with correct labels are among them.

    Parameters
    ----------
    predictions
        Predictions of a model that was not trained on these images, such as test or cross-validated
        predictions; a model repeats the wrong labels that it was trained on.
    limit
        Largest number of candidates to return; all are counted.

    Returns
    -------
    LabelErrors
        Empty if all images have one label.

    References
    ----------
    .. [1] Northcutt CG, Jiang L, Chuang IL. Confident learning: estimating uncertainty in dataset
       labels. Journal of Artificial Intelligence Research 70:1373-1411, 2021.

    Examples
    --------
    >>> table = Predictions(
    ...     files=("a", "b", "c", "d"),
    ...     labels=np.array([0, 0, 1, 1]),
    ...     probabilities=np.array([0.125, 0.875, 0.75, 0.875]),
    ...     patients=("a", "b", "c", "d"),
    ... )
    >>> errors = label_error_candidates(table)
    >>> errors.total, errors.candidates[0]
    (1, LabelErrorCandidate(file='b', label=0, probability=0.875, score=0.125))
    """
    labels, ill = predictions.labels, predictions.probabilities
    if len(np.unique(labels)) < 2:
        return LabelErrors((), 0)
    by_class = np.stack([1 - ill, ill])
    means = np.array([by_class[label, labels == label].mean() for label in (0, 1)])
    # The mean of equal numbers is rounded, and those numbers must reach their own mean.
    confident = by_class >= means[:, None] - 1e-12
    likelier = np.where(confident, by_class, -1.0).argmax(axis=0)
    suspected = confident.any(axis=0) & (likelier != labels)
    score = by_class[labels, np.arange(len(labels))]
    ranked = sorted(np.flatnonzero(suspected).tolist(), key=lambda row: float(score[row]))
    likeliest = (
        LabelErrorCandidate(
            predictions.files[row], int(labels[row]), float(ill[row]), float(score[row])
        )
        for row in ranked[:limit]
    )
    return LabelErrors(tuple(likeliest), len(ranked))
