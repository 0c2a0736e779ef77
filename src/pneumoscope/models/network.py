"""Network: an optional frozen backbone and a head that is trained."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn


class Network(nn.Module):
    """Binary classifier of an optional frozen backbone and a trained head.

    Parameters
    ----------
    head
        Layers that are trained; the last one gives one logit.
    backbone
        Frozen layers before the head, or None.
    penalised
        Names of the head's layers whose kernels carry the L2 penalty.
    pretrained
        Name of the head's layer with pretrained weights, or None.
    """

    def __init__(
        self,
        head: nn.Sequential,
        backbone: nn.Sequential | None = None,
        penalised: Sequence[str] = (),
        pretrained: str | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.penalised = tuple(penalised)
        self.pretrained = pretrained
        if backbone is not None:
            backbone.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits, shape (n,), for grey images (n, 1, height, width) in [0, 1]."""
        return self.classify(images if self.backbone is None else self.backbone(images))

    def classify(self, features: Tensor) -> Tensor:
        """Return logits, shape (n,), for the backbone's output (for images where there is none)."""
        logits: Tensor = self.head(features)
        return logits.squeeze(1)

    def penalty(self) -> Tensor:
        """Return the sum of squares of the penalised kernels, as Keras' ``l2(1.0)`` does."""
        kernels = [getattr(self.head, name).weight for name in self.penalised]
        return torch.stack([kernel.square().sum() for kernel in kernels]).sum()

    @property
    def fresh(self) -> list[nn.Module]:
        """Parts of the head without pretrained weights."""
        if self.pretrained is None:
            return [self.head]
        return [layer for name, layer in self.head.named_children() if name != self.pretrained]

    @property
    def pretrained_layers(self) -> nn.Module:
        """Layers with pretrained weights: the backbone, or those of the head."""
        if self.backbone is not None:
            return self.backbone
        assert self.pretrained is not None
        return self.head.get_submodule(self.pretrained)

    def freeze(self, frozen: bool) -> None:
        """Freeze the head's pretrained layers, or unfreeze them."""
        if self.pretrained is not None:
            self.head.get_submodule(self.pretrained).train(not frozen).requires_grad_(not frozen)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the head; the backbone stays in evaluation mode."""
        super().train(mode)
        if self.backbone is not None:
            self.backbone.eval()
        return self


@dataclass(frozen=True, slots=True)
class Parameters:
    """Numbers of parameters of a network.

    Parameters
    ----------
    total
        Number of weights, biases and running statistics of batch normalisation, as Keras counts.
    trainable
        Number of those that are trained.
    """

    total: int
    trainable: int

    @property
    def non_trainable(self) -> int:
        """Number of frozen weights and running statistics."""
        return self.total - self.trainable


def count_parameters(module: nn.Module) -> Parameters:
    """Count parameters as Keras does: running means and variances count as not trainable.

    Examples
    --------
    >>> count_parameters(nn.BatchNorm2d(64))
    Parameters(total=256, trainable=128)
    """
    statistics = [
        statistic
        for layer in module.modules()
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)
        for statistic in (layer.running_mean, layer.running_var)
        if statistic is not None
    ]
    parameters = list(module.parameters())
    trainable = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    return Parameters(sum(tensor.numel() for tensor in [*parameters, *statistics]), trainable)


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of the values of a state dict.

    Examples
    --------
    >>> weights_digest({"w": torch.ones(2)}) == weights_digest({"w": torch.zeros(2)})
    False
    """
    digest = hashlib.sha256()
    for value in state.values():
        digest.update(np.ascontiguousarray(value.cpu().numpy()).data)
    return digest.hexdigest()
