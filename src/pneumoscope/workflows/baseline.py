"""Trivial baseline of an experiment: logistic regression on small images."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from pneumoscope.dataset import Split
from pneumoscope.dataset.reading_log import record_test_reading
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.report.experiment_results import (
    History,
    ModelResult,
    ParameterCounts,
    SplitResult,
)
from pneumoscope.evaluation.statistics.discrimination import bootstrap_metrics
from pneumoscope.lungs import Preparation
from pneumoscope.radiograph import Resampling
from pneumoscope.training import ExampleStore
from pneumoscope.training.examples import Examples

SIDE = 24
"""Side in pixels of the images that the baseline sees."""


def evaluate_baseline(store: ExampleStore, folder: Path, threshold: float) -> ModelResult:
    """Fit a logistic regression on small images, and evaluate it on validation and test.

    A network that does not do better has learned nothing that the mean grey of a place does not
    say. Predictions that the folder holds already are used again, so that resuming an experiment
    does not read the test split once more.

    Parameters
    ----------
    store
        Examples of the dataset.
    folder
        Folder of the baseline's predictions and of the record of its reading of the test split.
    threshold
        Lowest probability that is called PNEUMONIA.

    Raises
    ------
    StorageError
        If the folder cannot be written to.
    """
    tables = [folder / f"{split}.csv" for split in (Split.VALIDATION, Split.TEST)]
    if not all(table.exists() for table in tables):
        _write_predictions(store, folder)
    validation, test = (
        SplitResult(predictions, bootstrap_metrics(predictions, threshold))
        for predictions in map(Predictions.read, tables)
    )
    parameters = SIDE**2 + 1
    return ModelResult(
        name="baseline",
        description=f"logistic regression on {SIDE} x {SIDE} pixels",
        parameters=ParameterCounts(parameters, parameters, 0),
        epochs=0,
        seconds=0,
        history=History((), (), ()),
        validation=validation,
        test=test,
    )


def _write_predictions(store: ExampleStore, folder: Path) -> None:
    preparation = Preparation(SIDE, Resampling.BILINEAR)
    train = store.prepared(Split.TRAIN, preparation)
    model = LogisticRegression(max_iter=1000).fit(_pixels(train), train.labels)
    for split in (Split.VALIDATION, Split.TEST):
        examples = store.prepared(split, preparation)
        if split is Split.TEST:
            record_test_reading(folder, store.manifest.fingerprint, len(examples))
        probabilities = model.predict_proba(_pixels(examples))[:, 1]
        examples.predictions(probabilities).write(folder / f"{split}.csv")


def _pixels(examples: Examples) -> NDArray[np.float64]:
    pixels = examples.inputs.take(examples.rows, axis=0)
    return pixels.reshape(len(examples), -1) / 255
