"""Depthwise convolutions, compared with PyTorch's own."""

import itertools

import pytest
import torch
from torch.nn import functional

from pneumoscope.models.depthwise import depthwise_conv

CASES = list(itertools.product((3, 5, 7), (1, 2, 3), (0, 1, 2), (9, 12)))


@pytest.mark.parametrize(("size", "stride", "padding", "side"), CASES)
def test_outputs_and_gradients_are_those_of_pytorch(
    size: int, stride: int, padding: int, side: int
) -> None:
    draw = torch.Generator().manual_seed(0)
    features, weight = (
        torch.randn(shape, dtype=torch.float64, generator=draw, requires_grad=True)
        for shape in ((2, 4, side, side + 1), (4, 1, size, size))
    )
    expected = functional.conv2d(features, weight, None, stride, padding, 1, 4)
    result = depthwise_conv(features, weight, stride, padding)
    torch.testing.assert_close(result, expected)
    upstream = torch.randn(expected.shape, dtype=torch.float64, generator=draw)
    for ours, theirs in zip(
        torch.autograd.grad(result, (features, weight), upstream),
        torch.autograd.grad(expected, (features, weight), upstream),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


def test_the_gradient_of_bfloat16_is_that_of_float32_rounded() -> None:
    draw = torch.Generator().manual_seed(0)
    features = torch.randn(4, 32, 12, 12, generator=draw, requires_grad=True)
    weight = torch.randn(32, 1, 5, 5, generator=draw, requires_grad=True)
    exact = torch.autograd.grad(depthwise_conv(features, weight, 2, 2).square().sum(), weight)[0]
    with torch.autocast("cpu", torch.bfloat16):
        rounded = depthwise_conv(features.bfloat16(), weight, 2, 2)
    gradient = torch.autograd.grad(rounded.float().square().sum(), weight)[0]
    assert rounded.dtype == torch.bfloat16
    assert gradient.dtype == torch.float32
    assert (gradient - exact).norm() < 0.01 * exact.norm()
