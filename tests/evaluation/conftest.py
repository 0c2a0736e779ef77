from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.report.experiment_results import (
    DataSummary,
    ExperimentResult,
    History,
    ModelResult,
    ParameterCounts,
    SplitResult,
    ThresholdChoice,
)
from pneumoscope.evaluation.selection.rule import ModelChoice
from pneumoscope.evaluation.statistics.discrimination import bootstrap_metrics
from pneumoscope.evaluation.statistics.paired_bootstrap import rate_differences

Table = Callable[..., Predictions]


@pytest.fixture(scope="session")
def table() -> Table:
    """Build predictions from labels and probabilities; each image is a patient by default."""

    def build(
        labels: Sequence[int],
        probabilities: Sequence[float],
        patients: Sequence[str] | None = None,
        files: Sequence[str] | None = None,
    ) -> Predictions:
        names = tuple(files or (f"image{row}.png" for row in range(len(labels))))
        return Predictions(
            names, np.array(labels), np.array(probabilities), tuple(patients or names)
        )

    return build


@pytest.fixture(scope="session")
def experiment(table: Table) -> Callable[..., ExperimentResult]:
    """Build an experiment of one model whose test predictions are given."""

    def build(test: Predictions, **data: object) -> ExperimentResult:
        validation = table([0, 1, 1, 0], [0.2, 0.9, 0.7, 0.4])
        model = ModelResult(
            name="model_1",
            description="one layer",
            parameters=ParameterCounts(total=12, trainable=10, non_trainable=2),
            epochs=2,
            seconds=3.25,
            history=History((1, 2), (0.7, 0.5), (0.8, 0.6)),
            validation=SplitResult(validation, bootstrap_metrics(validation, 0.5, draws=50)),
            test=SplitResult(test, bootstrap_metrics(test, 0.5, draws=50)),
        )
        counts = {name: {"NORMAL": 2, "PNEUMONIA": 3} for name in ("train", "validation", "test")}
        summary = {"fingerprint": "f00d", "counts": counts, "synthetic": False}
        summary |= {
            "split_by": "patient",
            "images_without_patient": 0,
            "shared_patients": 0,
            "set_aside": 0,
        } | data
        choice = ModelChoice("model_1", qualified=True, rule="the stated rule")
        own = ThresholdChoice(
            choice,
            {"model_1": 0.55},
            {"model_1": bootstrap_metrics(validation, 0.55, draws=50)},
            {"model_1": bootstrap_metrics(test, 0.55, draws=50)},
            rate_differences((test, 0.55), (test, 0.5), draws=50),
        )
        baseline = replace(model, name="baseline", description="logistic regression", epochs=0)
        return ExperimentResult(
            DataSummary(**summary), (model,), baseline, choice, 0.5, own, 0.99, draws=50
        )

    return build


@pytest.fixture(scope="session")
def drawn() -> Table:
    """Draw predictions of random images; a patient's resemble each other, columns are groups."""

    def build(
        count: int, seed: int, images_per_patient: int = 1, **groups: Sequence[str]
    ) -> Predictions:
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 2, count)
        own = np.repeat(rng.normal(0, 0.2, count), images_per_patient)[:count]
        scores = np.clip(0.3 + 0.3 * labels + own + rng.normal(0, 0.15, count), 0, 1).round(2)
        files = tuple(f"image{row}.png" for row in range(count))
        patients = tuple(f"p{row // images_per_patient}" for row in range(count))
        columns = {name: tuple(column) for name, column in groups.items()}
        return Predictions(files, labels, scores, patients, columns)

    return build
