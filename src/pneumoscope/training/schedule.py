"""The learning rate: Keras' EarlyStopping and ReduceLROnPlateau to the letter, and one cycle.

PyTorch's ``ReduceLROnPlateau`` waits one epoch longer for the same patience and compares with a
relative threshold, so it does not reproduce the notebook's learning rates.
"""

import math
from dataclasses import dataclass

from pneumoscope.training.recipe import EarlyStopping, OneCycle, ReduceOnPlateau


@dataclass
class Patience:
    """Counts the epochs without improvement.

    Parameters
    ----------
    epochs
        After how many the patience is over.
    min_delta
        By how much the best value must be undercut to count as better.
    best, waited
        State.

    Examples
    --------
    >>> patience = Patience(epochs=2)
    >>> [patience.is_over(loss) for loss in (1.0, 0.5, 0.6, 0.7)]
    [False, False, False, True]
    """

    epochs: int
    min_delta: float = 0.0
    best: float = math.inf
    waited: int = 0

    def is_over(self, loss: float) -> bool:
        """Take one epoch's loss in; tell whether it has not improved for `epochs` epochs."""
        if loss < self.best - self.min_delta:
            self.best, self.waited = loss, 0
            return False
        self.waited += 1
        return self.waited >= self.epochs


class Schedule:
    """What the validation loss of each epoch decides: the learning rate, and when to stop.

    Parameters
    ----------
    learning_rate
        Of the first epoch.
    early_stopping, reduce_on_plateau
        The rules, or None.
    """

    def __init__(
        self,
        learning_rate: float,
        early_stopping: EarlyStopping | None,
        reduce_on_plateau: ReduceOnPlateau | None,
    ) -> None:
        self.learning_rate = learning_rate
        self.stopped = False
        self._rule = reduce_on_plateau
        self._stopping: Patience | None = None
        self._plateau: Patience | None = None
        if early_stopping is not None:
            self._stopping = Patience(early_stopping.patience)
        if reduce_on_plateau is not None:
            self._plateau = Patience(reduce_on_plateau.patience, reduce_on_plateau.min_delta)

    def after_epoch(self, val_loss: float) -> None:
        """Take one epoch's validation loss in; NaN never counts as an improvement."""
        if self._stopping is not None and self._stopping.is_over(val_loss):
            self.stopped = True
        if self._rule is not None and self._plateau is not None and self._plateau.is_over(val_loss):
            self.learning_rate *= self._rule.factor
            self._plateau.waited = 0


def one_cycle(rule: OneCycle, done: float) -> float:
    """Return what the highest learning rate is multiplied by.

    It rises linearly, then falls to zero as half a cosine does.

    Parameters
    ----------
    rule
        When it is highest.
    done
        Share of all batches that are done, in [0, 1].

    References
    ----------
    Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning
    Rates", 2019; the falling part as in Loshchilov and Hutter, "SGDR", ICLR 2017.

    Examples
    --------
    >>> [round(one_cycle(OneCycle(rise=0.2), done), 3) for done in (0, 0.1, 0.2, 0.6, 1)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if done < rule.rise:
        return done / rule.rise
    return 0.5 * (1 + math.cos(math.pi * (done - rule.rise) / (1 - rule.rise)))
