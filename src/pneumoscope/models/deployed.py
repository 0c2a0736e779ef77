"""A network as it is deployed: pixels in; logit, heat map and feature vector out."""

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


class Deployed(nn.Module):
    """A finished network made of PyTorch's own layers, with a heat map beside its logit.

    The heat map is the gradient of the logit with respect to the last feature map, times that
    map, summed over channels. The gradient is computed by forward operations, so it can be part of
    an exported graph. Where every layer after the feature map is linear, as after global pooling,
    the sum of the heat map and the output's bias is the logit: the map says exactly how much each
    place adds. With ReLUs in between the same holds of the linear piece that the image lies on.

    Parameters
    ----------
    network
        With finished weights; it is not changed.

    References
    ----------
    Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016 (class
    activation map). Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations
    of convolutional neural networks", arXiv:2011.08891.

    Examples
    --------
    >>> from pneumoscope.models import MODELS, build_network
    >>> deployed = Deployed(build_network(MODELS["compact"], 64, seed=0))
    >>> [tuple(output.shape) for output in deployed(torch.zeros(2, 64, 64, dtype=torch.uint8))]
    [(2,), (2, 4, 4), (2, 192)]
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        named = [
            *(network.backbone.named_children() if network.backbone is not None else ()),
            *network.head.named_children(),
        ]
        first = next(i for i, (_, layer) in enumerate(named) if isinstance(layer, _ENDS_OF_MAPS))
        self.convolutional = _plain(named[:first])
        self.dense = _plain(named[first:])
        self.eval().requires_grad_(False)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Look at prepared pixels.

        Parameters
        ----------
        pixels
            uint8, shape (n, size, size); see `prepare_pixels`.

        Returns
        -------
        logits : Tensor
            float32, shape (n,); positive speaks for pneumonia.
        heatmaps : Tensor
            float32, shape (n, rows, columns): how much each place adds to the logit.
        features : Tensor
            float32, shape (n, channels): the mean of each channel of the last feature map.
        """
        maps = self.convolutional(pixels.unsqueeze(1).float() / 255)
        values = [maps]
        for layer in self.dense:
            values.append(layer(values[-1]))
        gradient = torch.ones_like(values[-1])
        for layer, (given, result) in reversed(
            list(zip(self.dense, pairwise(values), strict=True))
        ):
            gradient = _pull_back(layer, gradient, given, result)
        return values[-1].squeeze(1), (gradient * maps).sum(1), maps.mean((2, 3))


class Ensemble(nn.Module):
    """Several deployed networks as one: the mean of their logits and of their heat maps.

    Parameters
    ----------
    members
        That take images of one size. Their features stand side by side.

    Examples
    --------
    >>> from pneumoscope.models import MODELS, build_network
    >>> members = [Deployed(build_network(MODELS["compact"], 64, seed)) for seed in (0, 1)]
    >>> both = Ensemble(members)(torch.zeros(2, 64, 64, dtype=torch.uint8))
    >>> [tuple(output.shape) for output in both]
    [(2,), (2, 4, 4), (2, 384)]
    """

    def __init__(self, members: Sequence[Deployed]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Look at prepared pixels; see `Deployed.forward`."""
        logits, maps, features = zip(*(member(pixels) for member in self.members), strict=True)
        finest = max(one.shape[1:] for one in maps)
        together = torch.stack([_stretch(one, finest) for one in maps])
        return torch.stack(logits).mean(0), together.mean(0), torch.cat(features, 1)


def _stretch(heatmaps: Tensor, shape: torch.Size) -> Tensor:
    """Resize heat maps, keeping their sums."""
    if heatmaps.shape[1:] == shape:
        return heatmaps
    finer = functional.interpolate(heatmaps[:, None], tuple(shape), mode="bilinear")[:, 0]
    share = heatmaps[0].numel() / finer[0].numel()
    deviation = finer - finer.mean((1, 2), keepdim=True)
    return (heatmaps.mean((1, 2), keepdim=True) + deviation) * share


_ENDS_OF_MAPS = (FlattenChannelsLast, GlobalAveragePool)


def _plain(named: list[tuple[str, nn.Module]]) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict((name, _plain_layer(x)) for name, x in named if not isinstance(x, nn.Dropout))
    )


def _plain_layer(layer: nn.Module) -> nn.Module:
    """Return a layer that any version of PyTorch knows, with the same weights."""
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


def _pull_back(layer: nn.Module, gradient: Tensor, given: Tensor, result: Tensor) -> Tensor:
    """Return the gradient with respect to a layer's input, in evaluation mode."""
    match layer:
        case nn.Linear():
            return gradient @ layer.weight
        case nn.ReLU():
            return gradient * (result > 0)
        case nn.BatchNorm1d():
            return (
                gradient * layer.weight * torch.rsqrt(layer.get_buffer("running_var") + layer.eps)
            )
        case FlattenChannelsLast():
            _, channels, height, width = given.shape
            return gradient.reshape(-1, height, width, channels).permute(0, 3, 1, 2)
        case GlobalAveragePool():
            _, _, height, width = given.shape
            return (gradient / (height * width))[:, :, None, None].expand_as(given)
    raise TypeError(f"{type(layer).__name__}: no gradient is known for this layer")
