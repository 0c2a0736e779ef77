"""TensorBoard: event files in the Run, written by PyTorch's ``SummaryWriter``."""

import shutil

from pneumoscope.training.history import Epoch
from pneumoscope.training.loggers.training_logger import (
    ExampleImages,
    epoch_metrics,
    recipe_parameters,
)
from pneumoscope.training.run import Run

FOLDER = "tensorboard"
"""Folder of the event files in a Run; each training writes it anew."""


class TensorBoardLogger:
    """Logger that writes the Run's folder ``tensorboard``; ``tensorboard --logdir runs`` shows it.

    Raises
    ------
    ModuleNotFoundError
        If tensorboard is not installed.
    """

    title = "TensorBoard"

    def __init__(self) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._open = SummaryWriter

    def start(self, run: Run, images: ExampleImages) -> str:
        """Begin an event file, with hyperparameters and example images."""
        from torch.utils.tensorboard.summary import hparams

        folder = run.folder / FOLDER
        shutil.rmtree(folder, ignore_errors=True)
        self._writer = self._open(str(folder))
        shown = {"validation/loss": 0.0, "validation/auc": 0.0}
        # SummaryWriter's own add_hparams would also log these metrics, and into another folder.
        for summary in hparams(recipe_parameters(run.recipe), shown):  # type: ignore[no-untyped-call]
            self._writer.file_writer.add_summary(summary)  # type: ignore[attr-defined]
        self._writer.add_text("recipe", f"```yaml\n{run.recipe.to_yaml()}```")
        for label, pixels in images.items():
            self._writer.add_images(f"examples/{label}", pixels[:, None])
        return str(folder)

    def log_epoch(self, epoch: Epoch) -> None:
        """Add an epoch's metrics as scalars."""
        for name, value in epoch_metrics(epoch).items():
            self._writer.add_scalar(name, value, epoch.epoch)
        self._writer.flush()

    def finish(self, *, completed: bool) -> None:
        """Close the event file."""
        self._writer.close()
