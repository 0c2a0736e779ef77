"""One reader judged: everything that is said of a table of predictions, computed once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.statistics.bootstrap import DRAWS
from pneumoscope.evaluation.statistics.calibration import CalibrationAssessment, assess_calibration
from pneumoscope.evaluation.statistics.decision_curve import (
    DecisionCurve,
    PerThousand,
    decision_curve,
    usefulness_table,
)
from pneumoscope.evaluation.statistics.discrimination import (
    PREVALENCES,
    Discrimination,
    discriminate,
)
from pneumoscope.evaluation.statistics.label_errors import LabelErrors, label_error_candidates
from pneumoscope.evaluation.statistics.logistic_recalibration import cross_fitted, fit_recalibration
from pneumoscope.evaluation.statistics.temperature_scaling import log_odds
from pneumoscope.evaluation.subgroups.table import SubgroupTable, subgroup_table
from pneumoscope.support.errors import PredictionsError


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """Who is judged.

    Parameters
    ----------
    name
        As tables name it.
    source
        Where the predictions are from, in words.
    predictions
        On images that had no part in making it.
    thresholds
        By the name of the operating point; the first is the one that it is read at.
    validation
        Its predictions on the images that it was fitted on, where they are known: what is chosen
        or recalibrated for the judgement is fitted on these.
    """

    name: str
    source: str
    predictions: Predictions
    thresholds: Mapping[str, float]
    validation: Predictions | None = None

    @property
    def threshold(self) -> float:
        """That of the operating point that it is read at."""
        return next(iter(self.thresholds.values()))


@dataclass(frozen=True, slots=True, eq=False)
class ModelEvaluation:
    """What was found of a `Subject`; see the modules that make each part.

    Parameters
    ----------
    calibration, recalibrated
        As it is, and once recalibrated; None where that cannot be fitted.
    recalibrated_on
        What recalibration was fitted on, or why it could not be, in words.
    usefulness
        By prevalence, and among these images.
    """

    subject: Subject
    discrimination: Discrimination
    calibration: CalibrationAssessment
    recalibrated: CalibrationAssessment | None
    recalibrated_on: str
    usefulness: Mapping[float, tuple[PerThousand, ...]]
    decisions: DecisionCurve
    subgroups: SubgroupTable
    label_errors: LabelErrors


def evaluate_model(
    subject: Subject,
    prevalences: Sequence[float] = PREVALENCES,
    draws: int = DRAWS,
    seed: int = 0,
) -> ModelEvaluation:
    """Judge one reader.

    Parameters
    ----------
    subject
        Its predictions must have both classes.
    prevalences
        At which predictive values and consequences are stated, each within (0, 1).
    draws
        Of the bootstrap.
    seed
        The same seed gives the same judgement.

    Raises
    ------
    PredictionsError
        If a class is missing.
    """
    predictions = subject.predictions
    _require_both_classes(subject)
    discrimination = discriminate(predictions, subject.thresholds, prevalences, draws, seed)
    recalibrated, recalibrated_on = _recalibrated(subject, seed)
    rates = {
        point.name: (point.estimates["sensitivity"], point.estimates["specificity"])
        for point in discrimination.points
    }
    return ModelEvaluation(
        subject,
        discrimination,
        assess_calibration(predictions),
        None if recalibrated is None else assess_calibration(recalibrated),
        recalibrated_on,
        {prevalence: usefulness_table(rates, prevalence) for prevalence in prevalences},
        decision_curve(predictions, seed=seed),
        subgroup_table(predictions, subject.threshold, seed=seed),
        label_error_candidates(predictions),
    )


def _require_both_classes(subject: Subject) -> None:
    labels = subject.predictions.labels
    for label, name in ((0, "NORMAL"), (1, "PNEUMONIA")):
        if not (labels == label).any():
            raise PredictionsError(
                f"{subject.name}: all {len(labels)} images have one label, and none is {name}; "
                "nothing can be said of how well the two are told apart. Add labelled images of "
                f"{name}"
            )


def _recalibrated(subject: Subject, seed: int) -> tuple[Predictions | None, str]:
    predictions, validation = subject.predictions, subject.validation
    odds = log_odds(predictions.probabilities)
    try:
        if validation is not None and len(set(validation.labels.tolist())) == 2:
            fitted = fit_recalibration(log_odds(validation.probabilities), validation.labels)
            probabilities = fitted.apply(odds)
            said = f"fitted on {len(validation.files):,} validation images"
        else:
            probabilities = cross_fitted(odds, predictions.labels, predictions.patients, seed=seed)
            said = "fitted on the other patients of these images, in folds"
    except PredictionsError as error:
        return None, f"could not be fitted: {error}"
    return replace(predictions, probabilities=probabilities), said
