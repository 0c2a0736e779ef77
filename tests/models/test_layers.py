"""Fast layers, compared with PyTorch's own."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pneumoscope.models import MODELS, build_network
from pneumoscope.models.layers import (
    DenseToOne,
    FlattenChannelsLast,
    Float32BatchNorm2d,
    Float32Linear,
    GreyConv2d,
)


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
    """Otherwise the following layers would be slow."""
    features = GreyConv2d(3, 5, 3)(torch.rand(2, 1, 8, 8))
    assert features.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("precision", [torch.float64, torch.bfloat16])
def test_a_dense_layer_to_one_is_a_dense_layer(precision: torch.dtype) -> None:
    torch.manual_seed(0)
    fast, plain = DenseToOne(30, 1), nn.Linear(30, 1).double()
    plain.load_state_dict(fast.state_dict())
    if precision is torch.float64:
        fast = fast.double()
    features = torch.rand(4, 30).to(precision)

    def learn(layer: nn.Linear, inputs: Tensor) -> list[Tensor]:
        inputs = inputs.clone().requires_grad_()
        output = layer(inputs)
        output.square().sum().backward()
        return [output, inputs.grad, layer.weight.grad, layer.bias.grad]

    found, expected = learn(fast, features), learn(plain, features.double())
    assert [value.dtype for value in found[2:]] == [fast.weight.dtype] * 2
    torch.testing.assert_close(found[0].double(), expected[0])
    tolerance = 1e-9 if precision is torch.float64 else 0.02  # gradients of bfloat16 are rounded
    for ours, theirs in zip(found[1:], expected[1:], strict=True):
        torch.testing.assert_close(ours.double(), theirs, rtol=tolerance, atol=tolerance)


def test_slightly_different_logits_stay_different() -> None:
    """In bfloat16 the numbers next to 1 are 0.996 and 1.008."""
    layer = DenseToOne(2, 1)
    layer.weight.data = torch.tensor([[1.0, 1e-4]])
    layer.bias.data.zero_()
    with torch.autocast("cpu", torch.bfloat16):
        one, other = layer(torch.tensor([[1.0, 1.0], [1.0, 2.0]]).bfloat16())
    assert (other - one).item() == pytest.approx(1e-4, rel=0.01)


def test_a_float32_dense_layer_is_one_in_bfloat16_too() -> None:
    torch.manual_seed(0)
    layer, features = Float32Linear(300, 5), torch.rand(4, 300).bfloat16()
    expected = nn.functional.linear(features.float(), layer.weight, layer.bias)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer(features), expected)


def test_a_shift_before_a_normalisation_has_no_gradient_in_bfloat16() -> None:
    """It is zero; Adam would make full steps of rounding errors."""
    head = build_network(MODELS["model_3"], 64, seed=0).head
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        head(torch.rand(32, 1, 64, 64)).square().mean().backward()
    first, second = (norm.bias.grad.square().mean().sqrt() for norm in (head.norm_3, head.norm_4))
    assert first < 1e-4 * second


@pytest.mark.parametrize("name", [name for name in MODELS if not MODELS[name].needs_structure])
def test_inputs_of_normalisations_are_float32(name: str) -> None:
    """Except those of convolutions."""
    layers = [
        layer
        for layer in build_network(MODELS[name], 64, seed=0).head
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.BatchNorm1d | nn.BatchNorm2d)
    ]
    for layer, following in itertools.pairwise(layers):
        if isinstance(following, nn.BatchNorm1d | nn.BatchNorm2d):
            assert isinstance(layer, nn.Conv2d | Float32Linear | Float32BatchNorm2d)


def test_flattening_has_the_order_of_keras() -> None:
    values = np.random.default_rng(0).normal(size=(2, 4, 5, 3))  # Keras: row, column, channel
    ours = FlattenChannelsLast()(torch.from_numpy(values).permute(0, 3, 1, 2))
    assert np.array_equal(ours.numpy(), values.reshape(2, -1))


def test_flattening_channels_last_data_copies_nothing() -> None:
    features = torch.rand(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    assert FlattenChannelsLast()(features).data_ptr() == features.data_ptr()


def test_three_channels_are_refused() -> None:
    """Their result would be wrong."""
    with pytest.raises(RuntimeError, match="channels"):
        GreyConv2d(3, 5, 3)(torch.rand(2, 3, 8, 8))
