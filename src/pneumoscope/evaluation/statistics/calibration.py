"""Do probabilities mean what they say: slope, intercept, bins and the parts of the Brier score."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats, Predictions
from pneumoscope.evaluation.statistics.intervals import Z, proportion
from pneumoscope.evaluation.statistics.logistic_recalibration import fit_logistic
from pneumoscope.evaluation.statistics.temperature_scaling import calibrate, log_odds
from pneumoscope.report.estimate import Estimate

CLIP = 1e-6
"""Probabilities nearer to 0 or 1 are taken to lie this far away for slope and intercept."""

HISTOGRAM_STEPS = 20
"""Steps from 0 to 1 in which probabilities are counted for the histogram."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Images of similar probability.

    Parameters
    ----------
    low, high
        Smallest and largest probability among them.
    n
        Number of images.
    predicted
        Their mean probability.
    observed
        Their share with PNEUMONIA, with Wilson's interval, each image counted as a patient.
    """

    low: float
    high: float
    n: int
    predicted: float
    observed: Estimate


@dataclass(frozen=True, slots=True)
class CalibrationAssessment:
    """How well probabilities are calibrated.

    The Brier score is ``reliability - resolution + uncertainty + within_bins``, exactly.

    Parameters
    ----------
    n
        Number of images.
    slope
        Of the labels on the log-odds in a logistic regression; 1 is ideal, less means that
        probabilities are too extreme.
    intercept
        Calibration in the large: of the same regression with the slope fixed at 1; 0 is ideal,
        less means that probabilities are too high.
    ece
        Expected calibration error: mean over images of ``|predicted - observed|`` of their bins.
    brier
        Mean squared difference between probability and label; 0 is perfect.
    reliability
        Mean square of ``predicted - observed`` of the bins; 0 is ideal.
    resolution
        Mean square of ``observed`` minus the share with PNEUMONIA overall; the more the better.
    uncertainty
        The Brier score of that share given as probability to all.
    within_bins
        What the bins cannot see: the variance of probabilities within them less twice their
        covariance with the labels there.
    bins
        From the lowest probability up.
    histogram
        Number of images in each of `HISTOGRAM_STEPS` equal steps of probability from 0 to 1.
    """

    n: int
    slope: Estimate
    intercept: Estimate
    ece: float
    brier: Estimate
    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float
    bins: tuple[Bin, ...]
    histogram: tuple[int, ...]


def assess_calibration(predictions: Predictions, bins: int = 10) -> CalibrationAssessment:
    """Return how well the probabilities of ``predictions`` are calibrated.

    Slope and intercept are those of Cox [1]_; probabilities nearer than `CLIP` to 0 or 1 are
    clipped before their log-odds are taken, lest one of them decide alone. Their intervals and that
    of the Brier score are normal ones, with the cluster-robust variance by patient. The Brier score
    is parted as Murphy did [2]_, with the two parts within bins that he left out [3]_.

    Parameters
    ----------
    predictions
        The table to judge.
    bins
        At most this many, of equal numbers of images; images of one probability stay together.

    Returns
    -------
    CalibrationAssessment
        The slope is undefined where a threshold separates the classes, the intercept where there
        is one class only; with one patient there are no intervals.

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
    >>> found = assess_calibration(table)
    >>> round(found.ece, 3), round(found.brier.value, 3), str(found.bins[0].observed)
    (0.3, 0.34, '0.500 (0.095 to 0.905)')
    """
    labels, probabilities = predictions.labels.astype(np.float64), predictions.probabilities
    patient = predictions.patient_numbers()
    said = log_odds(np.clip(probabilities, CLIP, 1 - CLIP))
    place = _places(probabilities, bins)
    made = tuple(
        _bin(probabilities[place == number], labels[place == number])
        for number in range(place.max() + 1)
    )
    predicted = np.array([part.predicted for part in made])
    observed = np.array([part.observed.value for part in made])
    share = np.array([part.n for part in made]) / len(labels)
    spread, scatter = probabilities - predicted[place], labels - observed[place]
    overall = float(labels.mean())
    return CalibrationAssessment(
        n=len(labels),
        slope=_slope(said, labels, patient),
        intercept=_intercept(said, labels, patient),
        ece=float(share @ np.abs(predicted - observed)),
        brier=_brier(probabilities, labels, patient),
        reliability=float(share @ (predicted - observed) ** 2),
        resolution=float(share @ (observed - overall) ** 2),
        uncertainty=overall * (1 - overall),
        within_bins=float(np.mean(spread**2 - 2 * spread * scatter)),
        bins=made,
        histogram=tuple(np.histogram(probabilities, HISTOGRAM_STEPS, (0, 1))[0].tolist()),
    )


def _places(probabilities: Floats, bins: int) -> NDArray[np.intp]:
    """Return the number of each image's bin, from 0 without gaps."""
    _, group, counts = np.unique(probabilities, return_inverse=True, return_counts=True)
    # Images of one probability go together where the middle one of them belongs.
    middle = np.cumsum(counts) - counts / 2
    places = middle[group] * bins // len(probabilities)
    return np.unique(places, return_inverse=True)[1]


