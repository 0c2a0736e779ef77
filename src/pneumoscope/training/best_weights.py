"""Best weights: a copy of a network's weights after the epoch of the lowest validation loss."""

import math
from copy import deepcopy
from typing import Any

from torch import nn


class BestWeights:
    """Copy of a network after the epoch of the lowest validation loss; of equal ones the first.

    Examples
    --------
    >>> import torch
    >>> layer = nn.Linear(1, 1, bias=False)
    >>> best = BestWeights(layer)
    >>> for weight, val_loss in ((1.0, 0.5), (2.0, 0.3), (3.0, 0.4)):
    ...     _ = nn.init.constant_(layer.weight, weight)
    ...     best.update(layer, val_loss)
    >>> best.network.weight.item()
    2.0
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = deepcopy(network)
        self._val_loss = math.inf

    def update(self, network: nn.Module, val_loss: float) -> None:
        """Copy the weights and batch statistics after an epoch if its loss is the lowest so far."""
        if val_loss < self._val_loss:
            self._val_loss = val_loss
            self.network.load_state_dict(network.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """Return the state for `load_state_dict`."""
        return {"network": self.network.state_dict(), "val_loss": self._val_loss}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of `state_dict`."""
        self.network.load_state_dict(state["network"])
        self._val_loss = state["val_loss"]
