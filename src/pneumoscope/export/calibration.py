"""Calibration of an exported graph, on simulated acquisitions or on cross-validated predictions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pneumoscope.dataset import Split
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.selection.operating_points import require_both_classes
from pneumoscope.evaluation.statistics.temperature_scaling import (
    apply_temperature,
    fit_temperature,
    log_odds,
)
from pneumoscope.export.onnx_graph import SplitOutput, run_on_pixels
from pneumoscope.export.simulated_acquisition import simulate_acquisitions
from pneumoscope.lungs import Preparation
from pneumoscope.reader.bundle import CROSS_VALIDATION


@dataclass(frozen=True)
class CalibrationFit:
    """Fitted temperature, and the calibrated predictions to choose operating points on.

    The temperature is that of `apply_temperature`, and ``source`` says what it was fitted on;
    ``simulated`` are predictions for the same images in each simulated acquisition.
    """

    temperature: float
    source: str
    predictions: Predictions
    simulated: Sequence[Predictions] = ()


def fit_on_simulated_acquisitions(
    graph: bytes, preparation: Preparation, validation: SplitOutput
) -> CalibrationFit:
    """Fit a temperature on validation images, unchanged and in each simulated acquisition.

    Raises
    ------
    PredictionsError
        If the validation split has one class only.
    """
    labels = validation.examples.labels
    require_both_classes(labels)
    simulated = [
        run_on_pixels(
            graph, preparation.frame_whole(pixels), f"Running on validation, {name}"
        ).logits.astype(np.float64)
        for name, pixels in simulate_acquisitions(validation.whole, labels)
    ]
    temperature = fit_temperature(
        np.concatenate([validation.logits, *simulated]), np.tile(labels, 1 + len(simulated))
    )
    predictions = validation.predictions(temperature)
    return CalibrationFit(
        temperature,
        f"{Split.VALIDATION}, as it is and in {len(simulated)} simulated acquisitions",
        predictions,
        [
            replace(predictions, probabilities=apply_temperature(logits, temperature))
            for logits in simulated
        ],
    )


def fit_on_table(table: Predictions) -> CalibrationFit:
    """Fit a temperature on cross-validated predictions."""
    logits = log_odds(table.probabilities)
    temperature = fit_temperature(logits, table.labels)
    calibrated = replace(table, probabilities=apply_temperature(logits, temperature))
    return CalibrationFit(temperature, CROSS_VALIDATION, calibrated)