def _bin(probabilities: Floats, labels: Floats) -> Bin:
    return Bin(
        low=float(probabilities.min()),
        high=float(probabilities.max()),
        n=len(labels),
        predicted=float(probabilities.mean()),
        observed=proportion(int(labels.sum()), len(labels)),
    )


def _slope(said: Floats, labels: Floats, patient: NDArray[np.intp]) -> Estimate:
    healthy, ill = said[labels == 0], said[labels == 1]
    if not len(healthy) or not len(ill):
        return Estimate(None)
    # Separated classes, or log-odds all the same: the likelihood has no maximum.
    if healthy.max() <= ill.min() or ill.max() <= healthy.min():
        return Estimate(None)
    design = np.stack([np.ones(len(labels)), said - said.mean()], axis=1)
    return _last(design, fit_logistic(design, labels), labels, 0.0, patient)


def _intercept(said: Floats, labels: Floats, patient: NDArray[np.intp]) -> Estimate:
    if len(set(labels.tolist())) < 2:
        return Estimate(None)
    design = np.ones((len(labels), 1))
    return _last(design, fit_logistic(design, labels, said), labels, said, patient)


def _last(
    design: Floats,
    coefficients: Floats,
    labels: Floats,
    offset: Floats | float,
    patient: NDArray[np.intp],
) -> Estimate:
    """Return the last coefficient of a logistic regression with its cluster-robust interval."""
    fitted = calibrate(design @ coefficients + offset, 1.0)
    bread = np.linalg.inv((design.T * (fitted * (1 - fitted))) @ design)
    influences = (design * (labels - fitted)[:, None]) @ bread[-1]
    return _clustered(float(coefficients[-1]), influences, patient, design.shape[1])


def _brier(probabilities: Floats, labels: Floats, patient: NDArray[np.intp]) -> Estimate:
    squares = (probabilities - labels) ** 2
    brier = float(squares.mean())
    estimate = _clustered(brier, (squares - brier) / len(squares), patient, 1)
    if estimate.low is None or estimate.high is None:
        return estimate
    return Estimate(brier, max(0.0, estimate.low), min(1.0, estimate.high))


def _clustered(
    value: float, influences: Floats, patient: NDArray[np.intp], coefficients: int
) -> Estimate:
    """Return a figure with its normal interval from each image's influence on it."""
    patients, n = int(patient.max()) + 1, len(patient)
    if patients == 1 or n <= coefficients:
        return Estimate(value)
    per_patient = np.bincount(patient, weights=influences)
    # The usual correction for few patients and few images.
    correction = patients / (patients - 1) * (n - 1) / (n - coefficients)
    half = Z * float(np.sqrt(correction * np.sum(per_patient**2)))
    return Estimate(value, value - half, value + half)
