"""Local validation: evaluation of a bundle on a hospital's own radiographs, with a verdict."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from pneumoscope.evaluation.acceptance import Acceptance, Criterion, Requirements, decide_acceptance
from pneumoscope.evaluation.model_evaluation import ModelEvaluation, Subject, evaluate_model
from pneumoscope.evaluation.predictions import Labels, Predictions
from pneumoscope.evaluation.second_reader import SecondReader
from pneumoscope.evaluation.selection.operating_points import choose_operating_points
from pneumoscope.evaluation.statistics.bootstrap import DRAWS
from pneumoscope.evaluation.statistics.discrimination import PREVALENCES, assess_discrimination
from pneumoscope.reader import Reader
from pneumoscope.reader.bundle import BundleRecord
from pneumoscope.reader.reading import count_findings
from pneumoscope.support.errors import PredictionsError
from pneumoscope.validation.local_readings import LocalReadings, read_labelled
from pneumoscope.validation.population_comparison import PopulationComparison, compare_population
from pneumoscope.validation.stress.stress_tests import StressTests, run_stress_tests

FOLDS = 5
"""Number of cross-validation folds, by patient, that local thresholds are fitted in."""


@dataclass(frozen=True, slots=True, eq=False)
class LocalValidation:
    """Results of a local validation.

    Parameters
    ----------
    bundle
        Identity of the bundle.
    record
        Record of the bundle, ``bundle.yaml``.
    operating_point
        Name of the operating point that the verdict is for.
    local
        Readings of the local radiographs.
    population
        Comparison of the local radiographs with the training images.
    evaluation
        Evaluation of the bundle on the local radiographs.
    acceptance
        Verdict, with its criteria and reasons.
    stress_tests
        Results of the stress tests; None if they were skipped.
    """

    bundle: str
    record: BundleRecord
    operating_point: str
    local: LocalReadings
    population: PopulationComparison
    evaluation: ModelEvaluation
    acceptance: Acceptance
    stress_tests: StressTests | None

    @property
    def findings(self) -> dict[str, dict[str, int]]:
        """Numbers of local radiographs by class and finding, as they are shown."""
        table = self.local.predictions
        point = self.record.operating_points[self.operating_point]
        return count_findings(table.labels, table.probabilities, point)


def validate_locally(
    reader: Reader,
    labels: Labels,
    folder: Path,
    operating_point: str = "screening",
    requirements: Requirements | None = None,
    *,
    second_reader: SecondReader | None = None,
    prevalences: Sequence[float] = PREVALENCES,
    draws: int = DRAWS,
    seed: int = 0,
    with_stress_tests: bool = True,
) -> LocalValidation:
    """Validate a bundle on labelled local radiographs.

    Parameters
    ----------
    reader
        Reader of the bundle.
    labels
        Labels by file name relative to ``folder``.
    folder
        Folder of the radiographs.
    operating_point
        Name of the operating point that the bundle is to be used at.
    requirements
        Requirements of the hospital; None for the default ones.
    second_reader
        Second reader of these radiographs, for reporting only: the verdict does not depend on it.
    prevalences
        Prevalences at which predictive values and consequences are stated, each within (0, 1).
    draws
        Number of bootstrap resamples.
    seed
        Random seed of the bootstrap and of the folds.
    with_stress_tests
        Whether to run the stress tests too, which takes longer.

    Raises
    ------
    PredictionsError
        If a labelled file is missing, none can be read, one class is missing, the bundle has no
        such operating point, or the second reader has other files.
    """
    requirements = requirements or Requirements()
    points = reader.bundle.record.operating_points
    if operating_point not in points:
        raise PredictionsError(
            f"--at {operating_point}: the bundle has no such operating point; choose "
            f"{', '.join(points)}"
        )
    if second_reader is not None:
        second_reader = second_reader.match(labels.files)
    local = read_labelled(reader, labels, folder)
    names = [operating_point, *(name for name in points if name != operating_point)]
    subject = Subject(
        reader.bundle.record.name,
        f"the bundle {reader.bundle.identity} on {len(local.paths):,} local radiographs",
        local.predictions,
        {name: points[name].threshold for name in names},
    )
    evaluation = evaluate_model(subject, prevalences, draws, seed, second_reader)
    population = compare_population(local)
    criteria = (
        *_criteria(evaluation, population, requirements),
        *_recalibrated_criteria(subject, operating_point, requirements, draws, seed),
    )
    patients = patients_by_class(local.predictions)
    return LocalValidation(
        reader.bundle.identity,
        reader.bundle.record,
        operating_point,
        local,
        population,
        evaluation,
        decide_acceptance(criteria, len(local.paths), patients, requirements),
        run_stress_tests(reader, local.paths, local.predictions, subject.threshold)
        if with_stress_tests
        else None,
    )


def patients_by_class(predictions: Predictions) -> tuple[int, int]:
    """Return the numbers of patients with an image with, and with one without pneumonia.

    Examples
    --------
    >>> labels, patients = np.int8([1, 1, 0]), ("A", "A", "B")
    >>> patients_by_class(Predictions(("1", "2", "3"), labels, np.full(3, 0.5), patients))
    (1, 1)
    """
    patients = np.array(predictions.patients)
    positive, negative = (len(set(patients[predictions.labels == label])) for label in (1, 0))
    return positive, negative


def _criteria(
    evaluation: ModelEvaluation, population: PopulationComparison, required: Requirements
) -> tuple[Criterion, ...]:
    """Return the criteria for the bundle as it is."""
    estimates = evaluation.discrimination.points[0].estimates
    calibration = evaluation.calibration
    min_slope, max_slope = required.slope_range
    return (
        Criterion("auc", False, evaluation.discrimination.auc, low=required.min_auc),
        Criterion("rejected", False, population.unread, high=required.max_rejected),
        Criterion("sensitivity", False, estimates["sensitivity"], low=required.min_sensitivity),
        Criterion("specificity", False, estimates["specificity"], low=required.min_specificity),
        Criterion("slope", False, calibration.slope, low=min_slope, high=max_slope),
        Criterion(
            "intercept",
            False,
            calibration.in_the_large,
            low=-required.max_intercept,
            high=required.max_intercept,
        ),
    )


def _recalibrated_criteria(
    subject: Subject, operating_point: str, required: Requirements, draws: int, seed: int
) -> tuple[Criterion, ...]:
    """Return the criteria for the bundle with a threshold fitted to local patients.

    Only the threshold matters here, because recalibration does not change the order of images.
    """
    calls = calls_by_folds(subject.predictions, operating_point, seed)
    if calls is None:
        return ()
    discrimination = assess_discrimination(calls, {operating_point: 0.5}, (), draws, seed)
    estimates = discrimination.points[0].estimates
    return (
        Criterion("sensitivity", True, estimates["sensitivity"], low=required.min_sensitivity),
        Criterion("specificity", True, estimates["specificity"], low=required.min_specificity),
    )


def calls_by_folds(
    predictions: Predictions, operating_point: str, seed: int = 0
) -> Predictions | None:
    """Return binary calls, each with a threshold that was fitted on other patients.

    Parameters
    ----------
    predictions
        Predictions of both classes.
    operating_point
        Name of the operating point, whose rule chooses the threshold.
    seed
        Random seed of the folds.

    Returns
    -------
    Predictions or None
        Probabilities are 0 or 1. None with fewer than two patients of a class, or where the rule
        finds no threshold.
    """
    patients = np.array(predictions.patients)
    smaller_class = min(patients_by_class(predictions))
    if smaller_class < 2:
        return None
    folds = StratifiedGroupKFold(min(FOLDS, smaller_class), shuffle=True, random_state=seed)
    calls = np.zeros(len(patients))
    for fitted, held_out in folds.split(patients, predictions.labels, patients):
        if len(set(predictions.labels[fitted].tolist())) < 2:
            return None
        points = choose_operating_points(predictions.rows(fitted))
        if operating_point not in points:
            return None
        threshold = points[operating_point].threshold
        calls[held_out] = predictions.probabilities[held_out] >= threshold
    return replace(predictions, probabilities=calls)
