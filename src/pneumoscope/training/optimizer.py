"""Optimizer: AdamW with a parameter group for each combination of learning rate and decay."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pneumoscope.models import Network
from pneumoscope.training.recipe import Recipe


class GroupedAdamW(torch.optim.AdamW):
    """AdamW on a network's parameters, grouped by learning rate and weight decay.

    Kernels decay, and shifts, scales and biases do not. Pretrained layers have the recipe's share
    of the learning rate.
    """

    def __init__(self, network: Network, recipe: Recipe, extra: Sequence[nn.Module] = ()) -> None:
        new = [parameter for layer in (*network.fresh, *extra) for parameter in layer.parameters()]
        known = {id(parameter) for parameter in new}
        pretrained = [
            parameter for parameter in network.head.parameters() if id(parameter) not in known
        ]
        device = next(network.head.parameters()).device
        on_gpu = device.type == "cuda"
        groups: list[dict[str, object]] = []
        shares: list[float] = []
        for parameters, share in ((new, 1.0), (pretrained, recipe.pretrained_rate)):
            for kernels in (True, False) if parameters else ():
                # A CUDA graph reads the learning rate from a tensor, one for each group.
                rate = recipe.learning_rate
                shares.append(share)
                groups.append(
                    {
                        "params": [value for value in parameters if (value.ndim > 1) is kernels],
                        "weight_decay": recipe.weight_decay if kernels else 0.0,
                        "lr": torch.tensor(rate, device=device) if on_gpu else rate,
                    }
                )
        super().__init__(groups, eps=recipe.adam_epsilon, fused=True, capturable=on_gpu)
        self._shares = shares

    @property
    def learning_rate(self) -> float:
        """Learning rate of the layers without pretrained weights."""
        return float(self.param_groups[0]["lr"])

    @learning_rate.setter
    def learning_rate(self, learning_rate: float) -> None:
        for group, share in zip(self.param_groups, self._shares, strict=True):
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(learning_rate * share)
            else:
                group["lr"] = learning_rate * share

    def minimise(self, loss: Tensor) -> None:
        """Do a step along the gradient of a loss."""
        self.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.step()
