"""Calibration: slope, calibration in the large, expected error and decomposed Brier score."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats, Predictions
from pneumoscope.evaluation.statistics.intervals import Z, proportion
from pneumoscope.evaluation.statistics.logistic_recalibration import fit_logistic
from pneumoscope.evaluation.statistics.temperature_scaling import apply_temperature, log_odds
from pneumoscope.report.estimate import Estimate

PROBABILITY_MARGIN = 1e-6
"""Least distance of probabilities from 0 and 1 where log-odds are taken; others are clipped."""

HISTOGRAM_BINS = 20
"""Number of equal bins from 0 to 1 in the histogram of probabilities."""


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Images of similar probability, from ``low`` to ``high``, with the mean ``predicted``.

    ``observed`` is the share with PNEUMONIA, with Wilson's interval, each image counted as a
    patient of its own.
    """

    low: float
    high: float
    n: int
    predicted: float
    observed: Estimate


@dataclass(frozen=True, slots=True)
class CalibrationAssessment:
    """Calibration of a table of predictions.

    The Brier score is ``reliability - resolution + uncertainty + within_bins``, exactly.

    Parameters
    ----------
    n
        Number of images.
    slope
        Calibration slope: coefficient of the log-odds in a logistic regression of the labels; 1 is
        ideal, less means that probabilities are too extreme.
    in_the_large
        Calibration in the large: intercept of the regression whose slope is fixed at 1; 0 is ideal,
        less means that probabilities are too high. The intercept beside the fitted slope is another
        quantity, which is not reported: it depends on where log-odds of 0 lie.
    ece
        Expected calibration error: mean over images of ``|predicted - observed|`` of their bins.
    brier
        Brier score: mean squared difference between probability and label; 0 is perfect.
    reliability
        Mean square of ``predicted - observed`` over the bins; 0 is ideal.
    resolution
        Mean square of ``observed`` minus the prevalence over the bins; the larger the better.
    uncertainty
        Brier score of predicting the prevalence for all images.
    within_bins
        Variance of probabilities within the bins minus twice their covariance with the labels
        there, which the bins do not show.
    bins
        Bins from the lowest probability up.
    histogram
        Number of images in each of `HISTOGRAM_BINS` equal bins of probability from 0 to 1.
    """

    n: int
    slope: Estimate
    in_the_large: Estimate
    ece: float
    brier: Estimate
    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float
    bins: tuple[CalibrationBin, ...]
    histogram: tuple[int, ...]


def assess_calibration(predictions: Predictions, bins: int = 10) -> CalibrationAssessment:
    """Return the calibration of predictions.

    Slope and calibration in the large are those of Cox [1]_; probabilities nearer than
    `PROBABILITY_MARGIN` to 0 or 1 are clipped before their log-odds are taken, lest a single one
    dominate. Their intervals and that of the Brier score are normal, with the cluster-robust
    variance by patient. The Brier score is decomposed as by Murphy [2]_, with the two components
    within bins that he left out [3]_.

    Parameters
    ----------
    predictions
        Table to evaluate.
    bins
        Largest number of bins, of equal numbers of images; images of one probability stay together.

    Returns
    -------
    CalibrationAssessment
        The slope is undefined where a threshold separates the classes, calibration in the large
        where there is one class only; with one patient there are no intervals.

    References
    ----------
    .. [1] Cox DR. Two further applications of a model for binary regression. Biometrika
       45:562-565, 1958.
    .. [2] Murphy AH. A new vector partition of the probability score. Journal of Applied
       Meteorology 12:595-600, 1973.
    .. [3] Stephenson DB, Coelho CAS, Jolliffe IT. Two extra components in the Brier score
       decomposition. Weather and Forecasting 23:752-757, 2008.

    Examples
    --------
    >>> table = Predictions(
    ...     files=("a", "b", "c", "d"),
    ...     labels=np.array([0, 1, 0, 1]),
    ...     probabilities=np.array([0.2, 0.2, 0.8, 0.8]),
    ...     patients=("a", "b", "c", "d"),
    ... )
    >>> calibration = assess_calibration(table)
    >>> round(calibration.ece, 3), round(calibration.brier.value, 3)
    (0.3, 0.34)
    >>> str(calibration.bins[0].observed)
    '0.500 (0.095 to 0.905)'
    """
    labels, probabilities = predictions.labels.astype(np.float64), predictions.probabilities
    patient = predictions.patient_numbers()
    margin = PROBABILITY_MARGIN
    clipped_log_odds = log_odds(np.clip(probabilities, margin, 1 - margin))
    bin_of_image = _assign_bins(probabilities, bins)
    made = tuple(
        _bin(probabilities[bin_of_image == number], labels[bin_of_image == number])
        for number in range(bin_of_image.max() + 1)
    )
    predicted = np.array([part.predicted for part in made])
    observed = np.array([part.observed.value for part in made])
    share = np.array([part.n for part in made]) / len(labels)
    spread, scatter = probabilities - predicted[bin_of_image], labels - observed[bin_of_image]
    prevalence = float(labels.mean())
    return CalibrationAssessment(
        n=len(labels),
        slope=_slope(clipped_log_odds, labels, patient),
        in_the_large=_calibration_in_the_large(clipped_log_odds, labels, patient),
        ece=float(share @ np.abs(predicted - observed)),
        brier=_brier(probabilities, labels, patient),
        reliability=float(share @ (predicted - observed) ** 2),
        resolution=float(share @ (observed - prevalence) ** 2),
        uncertainty=prevalence * (1 - prevalence),
        within_bins=float(np.mean(spread**2 - 2 * spread * scatter)),
        bins=made,
        histogram=tuple(np.histogram(probabilities, HISTOGRAM_BINS, (0, 1))[0].tolist()),
    )


