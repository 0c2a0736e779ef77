"""Depthwise convolutions in bfloat16, compared with PyTorch's own."""

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
    """Sums of -1, 0 and 1, up to 256, are exact in bfloat16."""
    draw = torch.Generator().manual_seed(0)
    features, weight = (
        torch.randint(-1, 2, shape, generator=draw).double().requires_grad_()
        for shape in ((2, 16, side, side + 1), (16, 1, size, size))
    )
    expected = functional.conv2d(features, weight, None, stride, padding, 1, 16)
    with torch.autocast("cpu", torch.bfloat16):
        result = depthwise_conv(features.bfloat16(), weight, stride, padding)
    assert result.dtype is torch.bfloat16
    assert torch.equal(result.double(), expected)
    upstream = torch.randint(-1, 2, expected.shape, generator=draw).double()
    ours, theirs = (
        torch.autograd.grad(output, (features, weight), upstream.to(output.dtype))
        for output in (result, expected)
    )
    assert max(gradient.abs().max() for gradient in theirs) < 256
    assert all(map(torch.equal, ours, theirs))


def test_rounding_in_bfloat16_leaves_the_gradient_as_it_is() -> None:
    draw = torch.Generator().manual_seed(0)
    features = torch.randn(4, 32, 12, 12, generator=draw)
    weight = torch.randn(32, 1, 5, 5, generator=draw, requires_grad=True)
    exact = torch.autograd.grad(depthwise_conv(features, weight, 2, 2).square().sum(), weight)[0]
    with torch.autocast("cpu", torch.bfloat16):
        output = depthwise_conv(features.bfloat16(), weight, 2, 2)
    rounded = torch.autograd.grad(output.float().square().sum(), weight)[0]
    assert rounded.dtype is torch.float32
    assert (rounded - exact).norm() < 0.01 * exact.norm()
