"""Layers with the defaults of Keras where they affect the result."""

from typing import Any

import torch
from torch import Tensor, nn


class GreyConv2d(nn.Conv2d):
    """Convolution over three channels of a grey image, which are equal.

    The kernel's sum over its channels is applied once. The output and the gradients are those of
    the kernel on three copies of the image, for a third of the work.

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
    """Flattening in the order (row, column, channel) of Keras; a view of channels-last data.

    Examples
    --------
    >>> FlattenChannelsLast()(torch.rand(2, 3, 4, 4)).shape
    torch.Size([2, 48])
    """

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, height * width * channels) of (n, channels, height, width)."""
        return features.permute(0, 2, 3, 1).flatten(1)


class Float32Linear(nn.Linear):
    """Dense layer in float32, whichever precision the features have.

    A normalisation of its output would amplify the rounding errors of bfloat16 in units that vary
    little, and their outputs in evaluation would differ from those in training.

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
    """Dense layer with one output, in float32, whichever precision the features have.

    Rounded to bfloat16, logits that differ slightly would be equal. As matrix-vector products it is
    also faster than PyTorch's general product, for which a single row of 355,216 weights, as in the
    notebook's first network, is an unusual shape.

    Examples
    --------
    >>> DenseToOne(8, 1)(torch.rand(4, 8).bfloat16()).dtype
    torch.float32
    """

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, 1) of (n, features)."""
        result: Tensor = _DotProducts.apply(features, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return result


_MAX_CACHED_VALUES = 3 * 2**19
"""Number of values that are converted to float32 at a time, 6 MB."""


class _DotProducts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(features, weight.to(features.dtype))
        # Few rows at a time stay in the processor's cache between conversion and product.
        rows = max(1, _MAX_CACHED_VALUES // features.shape[1])
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
    device = "cpu" if features.is_meta else features.device.type
    return torch.autocast(device, enabled=False)


def _channels_last(single: Tensor) -> Tensor:
    """Mark a one-channel tensor as channels last, which PyTorch cannot tell from its strides."""
    *_, height, width = single.shape
    return single.contiguous().as_strided(single.shape, (height * width, 1, width, 1))


class Float32BatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation in float32, whichever precision the features have.

    A normalisation cancels shift and scale of a normalisation before it, whose gradient is
    therefore zero. In bfloat16 the rounding errors instead of zero exceed Adam's epsilon, and Adam
    makes full steps of them: the shifts change faster than the running means follow, and the
    network's outputs in evaluation differ from those in training.

    Examples
    --------
    >>> Float32BatchNorm2d(3)(torch.rand(2, 3, 4, 4).bfloat16()).dtype
    torch.float32
    """

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape."""
        return super().forward(features.to(self.weight.dtype))


def batch_norm_2d(channels: int, *, float32: bool = False) -> nn.BatchNorm2d:
    """Build batch normalisation of images; Keras' momentum 0.99 is PyTorch's 0.01."""
    kind = Float32BatchNorm2d if float32 else nn.BatchNorm2d
    return kind(channels, eps=1e-3, momentum=0.01)


def batch_norm_1d(features: int) -> nn.BatchNorm1d:
    """Build batch normalisation of vectors; Keras' momentum 0.99 is PyTorch's 0.01."""
    return nn.BatchNorm1d(features, eps=1e-3, momentum=0.01)


def initialise(module: nn.Module, seed: int) -> None:
    """Draw kernels from Glorot's uniform distribution, and zero biases, in place, as Keras does.

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
