"""Results of an experiment, as JSON and CSV."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.report.repeats import RepeatedTrainings, repeats_json
from pneumoscope.evaluation.selection.rule import ModelChoice
from pneumoscope.evaluation.statistics.bootstrap import DRAWS
from pneumoscope.evaluation.statistics.metrics import RESULT_METRICS, Metrics
from pneumoscope.report.estimate import Estimate

_DIFFERENCES = {"recall": "sensitivity", "specificity": "specificity"}

SCHEMA = 1
"""Version of the JSON; it changes where a reader of the old one would misread it."""


@dataclass(frozen=True, slots=True)
class DataSummary:
    """Dataset of an experiment; ``fingerprint`` is that of the manifest.

    ``counts`` are numbers of images by split (``train``, ``validation``, ``test``) and class,
    ``split_by`` the unit that is kept on one side of the split between train and validation,
    ``images_without_patient`` the number of images in use whose patient is unknown,
    ``shared_patients`` the number of known patients who are both in train and in validation,
    ``set_aside`` the number of images left out as unusable.
    """

    fingerprint: str
    counts: Mapping[str, Mapping[str, int]]
    synthetic: bool
    split_by: Literal["patient", "image"]
    images_without_patient: int
    shared_patients: int
    set_aside: int


@dataclass(frozen=True, slots=True)
class ParameterCounts:
    """Numbers of parameters of a network, of trainable ones and of frozen ones."""

    total: int
    trainable: int
    non_trainable: int


@dataclass(frozen=True, slots=True)
class Layer:
    """Layer of a network; the output's shape is for one image, without the batch."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int


@dataclass(frozen=True, slots=True)
class History:
    """Mean loss in training and on validation images after each epoch."""

    epoch: tuple[int, ...]
    loss: tuple[float, ...]
    val_loss: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SplitResult:
    """Predictions for one split, and their metrics at the experiment's threshold."""

    predictions: Predictions
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class ModelResult:
    """Results of one trained model; the duration of its training is in seconds.

    ``layers`` are empty for a model that is no network.
    """

    name: str
    description: str
    parameters: ParameterCounts
    epochs: int
    seconds: float
    history: History
    validation: SplitResult
    test: SplitResult
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True, slots=True)
class ThresholdChoice:
    """Choice of a model in which each has a threshold of its own.

    Parameters
    ----------
    choice
        Choice by the rule, on validation data, at the models' own thresholds.
    thresholds
        For each model, the threshold of highest precision on validation data among those with an
        acceptable recall.
    validation, test
        Metrics of each model at its threshold.
    differences
        Sensitivity and specificity on test, minus those of the model that is chosen at one
        threshold for all; paired.
    """

    choice: ModelChoice
    thresholds: Mapping[str, float]
    validation: Mapping[str, Metrics]
    test: Mapping[str, Metrics]
    differences: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class ExperimentResult:
    """Results of several models on the same data, and the choice of one of them.

    The models are in the order in which they are reported; the trivial ``baseline`` is not chosen
    from. ``threshold`` is the lowest probability that is called PNEUMONIA by all models, at which
    ``choice`` was made, as in the notebook; ``own_thresholds`` is the choice with a threshold for
    each, and ``min_recall`` the lowest recall on validation data that both accept. ``notes`` are
    warnings for readers of the results, a sentence or two each, and ``draws`` is the number of
    bootstrap resamples behind each interval. ``repeats`` are trainings with further seeds and in
    folds.
    """

    data: DataSummary
    models: tuple[ModelResult, ...]
    baseline: ModelResult
    choice: ModelChoice
    threshold: float
    own_thresholds: ThresholdChoice
    min_recall: float
    notes: tuple[str, ...] = ()
    repeats: tuple[RepeatedTrainings, ...] = ()
    draws: int = DRAWS

    @property
    def chosen(self) -> ModelResult:
        """Results of the model that is chosen at one threshold for all."""
        return self._model(self.choice.name)

    @property
    def leading(self) -> ModelResult:
        """Results of the model that is chosen at its own threshold, with which the report leads."""
        return self._model(self.own_thresholds.choice.name)

    @property
    def leading_threshold(self) -> float:
        """Own threshold of the leading model."""
        return self.own_thresholds.thresholds[self.own_thresholds.choice.name]

    def _model(self, name: str) -> ModelResult:
        return next(model for model in self.models if model.name == name)

    def _repr_html_(self) -> str:
        from pneumoscope.evaluation.report.jupyter import view_experiment  # it imports this module

        return view_experiment(self)


