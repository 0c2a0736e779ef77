"""Compact network."""

import pytest
import torch
from torch import nn

from pneumoscope.models import MODELS, build_network, count_parameters


@pytest.mark.parametrize("size", [64, 192, 225])
def test_it_takes_images_of_any_size_and_shrinks_them_by_sixteen(size: int) -> None:
    head = build_network(MODELS["compact"], size, seed=0).head.eval()
    features = nn.Sequential(*list(head)[:-2])(torch.rand(2, 1, size, size))
    assert features.shape == (2, 192, -(-size // 16), -(-size // 16))
    assert head(torch.rand(2, 1, size, size)).shape == (2, 1)


def test_parameters_are_those_counted_by_hand() -> None:
    def convolution(channels: int, out: int, side: int = 3) -> int:
        return channels * out * side * side + 2 * out  # no bias; scale and shift of the norm

    learned = (
        convolution(1, 32)
        + convolution(32, 48) + convolution(48, 48) + convolution(32, 48, 1)
        + convolution(48, 96) + convolution(96, 96) + convolution(48, 96, 1)
        + convolution(96, 192) + convolution(192, 192) + convolution(96, 192, 1)
        + convolution(192, 192) + convolution(192, 192)
        + 192 + 1
    )  # fmt: skip
    network = build_network(MODELS["compact"], 64, seed=0)
    assert count_parameters(network).trainable == learned


def test_a_block_adds_its_input_to_its_convolutions() -> None:
    block = build_network(MODELS["compact"], 64, seed=0).head.block_4.eval()
    features = torch.rand(1, 192, 4, 4)
    nn.init.zeros_(block.norm_2.weight)
    torch.testing.assert_close(block(features), features)
