"""Catalogue of loggers: their names, and the clients that they need."""

from collections.abc import Sequence

from pneumoscope.support.errors import RecipeError
from pneumoscope.training.loggers.mlflow import MlflowLogger
from pneumoscope.training.loggers.tensorboard import TensorBoardLogger
from pneumoscope.training.loggers.training_logger import TrainingLogger
from pneumoscope.training.loggers.wandb import WandbLogger

_LOGGERS: dict[str, type[TrainingLogger]] = {
    "tensorboard": TensorBoardLogger,
    "mlflow": MlflowLogger,
    "wandb": WandbLogger,
}
"""Loggers by their names, which are also those of the extras that install their clients."""


def open_loggers(names: Sequence[str]) -> list[TrainingLogger]:
    """Return the loggers of these names, each once.

    Raises
    ------
    ModuleNotFoundError
        If the client of one is not installed.
    RecipeError
        If there is no logger of a name.

    Examples
    --------
    >>> [logger.title for logger in open_loggers(["tensorboard", "tensorboard"])]
    ['TensorBoard']
    """
    for name in names:
        if name not in _LOGGERS:
            raise RecipeError(f"--log must be one of {', '.join(_LOGGERS)}, not '{name}'")
    return [_LOGGERS[name]() for name in dict.fromkeys(names)]
