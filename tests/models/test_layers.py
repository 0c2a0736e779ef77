"""Layers made fast: the same numbers as the plain ones."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pneumoscope.models.layers import DenseToOne, FlattenChannelsLast, GreyConv2d


@pytest.mark.parametrize("padding", [0, 1])
def test_a_grey_convolution_is_one_of_three_equal_channels(padding: int) -> None:
    torch.manual_seed(0)
    grey = torch.rand(3, 1, 9, 8, dtype=torch.float64)
    fast = GreyConv2d(3, 5, 3, padding=padding, dtype=torch.float64)
    plain = nn.Conv2d(3, 5, 3, padding=padding, dtype=torch.float64)
    plain.load_state_dict(fast.state_dict())

    def learn(layer: nn.Conv2d, images: Tensor) -> Tensor:
        features = layer(images)
        features.square().sum().backward()
        return features

    output, expected = learn(fast, grey), learn(plain, grey.expand(-1, 3, -1, -1))
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(fast.weight.grad, plain.weight.grad)
    torch.testing.assert_close(fast.bias.grad, plain.bias.grad)


def test_a_grey_convolution_gives_channels_last() -> None:
    """Else the layers after it take their slow way."""
    features = GreyConv2d(3, 5, 3)(torch.rand(2, 1, 8, 8))
    assert features.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("precision", [torch.float64, torch.bfloat16])
def test_a_dense_layer_to_one_is_a_dense_layer(precision: torch.dtype) -> None:
    torch.manual_seed(0)
    rough = precision is torch.bfloat16
    fast, plain = DenseToOne(30, 1), nn.Linear(30, 1)
    plain.load_state_dict(fast.state_dict())
    if not rough:
        fast, plain = fast.double(), plain.double()
    features = torch.rand(4, 30).to(precision)

    def learn(layer: nn.Linear) -> list[Tensor]:
        inputs = features.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=rough):
            output = layer(inputs)
        output.float().square().sum().backward()
        return [output.float(), inputs.grad, layer.weight.grad, layer.bias.grad]

    for found, expected in zip(learn(fast), learn(plain), strict=True):
        assert found.dtype is expected.dtype
        tolerance = {"rtol": 0.05, "atol": 0.05} if rough else {"rtol": 1e-5, "atol": 1e-6}
        torch.testing.assert_close(found, expected, **tolerance)


def test_flattening_has_the_order_of_keras() -> None:
    values = np.random.default_rng(0).normal(size=(2, 4, 5, 3))  # Keras: row, column, channel
    ours = FlattenChannelsLast()(torch.from_numpy(values).permute(0, 3, 1, 2))
    assert np.array_equal(ours.numpy(), values.reshape(2, -1))


def test_flattening_channels_last_data_copies_nothing() -> None:
    features = torch.rand(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    assert FlattenChannelsLast()(features).data_ptr() == features.data_ptr()


def test_one_grey_channel_is_what_it_takes() -> None:
    """Three channels would be convolved wrongly without a word."""
    with pytest.raises(RuntimeError, match="channels"):
        GreyConv2d(3, 5, 3)(torch.rand(2, 3, 8, 8))
