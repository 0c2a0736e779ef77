"""Is reading with a model worth it: decision curves, and what happens to 1,000 patients."""

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
        Net benefit of referring whom the model gives at least the threshold, shape (m,).
    treat_all
        Net benefit of referring everyone, shape (m,).
    low, high
        Ends of the 95 % bootstrap interval of ``model`` at each threshold, shape (m,); None with
        one patient only, who says nothing about others.
    """

    thresholds: Floats
    model: Floats
    treat_all: Floats
    low: Floats | None
    high: Floats | None


@dataclass(frozen=True, slots=True)
class PerThousand:
    """What happens to 1,000 patients if those called PNEUMONIA are referred for a follow-up.

    Parameters
    ----------
    name
        Of the way to decide.
    prevalence
        Share of the patients that is ill.
    found, missed
        Ill patients referred, and not referred; their intervals are that of the sensitivity.
    followups
        Patients referred; its interval is put together from those of sensitivity and specificity
        (see `weighted_sum`).
    followups_avoided
        Patients not referred: what is saved against referring everyone.
    needless
        Healthy patients referred; its interval is that of the specificity.
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
    draws: int = 500,
    seed: int = 0,
) -> DecisionCurve:
    """Return the decision curve of ``predictions`` [1]_.

    Who would refer a patient from the probability t on holds one needless referral for t / (1 - t)
    of a missed illness, so the net benefit is ``TP / n - FP / n * t / (1 - t)``. The band is the
    percentile bootstrap by patient, at each threshold for itself.

    Parameters
    ----------
    predictions
        The table to judge. Its share of PNEUMONIA enters the net benefit: it is to be that of the
        patients for whom the curve is to speak.
    thresholds
        Each above 0 and below 1, shape (m,); 0.01 to 0.99 unless given.
    draws
        Number of resamplings.
    seed
        The same seed gives the same band.

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
    chosen = np.arange(1, 100) / 100 if thresholds is None else np.asarray(thresholds, np.float64)
    if not np.all((chosen > 0) & (chosen < 1)):
        raise PredictionsError(
            "a threshold of the decision curve is not above 0 and below 1; give probabilities"
        )
    patient = predictions.patient_numbers()
    ranking = Ranking.of(predictions.labels, predictions.probabilities, patient, chosen.tolist())
    drawn = resample(ranking.confusions, patient, draws, seed)
    benefits = _net_benefits(drawn, chosen)
    low, high = None, None
    if len(benefits) > 1:
        low, high = np.percentile(benefits[1:], (2.5, 97.5), axis=0)
    prevalence = float(np.mean(predictions.labels == 1))
    everyone = prevalence - (1 - prevalence) * chosen / (1 - chosen)
    return DecisionCurve(chosen, benefits[0], everyone, low, high)


def _net_benefits(confusions: NDArray[np.int32], thresholds: Floats) -> Floats:
    """Return net benefits, shape (tables, m), of tn, fp, fn and tp, shape (tables, m, 4)."""
    fp, tp = confusions[..., 1], confusions[..., 3]
    benefits: Floats = (tp - fp * thresholds / (1 - thresholds)) / confusions.sum(axis=-1)
    return benefits


def per_thousand(
    name: str, sensitivity: Estimate, specificity: Estimate, prevalence: float
) -> PerThousand:
    """Return what a test does to 1,000 patients.

    Parameters
    ----------
    name
        Of the test.
    sensitivity, specificity
        Shares of the ill and of the healthy that it gets right, with their intervals.
    prevalence
        Share of the patients that is ill, taken as known.

    Raises
    ------
    PredictionsError
        If one of the three is undefined or not within [0, 1].

    Examples
    --------
    >>> row = per_thousand("ours", Estimate(0.9, 0.75, 0.95), Estimate(0.75), prevalence=0.2)
    >>> f"{row.missed:.0f}", row.needless.value, row.followups_avoided.value
    ('20 (10 to 50)', 200.0, 620.0)
    """
    ill = 1000 * _share(name, "prevalence", prevalence)
    healthy = 1000 - ill
    _share(name, "sensitivity", sensitivity.value)
    _share(name, "specificity", specificity.value)
    everyone = Estimate(1.0, 1.0, 1.0)
    return PerThousand(
        name=name,
        prevalence=prevalence,
        found=weighted_sum([(ill, sensitivity)]),
        missed=weighted_sum([(ill, everyone), (-ill, sensitivity)]),
        followups=weighted_sum([(ill, sensitivity), (healthy, everyone), (-healthy, specificity)]),
        followups_avoided=weighted_sum(
            [(ill, everyone), (-ill, sensitivity), (healthy, specificity)]
        ),
        needless=weighted_sum([(healthy, everyone), (-healthy, specificity)]),
    )


def _share(name: str, what: str, value: float | None) -> float:
    if value is None:
        raise PredictionsError(
            f"{name}: the {what} is undefined; judge it on images of both classes"
        )
    if not 0 <= value <= 1:
        raise PredictionsError(f"{name}: the {what} {value} is not between 0 and 1; correct it")
    return value


def usefulness_table(
    points: Mapping[str, tuple[Estimate, Estimate]],
    prevalence: float,
    rivals: Mapping[str, tuple[float, float]] = MappingProxyType({}),
) -> tuple[PerThousand, ...]:
    """Return the consequences of operating points beside those of referring everyone.

    Parameters
    ----------
    points
        Sensitivity and specificity by name, with their intervals.
    prevalence
        Share of the patients that is ill.
    rivals
        Sensitivity and specificity of other tests to compare with, by name.

    Returns
    -------
    tuple of PerThousand
        Referring everyone and the rivals, without intervals, then ``points`` in their order.

    Raises
    ------
    PredictionsError
        If a share is undefined or not within [0, 1].

    Examples
    --------
    >>> points = {"screening": (Estimate(0.99), Estimate(0.9))}
    >>> for row in usefulness_table(points, 0.2, rivals={"radiologist": (0.9, 0.9)}):
    ...     print(f"{row.name}: {row.missed.value:.0f} missed, {row.followups.value:.0f} referred")
    refer everyone: 0 missed, 1000 referred
    radiologist: 20 missed, 260 referred
    screening: 2 missed, 278 referred
    """
    tests = {
        name: (Estimate(sensitivity), Estimate(specificity))
        for name, (sensitivity, specificity) in {"refer everyone": (1.0, 0.0), **rivals}.items()
    }
    return tuple(
        per_thousand(name, sensitivity, specificity, prevalence)
        for name, (sensitivity, specificity) in {**tests, **points}.items()
    )