def results_json(result: ExperimentResult) -> str:
    """Return an experiment as JSON, a stable interface.

    An undefined metric or interval is null; ``false_negatives`` are the test images with
    PNEUMONIA below the threshold.
    """
    data = {
        "fingerprint": result.data.fingerprint,
        "counts": {split: dict(classes) for split, classes in result.data.counts.items()},
        "synthetic": result.data.synthetic,
        "split_by": result.data.split_by,
        "images_without_patient": result.data.images_without_patient,
    }
    content = {
        "schema": SCHEMA,
        "data": data,
        "models": [_model_json(model, result.threshold) for model in result.models],
        "baseline": _model_json(result.baseline, result.threshold),
        "rule": result.choice.rule,
        **_choice_json(result.choice),
        "own_thresholds": _own_thresholds_json(result.own_thresholds),
        **{f"{repeats.unit}s": repeats_json(repeats) for repeats in result.repeats},
    }
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def results_csv(result: ExperimentResult) -> str:
    """Return an experiment as CSV: one row per model and split; undefined metrics are empty."""
    text = io.StringIO()
    about = {"fingerprint": result.data.fingerprint, "synthetic": _yes(result.data.synthetic)}
    models = (*result.models, result.baseline)
    chosen = result.choice.name if result.choice.usable else None
    rows = [row | about for model in models for row in _csv_rows(model, chosen)]
    writer = csv.DictWriter(text, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _choice_json(choice: ModelChoice) -> dict[str, object]:
    return {
        "chosen": choice.name,
        "usable": choice.usable,
        "tied": list(choice.tied),
        "ineligible": dict(choice.ineligible),
    }


def _own_thresholds_json(own: ThresholdChoice) -> dict[str, object]:
    differences = {name: own.differences[ours] for name, ours in _DIFFERENCES.items()}
    return {
        **_choice_json(own.choice),
        "thresholds": dict(own.thresholds),
        "validation": own.validation[own.choice.name].to_json(),
        "test": own.test[own.choice.name].to_json(),
        "difference": {name: estimate.value for name, estimate in differences.items()},
        "difference_intervals": {name: estimate.interval for name, estimate in differences.items()},
    }


def _model_json(model: ModelResult, threshold: float) -> dict[str, object]:
    tested = model.test.predictions
    return {
        "name": model.name,
        "parameters": asdict(model.parameters),
        "epochs": model.epochs,
        "seconds": model.seconds,
        "validation": model.validation.metrics.to_json(),
        "test": model.test.metrics.to_json(),
        "intervals": {
            "validation": model.validation.metrics.intervals_json(),
            "test": model.test.metrics.intervals_json(),
        },
        "false_negatives": [tested.files[row] for row in tested.false_negatives(threshold)],
    }


def _csv_rows(model: ModelResult, chosen: str | None) -> Iterator[dict[str, object]]:
    for split, metrics in (("validation", model.validation.metrics), ("test", model.test.metrics)):
        (tn, fp), (fn, tp) = metrics.confusion
        yield {
            "model": model.name,
            "chosen": _yes(model.name == chosen),
            "split": split,
            "n": metrics.n,
            **_csv_metrics(metrics),
            "tn": tn,
            "fp": fp,
            "fn": fn,
            "tp": tp,
            "parameters": model.parameters.total,
            "trainable": model.parameters.trainable,
            "epochs": model.epochs,
            "seconds": model.seconds,
        }


def _csv_metrics(metrics: Metrics) -> dict[str, float | None]:
    cells: dict[str, float | None] = {}
    for name, ours in RESULT_METRICS.items():
        estimate = metrics[ours]
        cells |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return cells


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"
