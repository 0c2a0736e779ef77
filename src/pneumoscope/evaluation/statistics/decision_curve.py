"""Decision curve analysis, and the consequences of a test for 1,000 patients."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats, Predictions
from pneumoscope.evaluation.statistics.bootstrap import resample
from pneumoscope.evaluation.statistics.intervals import weighted_sum
from pneumoscope.evaluation.statistics.roc import Ranking
from pneumoscope.report.estimate import Estimate
from pneumoscope.support.errors import PredictionsError

DECISION_CURVE_DRAWS = 500
"""Default number of bootstrap resamples behind the band of a decision curve."""

_EQUAL_HARM_THRESHOLD = 0.5
"""Threshold probability at which a needless referral is as bad as a missed illness."""

NO_RIVALS: Mapping[str, tuple[Estimate, Estimate]] = MappingProxyType({})
"""No other tests to compare with."""


@dataclass(frozen=True, slots=True, eq=False)
class DecisionCurve:
    """Net benefit against the threshold probability; that of referring nobody is 0.

    The net benefit is in true positives per image: 0.1 is worth as much as finding 10 ill among
    100 without a false alarm.

    Parameters
    ----------
    thresholds
        Probabilities of PNEUMONIA from which a patient would be referred, shape (m,).
    model
        Net benefit of referring patients with at least the threshold probability, shape (m,).
    treat_all
        Net benefit of referring everyone, shape (m,).
    low, high
        Ends of the 95 % bootstrap interval of ``model`` at each threshold, shape (m,); None with a
        single patient, from whom nothing follows for others.
    """

    thresholds: Floats
    model: Floats
    treat_all: Floats
    low: Floats | None
    high: Floats | None

    @property
    def n_meaningful(self) -> int:
        """Number of thresholds, from the lowest, that someone could reasonably act on [1]_.

        From 0.5 on a needless referral would be worse than a missed pneumonia. Beyond 0.5 go those
        at which referring everyone still has a net benefit, up to the share of PNEUMONIA, and the
        one after them, so that the curve shows where that ends.

        References
        ----------
        .. [1] Vickers AJ, van Calster B, Steyerberg EW. A simple, step-by-step guide to
           interpreting decision curve analysis. Diagnostic and Prognostic Research 3:18, 2019.

        Examples
        --------
        >>> thresholds = np.arange(1, 100) / 100
        >>> everyone = 0.625 - 0.375 * thresholds / (1 - thresholds)
        >>> curve = DecisionCurve(thresholds, everyone, everyone, None, None)
        >>> thresholds[: curve.n_meaningful][-1]
        np.float64(0.63)
        """
        even = int(np.sum(self.thresholds <= _EQUAL_HARM_THRESHOLD))
        return min(len(self.thresholds), max(even, int(np.sum(self.treat_all > 0)) + 1))


@dataclass(frozen=True, slots=True)
class Consequences:
    """Consequences for 1,000 patients if those called PNEUMONIA are referred for follow-up.

    Parameters
    ----------
    name
        Name of the test.
    prevalence
        Share of the patients that is ill.
    found, missed
        Numbers of ill patients that are referred, and not referred.
    followups
        Number of patients referred.
    followups_avoided
        Number of patients not referred: what is saved compared with referring everyone.
    needless
        Number of healthy patients referred.
    """

    name: str
    prevalence: float
    found: Estimate
    missed: Estimate
    followups: Estimate
    followups_avoided: Estimate
    needless: Estimate


def decision_curve(
    predictions: Predictions,
    thresholds: Floats | None = None,
    draws: int = DECISION_CURVE_DRAWS,
    seed: int = 0,
) -> DecisionCurve:
    """Return the decision curve of predictions [1]_.

    Someone who would refer a patient from the probability t on considers one needless referral as
    bad as t / (1 - t) of a missed illness, so the net benefit is ``TP / n - FP / n * t / (1 - t)``.
    The band is the pointwise percentile bootstrap by patient.

    Parameters
    ----------
    predictions
        Table to evaluate. Its share of PNEUMONIA enters the net benefit, and must be that of the
        patients to whom the curve is applied.
    thresholds
        Threshold probabilities, each above 0 and below 1, shape (m,); by default 0.01 to 0.99.
    draws
        Number of bootstrap resamples.
    seed
        Random seed; the same seed gives the same band.

    Raises
    ------
    PredictionsError
        If a threshold is not between 0 and 1.

    References
    ----------
    .. [1] Vickers AJ, Elkin EB. Decision curve analysis: a novel method for evaluating prediction
       models. Medical Decision Making 26:565-574, 2006.

    Examples
    --------
    >>> table = Predictions(
    ...     files=("a", "b", "c", "d"),
    ...     labels=np.array([0, 0, 1, 1]),
    ...     probabilities=np.array([0.1, 0.6, 0.4, 0.9]),
    ...     patients=("a", "b", "c", "d"),
    ... )
    >>> curve = decision_curve(table, thresholds=np.array([0.25, 0.5]))
    >>> curve.model.round(4), curve.treat_all.round(4)
    (array([0.4167, 0.    ]), array([0.3333, 0.    ]))
    """
    if thresholds is None:
        thresholds = np.arange(1, 100) / 100
    thresholds = np.asarray(thresholds, np.float64)
    if not np.all((thresholds > 0) & (thresholds < 1)):
        raise PredictionsError(
            "a threshold of the decision curve is not above 0 and below 1; give probabilities"
        )
    patient = predictions.patient_numbers()
    ranking = Ranking.of(predictions.labels, predictions.probabilities, patient, thresholds)
    benefits = _net_benefits(resample(ranking.confusions, patient, draws, seed), thresholds)
    low, high = None, None
    if len(benefits) > 1:
        low, high = np.percentile(benefits[1:], (2.5, 97.5), axis=0)
    prevalence = float(np.mean(predictions.labels == 1))
    everyone = prevalence - (1 - prevalence) * thresholds / (1 - thresholds)
    return DecisionCurve(thresholds, benefits[0], everyone, low, high)


def consequences_per_thousand(
    name: str, sensitivity: Estimate, specificity: Estimate, prevalence: float
) -> Consequences:
    """Return the consequences of a test for 1,000 patients; see `weighted_sum` for the intervals.

    Parameters
    ----------
    name
        Name of the test.
    sensitivity, specificity
        Sensitivity and specificity of the test.
    prevalence
        Share of the patients that is ill, taken as known.

    Raises
    ------
    PredictionsError
        If one of the three is undefined or not within [0, 1].

    Examples
    --------
    >>> row = consequences_per_thousand("ours", Estimate(0.9, 0.75, 0.95), Estimate(0.75), 0.2)
    >>> f"{row.missed:.0f}", row.needless.value, row.followups_avoided.value
    ('20 (10 to 50)', 200.0, 620.0)
    """
    for quantity, value in (
        ("prevalence", prevalence),
        ("sensitivity", sensitivity.value),
        ("specificity", specificity.value),
    ):
        _require_share(name, quantity, value)
    ill, healthy, everyone = 1000 * prevalence, 1000 * (1 - prevalence), Estimate(1.0, 1.0, 1.0)
    found, cleared = (ill, sensitivity), (healthy, specificity)
    missed = [(ill, everyone), (-ill, sensitivity)]
    needless = [(healthy, everyone), (-healthy, specificity)]
    return Consequences(
        name=name,
        prevalence=prevalence,
        found=weighted_sum([found]),
        missed=weighted_sum(missed),
        followups=weighted_sum([found, *needless]),
        followups_avoided=weighted_sum([*missed, cleared]),
        needless=weighted_sum(needless),
    )


def consequences_table(
    points: Mapping[str, tuple[Estimate, Estimate]],
    prevalence: float,
    rivals: Mapping[str, tuple[Estimate, Estimate]] = NO_RIVALS,
) -> tuple[Consequences, ...]:
    """Return the consequences of operating points beside those of referring everyone.

    Parameters
    ----------
    points
        Sensitivity and specificity by the name of the operating point.
    prevalence
        Share of the patients that is ill.
    rivals
        Sensitivity and specificity by the name of another test to compare with.

    Returns
    -------
    tuple of Consequences
        Those of referring everyone, of the rivals and of the operating points, in their order.

    Raises
    ------
    PredictionsError
        If a share is undefined or not within [0, 1].

    Examples
    --------
    >>> points = {"screening": (Estimate(0.99), Estimate(0.9))}
    >>> rivals = {"radiologist": (Estimate(0.9), Estimate(0.9))}
    >>> for row in consequences_table(points, 0.2, rivals):
    ...     print(f"{row.name}: {row.missed:.0f} missed, {row.followups:.0f} referred")
    refer everyone: 0 missed, 1000 referred
    radiologist: 20 missed, 260 referred
    screening: 2 missed, 278 referred
    """
    tests = {"refer everyone": (Estimate(1.0), Estimate(0.0)), **rivals, **points}
    return tuple(
        consequences_per_thousand(name, sensitivity, specificity, prevalence)
        for name, (sensitivity, specificity) in tests.items()
    )


def _net_benefits(confusions: NDArray[np.int32], thresholds: Floats) -> Floats:
    """Return net benefits, shape (tables, m), of tn, fp, fn and tp, shape (tables, m, 4)."""
    fp, tp = confusions[..., 1], confusions[..., 3]
    benefits: Floats = (tp - fp * thresholds / (1 - thresholds)) / confusions.sum(axis=-1)
    return benefits


def _require_share(name: str, quantity: str, value: float | None) -> None:
    if value is None:
        raise PredictionsError(
            f"{name}: the {quantity} is undefined; evaluate it on images of both classes"
        )
    if not 0 <= value <= 1:
        raise PredictionsError(f"{name}: the {quantity} {value} is not between 0 and 1; correct it")
