"""Is reading with a model worth it: decision curves, and what happens to 1,000 patients."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.report.published_notebook import (
    PUBLISHED_CHOICE,
    PUBLISHED_COUNTS,
    PUBLISHED_MODELS,
)
from pneumoscope.evaluation.statistics.bootstrap import resample
from pneumoscope.evaluation.statistics.intervals import Estimate, Interval, weighted_sum
from pneumoscope.evaluation.statistics.metrics import Floats
from pneumoscope.evaluation.statistics.ranking import Ranking
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
    patient = np.unique(np.array(predictions.patients), return_inverse=True)[1]
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
    >>> found = Estimate(0.9, Interval(0.75, 0.95))
    >>> row = per_thousand("ours", found, Estimate(0.75), prevalence=0.2)
    >>> str(row.missed), row.needless.value, row.followups_avoided.value
    ('20.000 (10.000 to 50.000)', 200.0, 620.0)
    """
    ill = 1000 * _share(name, "prevalence", prevalence)
    healthy = 1000 - ill
    found = ill * _share(name, "sensitivity", sensitivity.value)
    cleared = healthy * _share(name, "specificity", specificity.value)
    everyone = Estimate(1.0, Interval(1.0, 1.0))
    referred = [(ill, sensitivity), (healthy, everyone), (-healthy, specificity)]
    spared = [(ill, everyone), (-ill, sensitivity), (healthy, specificity)]
    return PerThousand(
        name=name,
        prevalence=prevalence,
        found=Estimate(found, _of(ill, sensitivity.interval)),
        missed=Estimate(ill - found, _of(ill, _others(sensitivity.interval))),
        followups=weighted_sum(referred),
        followups_avoided=weighted_sum(spared),
        needless=Estimate(healthy - cleared, _of(healthy, _others(specificity.interval))),
    )


def _share(name: str, what: str, value: float | None) -> float:
    if value is None:
        raise PredictionsError(
            f"{name}: the {what} is undefined; judge it on images of both classes"
        )
    if not 0 <= value <= 1:
        raise PredictionsError(f"{name}: the {what} {value} is not between 0 and 1; correct it")
    return value


def _of(patients: float, share: Interval | None) -> Interval | None:
    return None if share is None else Interval(patients * share.low, patients * share.high)


def _others(share: Interval | None) -> Interval | None:
    return None if share is None else Interval(1 - share.high, 1 - share.low)


def published_operating_point() -> tuple[float, float]:
    """Return sensitivity and specificity of the model that the notebook chose.

    It published recall 0.992 and precision 0.763 of 390 images with PNEUMONIA and 234 NORMAL. Only
    387 found and 120 false alarms round to both, which is also its accuracy of 0.803 and its three
    false negatives; so the specificity, which it did not publish, is 114 / 234.

    Examples
    --------
    >>> sensitivity, specificity = published_operating_point()
    >>> round(sensitivity, 4), round(specificity, 4)
    (0.9923, 0.4872)
    """
    model = next(model for model in PUBLISHED_MODELS if model.name == PUBLISHED_CHOICE)
    ill, healthy = PUBLISHED_COUNTS["test"]["PNEUMONIA"], PUBLISHED_COUNTS["test"]["NORMAL"]
    found = round(model.recall * ill)
    called = round(found / model.precision)
    return found / ill, 1 - (called - found) / healthy


def usefulness_table(
    points: Mapping[str, tuple[Estimate, Estimate]], prevalence: float
) -> tuple[PerThousand, ...]:
    """Return operating points beside referring everyone and the notebook's chosen model.

    Parameters
    ----------
    points
        Sensitivity and specificity by name, with their intervals.
    prevalence
        Share of the patients that is ill.

    Returns
    -------
    tuple of PerThousand
        Referring everyone and the notebook's model, both without intervals, then ``points`` in
        their order.

    Raises
    ------
    PredictionsError
        If a share is undefined or not within [0, 1].

    Examples
    --------
    >>> points = {"screening": (Estimate(0.99), Estimate(0.9))}
    >>> for row in usefulness_table(points, prevalence=0.2):
    ...     print(f"{row.name}: {row.missed.value:.0f} missed, {row.followups.value:.0f} referred")
    refer everyone: 0 missed, 1000 referred
    the notebook's model_5: 2 missed, 609 referred
    screening: 2 missed, 278 referred
    """
    sensitivity, specificity = map(Estimate, published_operating_point())
    rivals = {
        "refer everyone": (Estimate(1.0), Estimate(0.0)),
        f"the notebook's {PUBLISHED_CHOICE}": (sensitivity, specificity),
    }
    return tuple(
        per_thousand(name, *shares, prevalence)
        for name, shares in (*rivals.items(), *points.items())
    )
