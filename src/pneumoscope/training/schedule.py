"""Learning-rate schedule: early stopping, reduction on plateaus, and one cycle.

`LearningRateSchedule` follows Keras' EarlyStopping and ReduceLROnPlateau exactly. PyTorch's
``ReduceLROnPlateau`` waits one epoch longer for the same patience and compares with a relative
threshold, so it does not reproduce the notebook's learning rates.
"""

import math
from dataclasses import dataclass

from pneumoscope.training.recipe import EarlyStopping, OneCycle, ReduceLROnPlateau


@dataclass
class PlateauDetector:
    """Counter of epochs without improvement of the validation loss since its best.

    A decrease of more than ``min_delta`` is an improvement; ``patience`` epochs without are a
    plateau.

    Examples
    --------
    >>> plateau = PlateauDetector(patience=2)
    >>> [plateau.update(loss) for loss in (1.0, 0.5, 0.6, 0.7)]
    [False, False, False, True]
    """

    patience: int
    min_delta: float = 0.0
    best: float = math.inf
    epochs: int = 0

    def update(self, loss: float) -> bool:
        """Add the loss of an epoch and return whether the loss is on a plateau."""
        if loss < self.best - self.min_delta:
            self.best, self.epochs = loss, 0
            return False
        self.epochs += 1
        return self.epochs >= self.patience


class LearningRateSchedule:
    """Learning rate and end of a training, by the validation loss of each epoch.

    Examples
    --------
    >>> schedule = LearningRateSchedule(0.1, None, ReduceLROnPlateau(factor=0.5, patience=1))
    >>> for val_loss in (0.6, 0.6):
    ...     schedule.update(val_loss)
    >>> schedule.learning_rate, schedule.stopped
    (0.05, False)
    """

    def __init__(
        self,
        learning_rate: float,
        early_stopping: EarlyStopping | None,
        reduce_on_plateau: ReduceLROnPlateau | None,
    ) -> None:
        self.learning_rate = learning_rate
        self.stopped = False
        self._reduction = reduce_on_plateau
        self._stopping: PlateauDetector | None = None
        self._plateau: PlateauDetector | None = None
        if early_stopping is not None:
            self._stopping = PlateauDetector(early_stopping.patience)
        if reduce_on_plateau is not None:
            self._plateau = PlateauDetector(reduce_on_plateau.patience, reduce_on_plateau.min_delta)

    def update(self, val_loss: float) -> None:
        """Add the validation loss of an epoch; NaN never counts as an improvement."""
        if self._stopping is not None and self._stopping.update(val_loss):
            self.stopped = True
        if self._reduction and self._plateau and self._plateau.update(val_loss):
            self.learning_rate *= self._reduction.factor
            self._plateau.epochs = 0


def one_cycle(settings: OneCycle, progress: float) -> float:
    """Return the factor of the highest learning rate: a linear warm-up, then a cosine decay.

    The progress is the share of all batches that are done, in [0, 1].

    References
    ----------
    Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning
    Rates", 2019; the decay as in Loshchilov and Hutter, "SGDR", ICLR 2017.

    Examples
    --------
    >>> shares = (0, 0.1, 0.2, 0.6, 1)
    >>> [round(one_cycle(OneCycle(warmup=0.2), share), 3) for share in shares]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if progress < settings.warmup:
        return progress / settings.warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - settings.warmup) / (1 - settings.warmup)))
