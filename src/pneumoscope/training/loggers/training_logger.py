"""Training logger: the protocol, what is logged, and logging that never stops a training."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pneumoscope.dataset import Label, Split
from pneumoscope.support.terminal import messages, printable
from pneumoscope.training.examples import ExampleStore
from pneumoscope.training.history import Epoch
from pneumoscope.training.recipe import Recipe
from pneumoscope.training.run import Run

ExampleImages: TypeAlias = Mapping[str, NDArray[np.uint8]]
"""A few prepared training images of each label, shape (n, size, size)."""

_EXAMPLES_PER_LABEL = 4


class TrainingLogger(Protocol):
    """Client of a tool that shows trainings; it records one training at a time.

    Each call of a training gets a record of its own, which has all epochs from the first on, also
    those before a resumption. Any exception of a method ends the record, not the training.
    """

    title: str
    """Name of the tool, for messages."""

    def start(self, run: Run, images: ExampleImages) -> str:
        """Begin the record of a Run, with its recipe, and return the place: a path or address."""

    def log_epoch(self, epoch: Epoch) -> None:
        """Add an epoch's metrics."""

    def finish(self, *, completed: bool) -> None:
        """End the record of a training that completed, or was interrupted or diverged."""


@contextmanager
def log_training(
    loggers: Sequence[TrainingLogger], run: Run, store: ExampleStore, history: Sequence[Epoch]
) -> Iterator[Callable[[Epoch], None]]:
    """Begin records with the epochs so far, yield the function that adds one, and end them.

    A logger that fails is named in a warning and no longer called; nothing is raised.
    """
    active = list(loggers)

    def attempt(action: Callable[[TrainingLogger], object]) -> None:
        for logger in list(active):
            try:
                action(logger)
            except Exception as error:
                active.remove(logger)
                _warn(logger, run, error)

    def start(logger: TrainingLogger) -> None:
        place = logger.start(run, images)
        messages.print(f"{run.folder.name}: logged to {logger.title}, {place}")
        for epoch in history:
            logger.log_epoch(epoch)

    images = example_images(store, run.recipe) if active else {}
    attempt(start)
    completed = False
    try:
        yield lambda epoch: attempt(lambda logger: logger.log_epoch(epoch))
        completed = True
    finally:
        attempt(lambda logger: logger.finish(completed=completed))


def _warn(logger: TrainingLogger, run: Run, error: Exception) -> None:
    reason = printable((str(error).splitlines() or [""])[0])
    messages.print(
        f"{logger.title}: {run.folder.name} is not logged any further "
        f"({type(error).__name__}: {reason}). The training goes on; its Run is complete",
        style="yellow",
    )


def example_images(store: ExampleStore, recipe: Recipe) -> dict[str, NDArray[np.uint8]]:
    """Return the first training images of each label as the network gets them, unaugmented."""
    train = store.pixels(Split.TRAIN, recipe)
    images = {}
    for label in Label:
        rows = train.rows[train.labels == label][:_EXAMPLES_PER_LABEL]
        images[label.name] = np.asarray(train.inputs[rows], np.uint8)
    return images


def epoch_metrics(epoch: Epoch) -> dict[str, float]:
    """Return the metrics of an epoch that are defined, by the names that loggers show."""
    values = {
        "train/loss": epoch.loss,
        "train/precision": epoch.precision,
        "train/recall": epoch.recall,
        "validation/loss": epoch.val_loss,
        "validation/accuracy": epoch.val_accuracy,
        "validation/precision": epoch.val_precision,
        "validation/recall": epoch.val_recall,
        "validation/auc": epoch.val_auc,
        "learning_rate": epoch.learning_rate,
        "seconds": epoch.seconds,
    }
    return {name: value for name, value in values.items() if value is not None}


def recipe_parameters(recipe: Recipe) -> dict[str, str | int | float | bool]:
    """Return a recipe's settings by their names in ``--set``; null is text.

    Examples
    --------
    >>> parameters = recipe_parameters(Recipe(model="model_1"))
    >>> parameters["epochs"], parameters["early_stopping.patience"], parameters["one_cycle"]
    (10, 3, 'null')
    """
    return dict(_flatten(recipe.model_dump(mode="json")))


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "null" if value is None else value
