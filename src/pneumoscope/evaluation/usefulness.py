"""Is reading with a model worth it: decision curves, and what happens to 1,000 patients."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscope.errors import PredictionsError
from pneumoscope.evaluation.bootstrap import patient_weights
from pneumoscope.evaluation.metrics import Floats
from pneumoscope.evaluation.notebook import PUBLISHED_CHOICE, PUBLISHED_COUNTS, PUBLISHED_MODELS
from pneumoscope.evaluation.predictions import Predictions

_CELLS_AT_ONCE = 1_000_000


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
        Ends of the 95 % bootstrap interval of ``model`` at each threshold, shape (m,); NaN with
        one patient only.
    """

    thresholds: Floats
    model: Floats
    treat_all: Floats
    low: Floats
    high: Floats


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
        Ill patients referred, and not referred.
    followups
        Patients referred.
    followups_avoided
        Patients not referred: what is saved against referring everyone.
    needless
        Healthy patients referred.
    """

    name: str
    prevalence: float
    found: float
    missed: float
    followups: float
    followups_avoided: float
    needless: float


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
    odds = chosen / (1 - chosen)
    ill = (predictions.labels == 1)[:, None]
    called = predictions.probabilities[:, None] >= chosen
    # What each image adds at each threshold; net benefits are means of it.
    gains = np.where(called, np.where(ill, 1.0, -odds), 0.0)
    prevalence = float(ill.mean())
    low, high = _band(gains, predictions.patients, draws, seed)
    return DecisionCurve(
        chosen, gains.mean(axis=0), prevalence - (1 - prevalence) * odds, low, high
    )


def per_thousand(
    name: str, sensitivity: float, specificity: float, prevalence: float
) -> PerThousand:
    """Return what a test does to 1,000 patients.

    Parameters
    ----------
    name
        Of the test.
    sensitivity, specificity
        Shares of the ill and of the healthy that it gets right.
    prevalence
        Share of the patients that is ill.

    Raises
    ------
    PredictionsError
        If one of the three is not within [0, 1].

    Examples
    --------
    >>> row = per_thousand("ours", sensitivity=0.9, specificity=0.75, prevalence=0.2)
    >>> row.found, row.missed, row.needless, row.followups_avoided
    (180.0, 20.0, 200.0, 620.0)
    """
    shares = {"sensitivity": sensitivity, "specificity": specificity, "prevalence": prevalence}
    for what, share in shares.items():
        if not 0 <= share <= 1:
            raise PredictionsError(f"{name}: the {what} {share} is not between 0 and 1; correct it")
    ill, healthy = 1000 * prevalence, 1000 * (1 - prevalence)
    found, cleared = ill * sensitivity, healthy * specificity
    return PerThousand(
        name=name,
        prevalence=prevalence,
        found=found,
        missed=ill - found,
        followups=found + healthy - cleared,
        followups_avoided=ill - found + cleared,
        needless=healthy - cleared,
    )


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
    points: Mapping[str, tuple[float, float]], prevalence: float
) -> tuple[PerThousand, ...]:
    """Return operating points beside referring everyone and the notebook's chosen model.

    Parameters
    ----------
    points
        Sensitivity and specificity by name.
    prevalence
        Share of the patients that is ill.

    Returns
    -------
    tuple of PerThousand
        Referring everyone, the notebook's model, then ``points`` in their order.

    Raises
    ------
    PredictionsError
        If a share is not within [0, 1].

    Examples
    --------
    >>> for row in usefulness_table({"screening": (0.99, 0.9)}, prevalence=0.2):
    ...     print(f"{row.name}: {row.missed:.0f} missed, {row.followups:.0f} follow-ups")
    refer everyone: 0 missed, 1000 follow-ups
    the notebook's model_5: 2 missed, 609 follow-ups
    screening: 2 missed, 278 follow-ups
    """
    rivals = {
        "refer everyone": (1.0, 0.0),
        f"the notebook's {PUBLISHED_CHOICE}": published_operating_point(),
    }
    return tuple(
        per_thousand(name, sensitivity, specificity, prevalence)
        for name, (sensitivity, specificity) in (*rivals.items(), *points.items())
    )


def _band(gains: Floats, patients: tuple[str, ...], draws: int, seed: int) -> tuple[Floats, Floats]:
    patient = np.unique(np.array(patients), return_inverse=True)[1]
    if patient.max() == 0:
        undefined = np.full(gains.shape[1], np.nan)
        return undefined, undefined
    drawn = [
        weights @ gains / weights.sum(axis=1, keepdims=True)
        for weights in _chunks(patient, draws, np.random.default_rng(seed))
    ]
    low, high = np.percentile(np.concatenate(drawn), (2.5, 97.5), axis=0)
    return low, high


def _chunks(patient: NDArray[np.intp], draws: int, rng: np.random.Generator) -> Iterator[Floats]:
    # All draws of a large table at once would not fit into memory.
    at_once = max(1, _CELLS_AT_ONCE // len(patient))
    for start in range(0, draws, at_once):
        yield patient_weights(patient, min(at_once, draws - start), rng)
