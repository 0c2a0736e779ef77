"""Table of a network's layers, as Keras' ``summary()`` shows it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pneumoscope.models.network import Network, count_parameters


@dataclass(frozen=True, slots=True)
class LayerRow:
    """Layer of a network; as in Keras, its parameters include running statistics.

    The output's shape is for one image: (channels, height, width) or (features,).
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int


def layer_table(network: Network, image_size: int) -> list[LayerRow]:
    """List the layers in order, without activations; a frozen backbone is one row.

    Parameters
    ----------
    network
        Network on any device, including the ``meta`` device (see `describe_network`).
    image_size
        Side of the square images, in pixels.

    Examples
    --------
    >>> from pneumoscope.models import MODELS, describe_network
    >>> rows = layer_table(describe_network(MODELS["model_1"]), image_size=150)
    >>> [(row.kind, row.output_shape, row.parameters) for row in rows]
    [('Conv2d', (16, 149, 149), 208), ('Flatten', (355216,), 0), ('Linear', (1,), 355217)]
    """
    device = next(network.head.parameters()).device
    value = torch.zeros(1, 1, image_size, image_size, device=device)
    rows = []
    network.eval()
    if network.backbone is not None:
        value = network.backbone(value)
        rows.append(_row("backbone", "frozen layers", network.backbone, value))
    for name, layer in network.head._modules.items():  # a layer may be there twice
        assert layer is not None
        with device:
            value = layer(value)
        if not isinstance(layer, nn.ReLU):
            rows.append(_row(name, _kind(layer), layer, value))
    return rows


def _kind(layer: nn.Module) -> str:
    """Return PyTorch's name of a layer; subclasses here are the same layers, made faster."""
    for kind in type(layer).__mro__:
        if kind.__module__.startswith("torch.") and kind is not nn.Module:
            return kind.__name__
    return type(layer).__name__


def _row(name: str, kind: str, layer: nn.Module, output: Tensor) -> LayerRow:
    return LayerRow(name, kind, tuple(output.shape[1:]), count_parameters(layer).total)
