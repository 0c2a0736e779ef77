"""Evaluation of a Run on validation and test: predictions, metrics and figures in the Run."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure

from pneumoscope.dataset import Entry, Split
from pneumoscope.dataset.reading_log import record_test_reading
from pneumoscope.dataset.splits import patient_groups
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.report.figures.predictions import (
    confusion_figure,
    history_figure,
    precision_recall_figure,
    roc_figure,
)
from pneumoscope.evaluation.statistics.discrimination import bootstrap_metrics
from pneumoscope.evaluation.statistics.metrics import RESULT_METRICS, Metrics
from pneumoscope.models import Network, place, select_device
from pneumoscope.report.estimate import Estimate
from pneumoscope.report.html import figure_png
from pneumoscope.support.errors import RunError
from pneumoscope.support.files import write_bytes, write_text
from pneumoscope.support.terminal import messages
from pneumoscope.training.examples import ExampleStore
from pneumoscope.training.prediction import predict
from pneumoscope.training.run import Run
from pneumoscope.training.run_record import damaged_file


def evaluate_run(run: Run, store: ExampleStore) -> Metrics:
    """Evaluate a finished Run on the test split, and record in the Run that the split was read.

    Parameters
    ----------
    run
        Finished Run.
    store
        Examples of the dataset that the Run was trained on.

    Returns
    -------
    Metrics
        Metrics on the test split, at the recipe's threshold.

    Raises
    ------
    RunError
        If the Run is not finished, or was trained on another dataset.
    """
    run.require_finished()
    if run.record.manifest_fingerprint != store.manifest.fingerprint:
        raise RunError(
            f"{run.folder}: was trained on another dataset; pass the Run's own, "
            f"{run.folder / 'manifest.parquet'}"
        )
    network = load_trained_network(run)
    examples = store.examples(Split.TEST, run.recipe, network.backbone)
    record_test_reading(run.folder, store.manifest.fingerprint, len(examples))
    with messages.status(f"Evaluating {run.recipe.model} on the test split"):
        probabilities = predict(network, examples, run.recipe.precision)
        predictions = examples.predictions(probabilities)
        return write_evaluation(run, Split.TEST, predictions)


def evaluate_once(run: Run, store: ExampleStore) -> None:
    """Evaluate a Run as `evaluate_run` does, unless it was evaluated before."""
    if not is_evaluated(run, Split.TEST):
        evaluate_run(run, store)


def is_evaluated(run: Run, split: Split) -> bool:
    """Return whether `write_evaluation` has finished for a split."""
    return _metrics_path(run, split).exists()


def read_predictions(run: Run, split: Split) -> Predictions:
    """Read the table of predictions that `write_evaluation` wrote."""
    return Predictions.read(_predictions_path(run, split))


def with_patients(predictions: Predictions, entries: Sequence[Entry]) -> Predictions:
    """Return predictions with the manifest's patients: earlier versions did not join duplicates."""
    patients = dict(zip((entry.path for entry in entries), patient_groups(entries), strict=True))
    return replace(predictions, patients=tuple(patients[file] for file in predictions.files))


def read_estimates(run: Run, split: Split) -> dict[str, Estimate]:
    """Read the metrics with intervals that `write_evaluation` wrote, by `RESULT_METRICS`.

    Raises
    ------
    RunError
        If the file is missing or damaged.
    """
    path = _metrics_path(run, split)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: Estimate(record[name], *(record["intervals"][name] or ()))
            for name in RESULT_METRICS
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged_file(path, error) from error


def write_evaluation(run: Run, split: Split, predictions: Predictions) -> Metrics:
    """Write predictions, figures, and metrics with intervals of a split into a Run.

    The metrics are written last, so their file marks a complete evaluation.
    """
    threshold = run.recipe.threshold
    predictions.write(_predictions_path(run, split))
    metrics = bootstrap_metrics(predictions, threshold)
    record = metrics.to_json() | {
        "threshold": threshold,
        "manifest_fingerprint": run.record.manifest_fingerprint,
        "synthetic": run.record.synthetic,
        "intervals": metrics.intervals_json(),
    }
    for name, figure in _figures(run, split, predictions, metrics).items():
        write_bytes(run.folder / "figures" / f"{name}.png", figure_png(figure))
    write_text(_metrics_path(run, split), json.dumps(record, indent=2) + "\n")
    return metrics


def _figures(
    run: Run, split: Split, predictions: Predictions, metrics: Metrics
) -> dict[str, Figure]:
    model = f"{run.recipe.model} (synthetic)" if run.record.synthetic else run.recipe.model
    title = f"{model}, {split}"
    threshold = run.recipe.threshold
    history = run.history()
    return {
        "history": history_figure(
            [epoch.epoch for epoch in history],
            [epoch.loss for epoch in history],
            [epoch.val_loss for epoch in history],
            model,
        ),
        f"{split}_confusion": confusion_figure(metrics, title),
        f"{split}_roc": roc_figure(predictions, threshold, title),
        f"{split}_precision_recall": precision_recall_figure(predictions, threshold, title),
    }


def load_trained_network(run: Run) -> Network:
    """Rebuild a Run's network, backbone included, on the device that computes.

    The Run directory suffices: its weights include those of frozen layers.

    Raises
    ------
    RunError
        If the weights are missing or damaged, or the lung finder, or the source of a network of
        another package, is another.
    """
    run.require_same_lung_finder()
    run.require_same_network()
    network = run.recipe.spec.build(run.recipe.image_size, run.structure())
    try:
        network.load_state_dict(run.read_weights())
    except RuntimeError as error:
        raise RunError(
            f"{run.weights_path}: its weights are not those of the network that is built now "
            f"({str(error).splitlines()[0]}); use the versions of pneumoscope and transformers "
            "that run.json names, or train again into another folder"
        ) from error
    return place(network, select_device())


def _metrics_path(run: Run, split: Split) -> Path:
    return run.folder / "metrics" / f"{split}.json"


def _predictions_path(run: Run, split: Split) -> Path:
    return run.folder / "predictions" / f"{split}.csv"
