"""The running mean of a network's weights over the batches."""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn


class WeightAverage:
    """A running mean of weights and batch statistics; over few batches it is a plain mean.

    PyTorch's ``AveragedModel`` takes one weight at a time and asks the device each time how many
    batches there were, which on a GPU costs more than the batch.

    Parameters
    ----------
    network
        In training; the mean starts as its copy.
    share
        Of the mean that each batch keeps, in [0, 1).

    References
    ----------
    Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", UAI 2018.

    Examples
    --------
    >>> layer = nn.Linear(1, 1, bias=False)
    >>> average = WeightAverage(layer, share=0.9)
    >>> for weight in (1.0, 2.0, 6.0):
    ...     _ = nn.init.constant_(layer.weight, weight)
    ...     average.update(layer)
    >>> round(average.network.weight.item(), 4)
    3.0
    """

    def __init__(self, network: nn.Module, share: float) -> None:
        self.network = deepcopy(network)
        self._share = share
        self._batches = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take the weights after a batch in."""
        kept = min(self._share, self._batches / (self._batches + 1))
        pairs = list(zip(_tensors(self.network), _tensors(network), strict=True))
        averaged = [pair for pair in pairs if pair[0].is_floating_point()]
        means, news = ([pair[side] for pair in averaged] for side in (0, 1))
        torch._foreach_lerp_(means, news, 1 - kept)
        for mean, new in pairs:
            if not mean.is_floating_point():  # an index or a count, not a weight
                mean.copy_(new)
        self._batches += 1

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs."""
        return {"network": self.network.state_dict(), "batches": self._batches}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to where `state_dict` was called."""
        self.network.load_state_dict(state["network"])
        self._batches = state["batches"]


def _tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
