"""Deployed network: from pixels to logit, heat map and feature vector."""

from collections import OrderedDict
from collections.abc import Sequence
from copy import deepcopy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from pneumoscope.models.compact import GlobalAveragePool
from pneumoscope.models.layers import (
    DenseToOne,
    FlattenChannelsLast,
    Float32BatchNorm2d,
    Float32Linear,
    GreyConv2d,
)
from pneumoscope.models.network import Network


class DeployedNetwork(nn.Module):
    """Trained network of PyTorch's own layers, with a heat map beside its logit (HiResCAM).

    The heat map is the gradient of the logit with respect to the last feature map, times that map,
    summed over channels. The gradient is computed by forward operations, so it can be part of an
    exported graph. Where every layer after the feature map is linear, as after global pooling, the
    heat map and the output's bias add up to the logit: the map states exactly what each place
    contributes. With ReLUs in between, the same holds for the network's local linear approximation.
    The network that it is made from is not changed.

    References
    ----------
    Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016 (class
    activation map). Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations
    of convolutional neural networks", arXiv:2011.08891.

    Examples
    --------
    >>> from pneumoscope.models import MODELS, build_network
    >>> deployed = DeployedNetwork(build_network(MODELS["compact"], 64, seed=0))
    >>> [tuple(output.shape) for output in deployed(torch.zeros(2, 64, 64, dtype=torch.uint8))]
    [(2,), (2, 4, 4), (2, 192)]
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        named = [
            *(network.backbone.named_children() if network.backbone is not None else ()),
            *network.head.named_children(),
        ]
        first = next(
            i for i, (_, layer) in enumerate(named) if isinstance(layer, _FEATURE_MAP_ENDS)
        )
        self.convolutional = _plain(named[:first])
        self.dense = _plain(named[first:])
        self.eval().requires_grad_(False)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits (n,), heat maps (n, rows, columns) and features (n, channels), all float32.

        The pixels are those of `Preparation.square`, uint8, shape (n, size, size). A feature is the
        mean of a channel of the last feature map.
        """
        maps = self.convolutional(pixels.unsqueeze(1).float() / 255)
        values = [maps]
        for layer in self.dense:
            values.append(layer(values[-1]))
        gradient = torch.ones_like(values[-1])
        for layer, (inputs, outputs) in reversed(
            list(zip(self.dense, pairwise(values), strict=True))
        ):
            gradient = _backpropagate(layer, gradient, inputs, outputs)
        return values[-1].squeeze(1), (gradient * maps).sum(1), maps.mean((2, 3))


class Ensemble(nn.Module):
    """Ensemble of deployed networks for images of one size: mean logits and maps, all features.

    Examples
    --------
    >>> from pneumoscope.models import MODELS, build_network
    >>> members = [DeployedNetwork(build_network(MODELS["compact"], 64, seed)) for seed in (0, 1)]
    >>> outputs = Ensemble(members)(torch.zeros(2, 64, 64, dtype=torch.uint8))
    >>> [tuple(output.shape) for output in outputs]
    [(2,), (2, 4, 4), (2, 384)]
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run the networks on prepared pixels; see `DeployedNetwork.forward`."""
        logits, maps, features = zip(*(member(pixels) for member in self.members), strict=True)
        finest = max(heatmap.shape[1:] for heatmap in maps)
        resized = torch.stack([_resize(heatmap, finest) for heatmap in maps])
        return torch.stack(logits).mean(0), resized.mean(0), torch.cat(features, 1)


def _resize(heatmaps: Tensor, shape: torch.Size) -> Tensor:
    """Resize heat maps, keeping their sums."""
    if heatmaps.shape[1:] == shape:
        return heatmaps
    finer = functional.interpolate(heatmaps[:, None], tuple(shape), mode="bilinear")[:, 0]
    share = heatmaps[0].numel() / finer[0].numel()
    deviation = finer - finer.mean((1, 2), keepdim=True)
    return (heatmaps.mean((1, 2), keepdim=True) + deviation) * share


_FEATURE_MAP_ENDS = (FlattenChannelsLast, GlobalAveragePool)


def _plain(named: list[tuple[str, nn.Module]]) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            (name, _plain_layer(layer))
            for name, layer in named
            if not isinstance(layer, nn.Dropout)
        )
    )


def _plain_layer(layer: nn.Module) -> nn.Module:
    """Return PyTorch's own layer with the same weights."""
    match layer:
        case nn.ReLU():
            return nn.ReLU()
        case GreyConv2d():
            size, padding = layer.kernel_size, layer.padding
            convolution = nn.Conv2d(1, layer.out_channels, size, padding=padding)  # type: ignore[arg-type]
            summed = layer.weight.sum(1, keepdim=True)
            convolution.load_state_dict({"weight": summed, "bias": layer.bias})
            return convolution
        case Float32Linear() | DenseToOne():
            dense = nn.Linear(layer.in_features, layer.out_features)
            dense.load_state_dict(layer.state_dict())
            return dense
        case Float32BatchNorm2d():
            norm = nn.BatchNorm2d(layer.num_features, layer.eps)
            norm.load_state_dict(layer.state_dict())
            return norm
    return deepcopy(layer)


def _backpropagate(layer: nn.Module, gradient: Tensor, inputs: Tensor, outputs: Tensor) -> Tensor:
    """Return the gradient with respect to a layer's input, in evaluation mode."""
    match layer:
        case nn.Linear():
            return gradient @ layer.weight
        case nn.ReLU():
            return gradient * (outputs > 0)
        case nn.BatchNorm1d():
            return (
                gradient * layer.weight * torch.rsqrt(layer.get_buffer("running_var") + layer.eps)
            )
        case FlattenChannelsLast():
            _, channels, height, width = inputs.shape
            return gradient.reshape(-1, height, width, channels).permute(0, 3, 1, 2)
        case GlobalAveragePool():
            _, _, height, width = inputs.shape
            return (gradient / (height * width))[:, :, None, None].expand_as(inputs)
    raise TypeError(f"{type(layer).__name__}: the gradient of this layer is not implemented")
