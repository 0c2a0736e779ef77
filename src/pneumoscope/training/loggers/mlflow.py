"""MLflow: a run of an experiment, on the tracking server that MLflow is configured for."""

import os
import time

from pneumoscope.training.history import Epoch
from pneumoscope.training.loggers.training_logger import (
    ExampleImages,
    epoch_metrics,
    recipe_parameters,
)
from pneumoscope.training.run import Run

_EXPERIMENT = "pneumoscope"
"""Name of the experiment if ``MLFLOW_EXPERIMENT_NAME`` is not set."""


class MlflowLogger:
    """Logger of ``MLFLOW_TRACKING_URI``; by default ``mlflow.db`` and ``mlruns`` in this folder.

    Raises
    ------
    ModuleNotFoundError
        If neither mlflow nor mlflow-skinny is installed.
    """

    title = "MLflow"

    def __init__(self) -> None:
        import mlflow

        self._mlflow = mlflow

    def start(self, run: Run, images: ExampleImages) -> str:
        """Create an MLflow run, with parameters and example images."""
        entities = self._mlflow.entities
        self._client = self._mlflow.MlflowClient()
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", _EXPERIMENT)
        experiment = self._client.get_experiment_by_name(name)
        identifier = (
            experiment.experiment_id if experiment else self._client.create_experiment(name)
        )
        tags = {"pneumoscope.run": str(run.folder.resolve())}
        record = self._client.create_run(identifier, run_name=run.folder.name, tags=tags)
        self._run_id = record.info.run_id
        parameters = recipe_parameters(run.recipe).items()
        self._client.log_batch(
            self._run_id, params=[entities.Param(name, str(value)) for name, value in parameters]
        )
        for label, pixels in images.items():
            for number, image in enumerate(pixels, start=1):
                self._client.log_image(self._run_id, image, f"examples/{label}-{number}.png")
        return f"experiment {name} of {self._client.tracking_uri}"

    def log_epoch(self, epoch: Epoch) -> None:
        """Add an epoch's metrics, with its number as the step."""
        now = round(time.time() * 1000)
        metrics = [
            self._mlflow.entities.Metric(name, value, now, epoch.epoch)
            for name, value in epoch_metrics(epoch).items()
        ]
        self._client.log_batch(self._run_id, metrics=metrics)

    def finish(self, *, completed: bool) -> None:
        """End the MLflow run as finished or killed."""
        self._client.set_terminated(self._run_id, "FINISHED" if completed else "KILLED")
