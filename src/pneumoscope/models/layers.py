"""Layers with the defaults of Keras where they decide the result."""

import torch
from torch import nn


def batch_norm_2d(channels: int) -> nn.BatchNorm2d:
    """Batch normalisation of images; Keras' momentum 0.99 is PyTorch's 0.01."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def batch_norm_1d(features: int) -> nn.BatchNorm1d:
    """Batch normalisation of vectors; Keras' momentum 0.99 is PyTorch's 0.01."""
    return nn.BatchNorm1d(features, eps=1e-3, momentum=0.01)


def initialise(module: nn.Module, seed: int) -> None:
    """Draw kernels Glorot-uniform and set biases to zero, as Keras does.

    Parameters
    ----------
    module
        Whose convolutions and dense layers are set, in place.
    seed
        Of the draw.

    References
    ----------
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010.

    Examples
    --------
    >>> layer = nn.Linear(3, 3)
    >>> initialise(layer, seed=0)
    >>> bool((layer.weight.abs() <= 1).all()), layer.bias.tolist()
    (True, [0.0, 0.0, 0.0])
    """
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
