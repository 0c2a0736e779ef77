"""Weight averaging: exponential moving average of a network's weights over batches."""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential moving average of weights and batch statistics; of few batches a plain mean.

    PyTorch's ``AveragedModel`` updates one weight at a time and reads the number of batches from
    the device each time, which on a GPU takes longer than the batch. The average starts as a copy
    of the network, and each batch keeps a share of it, the decay in [0, 1).

    References
    ----------
    Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", UAI 2018.

    Examples
    --------
    >>> layer = nn.Linear(1, 1, bias=False)
    >>> average = WeightAverage(layer, decay=0.9)
    >>> for weight in (1.0, 2.0, 6.0):
    ...     _ = nn.init.constant_(layer.weight, weight)
    ...     average.update(layer)
    >>> round(average.network.weight.item(), 4)
    3.0
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = deepcopy(network)
        self._decay = decay
        self._batches = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Add the weights after a batch to the average."""
        decay = min(self._decay, self._batches / (self._batches + 1))
        pairs = list(zip(_tensors(self.network), _tensors(network), strict=True))
        averaged = [pair for pair in pairs if pair[0].is_floating_point()]
        averages, values = ([pair[side] for pair in averaged] for side in (0, 1))
        torch._foreach_lerp_(averages, values, 1 - decay)
        for average, value in pairs:
            if not average.is_floating_point():  # an index or a count, not a weight
                average.copy_(value)
        self._batches += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the state for `load_state_dict`."""
        return {"network": self.network.state_dict(), "batches": self._batches}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of `state_dict`."""
        self.network.load_state_dict(state["network"])
        self._batches = state["batches"]


def _tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
