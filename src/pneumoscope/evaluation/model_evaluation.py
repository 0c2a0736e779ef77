"""Evaluation of one model: discrimination, calibration, consequences, subgroups, label errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pneumoscope.evaluation.predictions import CLASS_NAMES, Predictions
from pneumoscope.evaluation.second_reader import SecondReader
from pneumoscope.evaluation.second_reader_evaluation import (
    SecondReaderEvaluation,
    evaluate_second_reader,
)
from pneumoscope.evaluation.statistics.bootstrap import DRAWS
from pneumoscope.evaluation.statistics.calibration import CalibrationAssessment, assess_calibration
from pneumoscope.evaluation.statistics.custom_metrics import Metric, assess_metrics
from pneumoscope.evaluation.statistics.decision_curve import (
    Consequences,
    DecisionCurve,
    consequences_table,
    decision_curve,
)
from pneumoscope.evaluation.statistics.discrimination import (
    PREVALENCES,
    Discrimination,
    assess_discrimination,
)
from pneumoscope.evaluation.statistics.label_errors import LabelErrors, label_error_candidates
from pneumoscope.evaluation.statistics.logistic_recalibration import (
    cross_fit_recalibration,
    fit_recalibration,
)
from pneumoscope.evaluation.statistics.temperature_scaling import log_odds
from pneumoscope.evaluation.subgroups.table import SubgroupTable, subgroup_table
from pneumoscope.report.estimate import Estimate
from pneumoscope.support.errors import PredictionsError


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """Model to evaluate, with predictions on images that it was neither trained nor fitted on.

    ``source`` describes the model and the images in words. ``thresholds`` are the lowest
    probabilities that are called PNEUMONIA, by the name of the operating point; the first is the
    one in use. Recalibration is fitted on the predictions on the validation images, if they are
    known, and one of several models is chosen on them.
    """

    name: str
    source: str
    predictions: Predictions
    thresholds: Mapping[str, float]
    validation: Predictions | None = None

    @property
    def threshold(self) -> float:
        """Threshold of the operating point in use."""
        return next(iter(self.thresholds.values()))


@dataclass(frozen=True, slots=True, eq=False)
class ModelEvaluation:
    """Evaluation of one model.

    ``recalibrated`` is the calibration after recalibration, None where that cannot be fitted;
    ``recalibrated_on`` names the images that it was fitted on, or the reason why it could not be.
    ``consequences`` are those for 1,000 patients, by prevalence. ``second_reader`` is None without
    a second reader. ``metrics`` are those of other packages, by name.
    """

    subject: Subject
    discrimination: Discrimination
    calibration: CalibrationAssessment
    recalibrated: CalibrationAssessment | None
    recalibrated_on: str
    consequences: Mapping[float, tuple[Consequences, ...]]
    decisions: DecisionCurve
    subgroups: SubgroupTable
    label_errors: LabelErrors
    second_reader: SecondReaderEvaluation | None = None
    metrics: Mapping[str, Estimate] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        from pneumoscope.evaluation.report.jupyter import view_evaluation  # it imports this module

        return view_evaluation(self)


def evaluate_model(
    subject: Subject,
    prevalences: Sequence[float] = PREVALENCES,
    draws: int = DRAWS,
    seed: int = 0,
    second_reader: SecondReader | None = None,
    metrics: Mapping[str, Metric] | None = None,
) -> ModelEvaluation:
    """Evaluate one model.

    Parameters
    ----------
    subject
        Model with predictions of both classes.
    prevalences
        Prevalences at which predictive values and consequences are stated, each within (0, 1).
    draws
        Number of bootstrap resamples.
    seed
        Random seed; the same seed gives the same evaluation.
    second_reader
        Second reader, matched to the files of the predictions; for reporting only.
    metrics
        Metrics of other packages by name; see `find_metrics`.

    Raises
    ------
    PluginError
        If a metric of another package fails.
    PredictionsError
        If a class is missing, or no image has a usable second reading.
    """
    predictions = subject.predictions
    _require_both_classes(subject)
    discrimination = assess_discrimination(
        predictions, subject.thresholds, prevalences, draws, seed
    )
    recalibrated, recalibrated_on = _recalibrate(subject, seed)
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
        {prevalence: consequences_table(rates, prevalence) for prevalence in prevalences},
        decision_curve(predictions, seed=seed),
        subgroup_table(predictions, subject.threshold, seed=seed),
        label_error_candidates(predictions),
        None
        if second_reader is None
        else evaluate_second_reader(predictions, discrimination, second_reader, draws, seed),
        assess_metrics(predictions, metrics or {}, draws, seed),
    )


def _require_both_classes(subject: Subject) -> None:
    labels = subject.predictions.labels
    for label, name in enumerate(CLASS_NAMES):
        if not (labels == label).any():
            raise PredictionsError(
                f"{subject.name}: none of the {len(labels)} images is labelled {name}, and "
                f"discrimination needs both classes; add labelled images of {name}"
            )


def _recalibrate(subject: Subject, seed: int) -> tuple[Predictions | None, str]:
    """Return recalibrated predictions, and the images that recalibration was fitted on."""
    predictions, validation = subject.predictions, subject.validation
    odds, labels = log_odds(predictions.probabilities), predictions.labels
    try:
        if validation is not None and len(set(validation.labels.tolist())) == 2:
            fitted = fit_recalibration(log_odds(validation.probabilities), validation.labels)
            probabilities = fitted.apply(odds)
            images = f"fitted on {len(validation.files):,} validation images"
        else:
            probabilities = cross_fit_recalibration(odds, labels, predictions.patients, seed=seed)
            images = "fitted on the other patients of these images, in folds"
    except PredictionsError as error:
        return None, f"could not be fitted: {error}"
    return replace(predictions, probabilities=probabilities), images