def _assign_bins(probabilities: Floats, bins: int) -> NDArray[np.intp]:
    """Return the number of each image's bin, from 0 without gaps."""
    _, group, counts = np.unique(probabilities, return_inverse=True, return_counts=True)
    # Images of one probability go together to the bin of the middle one of them.
    middle = np.cumsum(counts) - counts / 2
    numbers = middle[group] * bins // len(probabilities)
    return np.unique(numbers, return_inverse=True)[1]


def _bin(probabilities: Floats, labels: Floats) -> CalibrationBin:
    return CalibrationBin(
        low=float(probabilities.min()),
        high=float(probabilities.max()),
        n=len(labels),
        predicted=float(probabilities.mean()),
        observed=proportion(int(labels.sum()), len(labels)),
    )


def _slope(log_odds: Floats, labels: Floats, patient: NDArray[np.intp]) -> Estimate:
    healthy, ill = log_odds[labels == 0], log_odds[labels == 1]
    if not len(healthy) or not len(ill):
        return Estimate(None)
    # Separated classes, or equal log-odds: the likelihood has no maximum.
    if healthy.max() <= ill.min() or ill.max() <= healthy.min():
        return Estimate(None)
    design = np.stack([np.ones(len(labels)), log_odds - log_odds.mean()], axis=1)
    return _last_coefficient(design, fit_logistic(design, labels), labels, 0.0, patient)


def _calibration_in_the_large(
    log_odds: Floats, labels: Floats, patient: NDArray[np.intp]
) -> Estimate:
    if len(set(labels.tolist())) < 2:
        return Estimate(None)
    design = np.ones((len(labels), 1))
    coefficients = fit_logistic(design, labels, log_odds)
    return _last_coefficient(design, coefficients, labels, log_odds, patient)


def _last_coefficient(
    design: Floats,
    coefficients: Floats,
    labels: Floats,
    offset: Floats | float,
    patient: NDArray[np.intp],
) -> Estimate:
    """Return the last coefficient of a logistic regression with its cluster-robust interval."""
    fitted = apply_temperature(design @ coefficients + offset, 1.0)
    bread = np.linalg.inv((design.T * (fitted * (1 - fitted))) @ design)
    influences = (design * (labels - fitted)[:, None]) @ bread[-1]
    return _cluster_robust(float(coefficients[-1]), influences, patient, design.shape[1])


def _brier(probabilities: Floats, labels: Floats, patient: NDArray[np.intp]) -> Estimate:
    squares = (probabilities - labels) ** 2
    brier = float(squares.mean())
    estimate = _cluster_robust(brier, (squares - brier) / len(squares), patient, 1)
    if estimate.low is None or estimate.high is None:
        return estimate
    return Estimate(brier, max(0.0, estimate.low), min(1.0, estimate.high))


def _cluster_robust(
    value: float, influences: Floats, patient: NDArray[np.intp], coefficients: int
) -> Estimate:
    """Return a value with its normal interval from each image's influence on it."""
    patients, n = int(patient.max()) + 1, len(patient)
    if patients == 1 or n <= coefficients:
        return Estimate(value)
    per_patient = np.bincount(patient, weights=influences)
    # The usual correction for few patients and few images.
    correction = patients / (patients - 1) * (n - 1) / (n - coefficients)
    half = Z * float(np.sqrt(correction * np.sum(per_patient**2)))
    return Estimate(value, value - half, value + half)
