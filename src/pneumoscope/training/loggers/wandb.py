"""Weights & Biases: a run of a project, online or offline as its client is configured."""

import os

from pneumoscope.training.history import Epoch
from pneumoscope.training.loggers.training_logger import (
    ExampleImages,
    epoch_metrics,
    recipe_parameters,
)
from pneumoscope.training.run import Run

_PROJECT = "pneumoscope"
"""Name of the project if ``WANDB_PROJECT`` is not set."""


class WandbLogger:
    """Logger of a Weights & Biases run; with ``WANDB_MODE=offline`` nothing leaves this computer.

    The client's files are in the Run's folder ``wandb``.

    Raises
    ------
    ModuleNotFoundError
        If wandb is not installed.
    """

    title = "Weights & Biases"

    def __init__(self) -> None:
        import wandb

        self._wandb = wandb

    def start(self, run: Run, images: ExampleImages) -> str:
        """Begin a run, with the recipe as its configuration and example images."""
        # Only what is logged here: no terminal output, command line, source code or host metrics.
        settings = self._wandb.Settings(
            console="off",
            silent=True,
            disable_git=True,
            save_code=False,
            x_disable_meta=True,
            x_disable_stats=True,
        )
        project = os.environ.get("WANDB_PROJECT", _PROJECT)
        self._run = self._wandb.init(
            project=project,
            name=run.folder.name,
            dir=str(run.folder),
            config=recipe_parameters(run.recipe),
            settings=settings,
        )
        self._examples = {
            f"examples/{label}": [self._wandb.Image(image) for image in pixels]
            for label, pixels in images.items()
        }
        place = self._run.dir if self._run.offline else self._run.url
        return f"project {project}, {place}"

    def log_epoch(self, epoch: Epoch) -> None:
        """Add an epoch's metrics, with its number as the step; with the first the examples."""
        self._run.log({**epoch_metrics(epoch), **self._examples}, step=epoch.epoch)
        self._examples = {}

    def finish(self, *, completed: bool) -> None:
        """End the run, and wait until everything is sent."""
        self._run.finish(exit_code=0 if completed else 1)
