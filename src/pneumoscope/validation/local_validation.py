"""Local validation: a bundle on a hospital's own radiographs, and the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from pneumoscope.evaluation.acceptance import Acceptance, Criterion, Requirements, decide
from pneumoscope.evaluation.model_evaluation import ModelEvaluation, Subject, evaluate_model
from pneumoscope.evaluation.predictions import Labels, Predictions
from pneumoscope.evaluation.selection.operating_points import choose_operating_points
from pneumoscope.evaluation.statistics.bootstrap import DRAWS
from pneumoscope.evaluation.statistics.discrimination import PREVALENCES, discriminate
from pneumoscope.evaluation.statistics.intervals import Estimate, wilson
from pneumoscope.reader import Reader
from pneumoscope.reader.bundle import BundleRecord
from pneumoscope.reader.familiarity import FAMILIAR_SHARE
from pneumoscope.support.errors import PredictionsError
from pneumoscope.validation.local_readings import LocalReadings, read_labelled
from pneumoscope.validation.stress.stress_tests import StressTests, run_stress_tests

FOLDS = 5
"""Of patients, when thresholds are fitted anew for the verdict."""

_QUARTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True, slots=True)
class PopulationComparison:
    """How like the local radiographs are to those that the network learned from.

    Parameters
    ----------
    unfamiliar
        Share beyond the bundle's limit, of those that were read; Wilson's interval.
    expected
        That share among its own validation images.
    distances
        Quartiles of the distance, by the limit: 1 is at it.
    rejected
        Share of all labelled radiographs that was not read; Wilson's interval.
    quality
        Radiographs by the code of what the quality gate found.
    """

    unfamiliar: Estimate
    expected: float
    distances: tuple[float, ...]
    rejected: Estimate
    quality: Mapping[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class Validation:
    """A local validation.

    Parameters
    ----------
    bundle
        Its identity.
    record
        What the bundle says of itself.
    at
        The operating point that the verdict is given for.
    local, population, judgement, verdict
        What was read, how like it is, how well, and what follows.
    inspection
        What changes of the images do; None if that was not asked for.
    """

    bundle: str
    record: BundleRecord
    at: str
    local: LocalReadings
    population: PopulationComparison
    judgement: ModelEvaluation
    verdict: Acceptance
    inspection: StressTests | None


def validate(
    reader: Reader,
    labels: Labels,
    folder: Path,
    at: str = "screening",
    requirements: Requirements | None = None,
    *,
    prevalences: Sequence[float] = PREVALENCES,
    draws: int = DRAWS,
    seed: int = 0,
    inspected: bool = True,
) -> Validation:
    """Validate a bundle on labelled local radiographs.

    Parameters
    ----------
    reader
        The bundle at work.
    labels
        The truth; its files are relative to ``folder``.
    folder
        Where the radiographs lie.
    at
        The operating point at which they are to be read.
    requirements
        Of the hospital; the defaults if None.
    prevalences
        At which predictive values and consequences are stated, each within (0, 1).
    draws, seed
        Of the bootstrap.
    inspected
        Whether robustness, shortcuts and failures are looked at too, which takes longer.

    Raises
    ------
    PredictionsError
        If a labelled file is missing, none can be read, one class is missing, or the bundle has no
        such operating point.
    """
    asked = requirements or Requirements()
    points = reader.bundle.record.operating_points
    if at not in points:
        raise PredictionsError(
            f"--at {at}: the bundle has no such operating point; choose {', '.join(points)}"
        )
    local = read_labelled(reader, labels, folder)
    order = [at, *(name for name in points if name != at)]
    subject = Subject(
        reader.bundle.record.name,
        f"the bundle {reader.bundle.identity} on {len(local.paths):,} local radiographs",
        local.predictions,
        {name: points[name].threshold for name in order},
    )
    judgement = evaluate_model(subject, prevalences, draws, seed)
    population = _compare_population(local)
    criteria = (
        *_as_it_is(judgement, population, asked),
        *_recalibrated(subject, at, asked, draws, seed),
    )
    return Validation(
        reader.bundle.identity,
        reader.bundle.record,
        at,
        local,
        population,
        judgement,
        decide(criteria, len(local.paths), patients_by_class(local.predictions), asked),
        run_stress_tests(reader, local.paths, local.predictions, subject.threshold)
        if inspected
        else None,
    )


def patients_by_class(predictions: Predictions) -> tuple[int, int]:
    """Return how many patients have an image with, and one without pneumonia."""
    patients = np.array(predictions.patients)
    ill, healthy = (len(set(patients[predictions.labels == label])) for label in (1, 0))
    return ill, healthy


def _as_it_is(
    judgement: ModelEvaluation, population: PopulationComparison, asked: Requirements
) -> tuple[Criterion, ...]:
    figures = judgement.discrimination.points[0].figures
    calibration = judgement.calibration
    least, greatest = asked.slope
    return (
        Criterion("auc", False, judgement.discrimination.auc, low=asked.auc),
        Criterion("rejected", False, population.rejected, high=asked.rejected),
        Criterion("sensitivity", False, figures["sensitivity"], low=asked.sensitivity),
        Criterion("specificity", False, figures["specificity"], low=asked.specificity),
        Criterion("slope", False, calibration.slope, low=least, high=greatest),
        Criterion(
            "intercept",
            False,
            calibration.intercept,
            low=-asked.intercept,
            high=asked.intercept,
        ),
    )


def _recalibrated(
    subject: Subject, at: str, asked: Requirements, draws: int, seed: int
) -> tuple[Criterion, ...]:
    """Return what the same rule gives whose threshold is fitted on the other patients' images.

    The threshold is all that matters here: calibration changes no order.
    """
    calls = calls_by_folds(subject.predictions, at, seed)
    if calls is None:
        return ()
    figures = discriminate(calls, {at: 0.5}, (), draws, seed).points[0].figures
    return (
        Criterion("sensitivity", True, figures["sensitivity"], low=asked.sensitivity),
        Criterion("specificity", True, figures["specificity"], low=asked.specificity),
    )


def calls_by_folds(predictions: Predictions, at: str, seed: int = 0) -> Predictions | None:
    """Return calls, 0 or 1, each by a threshold chosen on other patients.

    Parameters
    ----------
    predictions
        Of both classes.
    at
        Name of the operating point, whose rule chooses the threshold.
    seed
        Of the folds.

    Returns
    -------
    Predictions or None
        None with fewer than two patients of a class, or where the rule has no threshold.
    """
    patients = np.array(predictions.patients)
    fewest = min(len(set(patients[predictions.labels == label])) for label in (0, 1))
    if fewest < 2:
        return None
    folds = StratifiedGroupKFold(min(FOLDS, fewest), shuffle=True, random_state=seed)
    calls = np.zeros(len(patients))
    for others, fold in folds.split(patients, predictions.labels, patients):
        if len(set(predictions.labels[others].tolist())) < 2:
            return None
        points = {one.name: one for one in choose_operating_points(predictions.rows(others))}
        if at not in points:
            return None
        calls[fold] = predictions.probabilities[fold] >= points[at].threshold
    return replace(predictions, probabilities=calls)


def _compare_population(local: LocalReadings) -> PopulationComparison:
    read, rejected = len(local.paths), len(local.rejected)
    unfamiliar = int((local.distances > 1).sum())
    return PopulationComparison(
        Estimate(unfamiliar / read, wilson(unfamiliar, read)),
        1 - FAMILIAR_SHARE,
        tuple(np.quantile(local.distances, _QUARTILES).tolist()),
        Estimate(rejected / (read + rejected), wilson(rejected, read + rejected)),
        local.quality,
    )
