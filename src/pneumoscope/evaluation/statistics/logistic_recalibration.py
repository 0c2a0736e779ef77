"""Logistic recalibration on local images, and its cross-fitted probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats
from pneumoscope.evaluation.statistics.temperature_scaling import apply_temperature
from pneumoscope.support.errors import PredictionsError

_MAX_STEPS, _TOLERANCE = 100, 1e-10


@dataclass(frozen=True, slots=True)
class LogisticRecalibration:
    """Logistic recalibration: ``sigmoid(slope * log_odds + intercept)``.

    Temperature scaling is the special case of slope ``1 / temperature`` and intercept 0. A slope
    of 0 or less means that a higher probability does not indicate more PNEUMONIA.

    Parameters
    ----------
    slope, intercept
        Coefficients of the log-odds; 1 and 0 change nothing.
    """

    slope: float
    intercept: float

    def apply(self, log_odds: Floats) -> Floats:
        """Return the recalibrated probabilities, shape (n,).

        Examples
        --------
        >>> LogisticRecalibration(slope=0.5, intercept=1.0).apply(np.array([-2.0, 2.0])).round(3)
        array([0.5  , 0.881])
        """
        return apply_temperature(self.slope * np.asarray(log_odds, np.float64) + self.intercept, 1)


def fit_recalibration(log_odds: Floats, labels: NDArray[np.int8]) -> LogisticRecalibration:
    """Return the logistic (Platt) recalibration of log-odds on labelled local images.

    It is a logistic regression on targets a little inside 0 and 1 [1]_, so that the coefficients
    are finite even if the log-odds separate the classes; it is fitted by Newton's method [2]_.

    Parameters
    ----------
    log_odds
        Finite log-odds of local images that the network was not trained on, shape (n,).
    labels
        Labels, PNEUMONIA = 1, shape (n,).

    Raises
    ------
    PredictionsError
        If a class is missing, a value is not finite, or all values are the same.

    References
    ----------
    .. [1] Platt J. Probabilistic outputs for support vector machines and comparisons to
       regularized likelihood methods. Advances in Large Margin Classifiers, 1999.
    .. [2] Lin HT, Lin CJ, Weng RC. A note on Platt's probabilistic outputs for support vector
       machines. Machine Learning 68:267-276, 2007.

    Examples
    --------
    An overconfident network: of the images with a probability of 0.98 only three in four are ill.

    >>> log_odds = np.repeat([-4.0, 4.0], 400)
    >>> labels = np.tile([0, 0, 0, 1, 1, 1, 1, 0], 100).reshape(100, 2, 4).swapaxes(0, 1).ravel()
    >>> fit_recalibration(log_odds, labels).apply(np.array([-4.0, 4.0])).round(2)
    array([0.25, 0.75])
    """
    log_odds, labels = np.asarray(log_odds, np.float64), np.asarray(labels)
    ill = int(np.count_nonzero(labels == 1))
    healthy = len(labels) - ill
    _require_fittable(log_odds, ill, healthy)
    targets = np.where(labels == 1, (ill + 1) / (ill + 2), 1 / (healthy + 2))
    mean = float(log_odds.mean())
    # Centred, so that log-odds that hardly differ from one another are no trouble to the solver.
    design = np.stack([np.ones(len(labels)), log_odds - mean], axis=1)
    level, slope = fit_logistic(design, targets)
    return LogisticRecalibration(float(slope), float(level - slope * mean))


def cross_fit_recalibration(
    log_odds: Floats,
    labels: NDArray[np.int8],
    patients: Sequence[str],
    folds: int = 5,
    seed: int = 0,
) -> Floats:
    """Return probabilities recalibrated by fits on the other patients.

    Calibration after recalibration is only estimated without bias if no image was among those that
    its recalibration was fitted on. Whole patients are assigned to the folds at random, stratified
    by class; each fold is recalibrated by a fit on the other folds.

    Parameters
    ----------
    log_odds
        Finite log-odds of local images that the network was not trained on, shape (n,).
    labels
        Labels, PNEUMONIA = 1, shape (n,).
    patients
        Patient of each image.
    folds
        Number of folds, at least 2; with fewer patients than folds each patient is a fold.
    seed
        Random seed; the same seed gives the same folds.

    Returns
    -------
    array
        Probabilities, float64, shape (n,), in the order of ``log_odds``.

    Raises
    ------
    PredictionsError
        If `fit_recalibration` raises it for the images outside any one fold.

    Examples
    --------
    >>> log_odds, labels = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0, 1, 0, 1])
    >>> cross_fit_recalibration(log_odds, labels, ("a", "b", "c", "d"), folds=2).shape
    (4,)
    """
    log_odds, labels = np.asarray(log_odds, np.float64), np.asarray(labels)
    patient = np.unique(np.array(patients), return_inverse=True)[1]
    fold = _assign_folds(patient, labels, folds, seed)
    probabilities = np.empty(len(labels))
    for number in np.unique(fold):
        held_out = fold == number
        recalibration = fit_recalibration(log_odds[~held_out], labels[~held_out])
        probabilities[held_out] = recalibration.apply(log_odds[held_out])
    return probabilities


def fit_logistic(design: Floats, targets: Floats, offset: Floats | float = 0.0) -> Floats:
    """Return the coefficients of least cross-entropy, by Newton's method with step halving.

    Parameters
    ----------
    design
        Design matrix of full rank, shape (n, coefficients).
    targets
        Targets in [0, 1] for which the least cross-entropy is attained, shape (n,).
    offset
        Offset added to the log-odds, shape (n,) or a number.

    Examples
    --------
    >>> fit_logistic(np.ones((4, 1)), np.array([0.0, 1.0, 1.0, 1.0])).round(4)
    array([1.0986])
    """

    def loss(coefficients: Floats) -> float:
        log_odds = design @ coefficients + offset
        return float(np.sum(np.logaddexp(0, log_odds) - targets * log_odds))

    coefficients = np.zeros(design.shape[1])
    for _ in range(_MAX_STEPS):
        fitted = apply_temperature(design @ coefficients + offset, 1.0)
        curvature = (design.T * (fitted * (1 - fitted))) @ design
        step = np.linalg.solve(curvature, design.T @ (targets - fitted))
        tolerance = _TOLERANCE * (1 + np.abs(coefficients).max())
        current = loss(coefficients)
        # Far from the minimum a whole step can overshoot.
        while np.abs(step).max() > tolerance and loss(coefficients + step) > current:
            step = step / 2
        coefficients = coefficients + step
        if np.abs(step).max() <= tolerance:
            break
    return coefficients


def _require_fittable(log_odds: Floats, ill: int, healthy: int) -> None:
    if ill == 0 or healthy == 0:
        raise PredictionsError(
            f"recalibration needs images of both classes and has {healthy} NORMAL and {ill} "
            "PNEUMONIA; add local images of the other class, from more than one patient"
        )
    if not np.all(np.isfinite(log_odds)):
        raise PredictionsError(
            "the log-odds of an image are not finite; leave out images that could not be read"
        )
    if np.ptp(log_odds) == 0:
        raise PredictionsError(
            "all images have the same probability, so recalibration cannot help; check the model"
        )


def _assign_folds(
    patient: NDArray[np.intp], labels: NDArray[np.int8], folds: int, seed: int
) -> NDArray[np.intp]:
    """Return the fold of each image; folds are stratified by the patients' class."""
    ill = np.bincount(patient, weights=labels) > 0
    shuffled = np.random.default_rng(seed).permutation(len(ill))
    by_class = shuffled[np.argsort(ill[shuffled], kind="stable")]
    fold = np.empty(len(ill), np.intp)
    fold[by_class] = np.arange(len(ill)) % folds
    return fold[patient]
