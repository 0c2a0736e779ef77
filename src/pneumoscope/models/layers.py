"""Layers with the defaults of Keras where they decide the result."""

from typing import Any

import torch
from torch import Tensor, nn


class GreyConv2d(nn.Conv2d):
    """A convolution over red, green and blue that sees a grey image as three equal channels.

    The sum of the kernel over its channels, applied once, gives the same output and the same
    gradients as the kernel applied to three copies, with a third of the work.

    Examples
    --------
    >>> layer = GreyConv2d(3, 16, 2)
    >>> layer.weight.shape, layer(torch.rand(4, 1, 8, 8)).shape
    (torch.Size([16, 3, 2, 2]), torch.Size([4, 16, 7, 7]))
    """

    def forward(self, images: Tensor) -> Tensor:
        """Return features (n, out, height, width) of grey images (n, 1, height, width)."""
        kernel = self.weight.sum(1, keepdim=True)
        features: Tensor = self._conv_forward(
            _channels_last(images), _channels_last(kernel), self.bias
        )
        return features


class FlattenChannelsLast(nn.Flatten):
    """Flatten in the order (row, column, channel), as Keras does; of channels-last data a view.

    Examples
    --------
    >>> FlattenChannelsLast()(torch.rand(2, 3, 4, 4)).shape
    torch.Size([2, 48])
    """

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, height * width * channels) of (n, channels, height, width)."""
        return features.permute(0, 2, 3, 1).flatten(1)


class Float32Linear(nn.Linear):
    """A dense layer that multiplies float32, whatever precision the features have.

    For networks that normalise its output: that enlarges what rounding to bfloat16 does to units
    that vary little, and in evaluation they say something else than in training.

    Examples
    --------
    >>> Float32Linear(8, 2)(torch.rand(4, 8).bfloat16()).dtype
    torch.float32
    """

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, out) of (n, features)."""
        with _without_autocast(features):
            return super().forward(features.to(self.weight.dtype))


class DenseToOne(nn.Linear):
    """A dense layer with one output, which is float32 whatever precision the features have.

    Logits rounded to bfloat16 would be equal where a network tells images apart by little. As
    products of a matrix and a vector it is also faster than PyTorch's general product, for which
    the single row of 355,216 weights in the notebook's first network is an unusual shape.

    Examples
    --------
    >>> DenseToOne(8, 1)(torch.rand(4, 8).bfloat16()).dtype
    torch.float32
    """

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, 1) of (n, features)."""
        result: Tensor = _DotProducts.apply(features, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return result


_IN_CACHE = 3 * 2**19
"""Numbers that are float32 at a time, 6 MB."""


class _DotProducts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(features, weight.to(features.dtype))
        # Few rows at a time: as float32 they are then still in the cache when they are multiplied.
        rows = max(1, _IN_CACHE // features.shape[1])
        with _without_autocast(features):
            parts = [
                torch.mv(part.to(weight.dtype), weight[0]) for part in torch.split(features, rows)
            ]
            return (torch.cat(parts) + bias).unsqueeze(1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features, weight = ctx.saved_tensors
        rounded = gradient.to(features.dtype)
        return rounded * weight, rounded.t() @ features, gradient.sum(0)


def _without_autocast(features: Tensor) -> torch.autocast:
    device = "cpu" if features.is_meta else features.device.type  # meta: shapes alone
    return torch.autocast(device, enabled=False)


def _channels_last(single: Tensor) -> Tensor:
    """Lay out a one-channel tensor channels last by name too: PyTorch cannot tell from its data."""
    *_, height, width = single.shape
    return single.contiguous().as_strided(single.shape, (height * width, 1, width, 1))


class Float32BatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation that computes in float32, whatever precision the features have.

    A normalisation takes away shift and scale of one before it, whose gradient is then zero. What
    rounding to bfloat16 leaves instead of zero is more than Adam's epsilon, and Adam makes full
    steps of it: the shifts walk about faster than the running means follow, and the network says
    something else in evaluation than in training.

    Examples
    --------
    >>> Float32BatchNorm2d(3)(torch.rand(2, 3, 4, 4).bfloat16()).dtype
    torch.float32
    """

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape."""
        return super().forward(features.to(self.weight.dtype))


def batch_norm_2d(channels: int, *, float32: bool = False) -> nn.BatchNorm2d:
    """Batch normalisation of images; Keras' momentum 0.99 is PyTorch's 0.01."""
    kind = Float32BatchNorm2d if float32 else nn.BatchNorm2d
    return kind(channels, eps=1e-3, momentum=0.01)


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
