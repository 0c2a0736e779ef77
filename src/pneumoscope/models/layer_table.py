"""A network as a table of its layers, as the notebook's ``summary()`` shows it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pneumoscope.models.network import Network, count_parameters


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer.

    Parameters
    ----------
    name, kind
        Of the layer.
    output_shape
        (channels, height, width) or (features,), for one image.
    parameters
        As Keras counts them, running statistics included.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int


def layer_table(network: Network, image_size: int) -> list[LayerRow]:
    """List the layers in order, a frozen backbone as one row; activations are left out.

    Parameters
    ----------
    network
        On any device, the ``meta`` device included (see `describe_network`).
    image_size
        Side of the square images.
    """
    device = next(network.head.parameters()).device
    value = torch.zeros(1, 1, image_size, image_size, device=device)
    rows = []
    network.eval()
    if network.backbone is not None:
        value = network.backbone(value)
        rows.append(_row("vgg16", "VGG16 (frozen)", network.backbone, value))
    for name, layer in network.head.named_children():
        value = layer(value)
        if not isinstance(layer, nn.ReLU):
            rows.append(_row(name, _kind(layer), layer, value))
    return rows


def _kind(layer: nn.Module) -> str:
    """Return PyTorch's name of a layer, ours being the same layers made faster."""
    for kind in type(layer).__mro__:
        if kind.__module__.startswith("torch.") and kind is not nn.Module:
            return kind.__name__
    return type(layer).__name__


def _row(name: str, kind: str, layer: nn.Module, output: Tensor) -> LayerRow:
    return LayerRow(name, kind, tuple(output.shape[1:]), count_parameters(layer).total)
