"""Depthwise convolution whose gradients are computed fast on a processor."""

from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

_BLOCK = 3
"""Side of the kernels whose gradients oneDNN computes fast."""


def depthwise_conv(features: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """Convolve each channel with a kernel of its own.

    On a processor, and in bfloat16 above all, oneDNN has no fast gradients for strides above 1 and
    for kernels larger than 3 x 3. Here they are computed by convolutions of stride 1 and gradients
    of 3 x 3 kernels, so that a training step of an EfficientNet-Lite takes half as long.

    Parameters
    ----------
    features
        Shape (n, channels, height, width).
    weight
        Kernels, shape (channels, 1, size, size), at least 3 x 3.
    stride
        Stride in both directions.
    padding
        Number of zeros on each side.

    Examples
    --------
    >>> depthwise_conv(torch.rand(1, 4, 8, 8), torch.rand(4, 1, 3, 3), 2, 1).shape
    torch.Size([1, 4, 4, 4])
    """
    if features.device.type == "cpu" and weight.requires_grad:
        result: Tensor = _DepthwiseConv.apply(features, weight, stride, padding)  # type: ignore[no-untyped-call]
        return result
    return _convolve(features, weight, stride, (padding, padding))


class _DepthwiseConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        kernel = weight.to(features.dtype)
        ctx.save_for_backward(features, kernel)
        ctx.stride, ctx.padding = stride, padding
        return _convolve(features, kernel, stride, (padding, padding))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        features, kernel = ctx.saved_tensors
        to_features = None
        if ctx.needs_input_grad[0]:
            to_features = _feature_gradient(gradient, kernel, features, ctx.stride, ctx.padding)
        to_weight = _weight_gradient(gradient, kernel, features, ctx.stride, ctx.padding)
        return to_features, to_weight, None, None


def _convolve(features: Tensor, kernel: Tensor, stride: int, padding: tuple[int, int]) -> Tensor:
    return functional.conv2d(features, kernel, None, stride, padding, 1, len(kernel))


def _feature_gradient(
    gradient: Tensor, kernel: Tensor, features: Tensor, stride: int, padding: int
) -> Tensor:
    """Return the gradient with respect to the features.

    Features whose padded row and column have the same remainders modulo the stride meet the same
    part of the kernel. Their gradient is a convolution of stride 1 with that part, mirrored.
    """
    result = torch.zeros_like(features)
    for remainders in product(range(stride), repeat=2):
        row, column = remainders
        part = kernel[:, :, row::stride, column::stride].flip(2, 3)
        margins = part.shape[2] - 1, part.shape[3] - 1
        whole = _convolve(gradient, part, 1, margins)
        target, source = zip(
            *(
                _positions(side, padding, remainder, stride, available)
                for side, remainder, available in zip(
                    features.shape[2:], remainders, whole.shape[2:], strict=True
                )
            ),
            strict=True,
        )
        result[:, :, *target] = whole[:, :, *source]
    return result


def _positions(
    side: int, padding: int, remainder: int, stride: int, available: int
) -> tuple[slice, slice]:
    """Return which features have a remainder, and where their gradients are in the convolution."""
    start = -(-(padding - remainder) // stride)
    first = stride * start + remainder - padding
    count = min(len(range(first, side, stride)), available - start)
    return slice(first, first + stride * count, stride), slice(start, start + count)


def _weight_gradient(
    gradient: Tensor, kernel: Tensor, features: Tensor, stride: int, padding: int
) -> Tensor:
    """Return the gradient with respect to the kernels, put together of blocks of 3 x 3."""
    size = kernel.shape[2]
    if size == _BLOCK:
        return _block_gradient(gradient, kernel, features, stride, padding)
    padded = functional.pad(features, [padding] * 4)
    height, width = ((side - 1) * stride + _BLOCK for side in gradient.shape[2:])
    result = torch.empty_like(kernel)
    starts = [*range(0, size - _BLOCK, _BLOCK), size - _BLOCK]
    for row, column in product(starts, repeat=2):
        block = (..., slice(row, row + _BLOCK), slice(column, column + _BLOCK))
        seen = padded[:, :, row : row + height, column : column + width]
        result[block] = _block_gradient(
            gradient,
            kernel[block].contiguous(),
            seen.contiguous(memory_format=torch.channels_last),
            stride,
            padding=0,
        )
    return result


def _block_gradient(
    gradient: Tensor, kernel: Tensor, features: Tensor, stride: int, padding: int
) -> Tensor:
    result: Tensor = torch.ops.aten.convolution_backward(
        gradient,
        features,
        kernel,
        None,
        [stride] * 2,
        [padding] * 2,
        [1, 1],
        False,
        [0, 0],
        len(kernel),
        [False, True, False],
    )[1]
    return result
