"""Costs of layers: by hand for a small network, by PyTorch's own counter for our models."""

from collections import OrderedDict

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.layer_costs import (
    Cost,
    EpochSize,
    LayerWork,
    layers_of,
    learning_cost,
    update_bytes,
)
from benchmarks.roofline import backbone_layers, head_layers
from pneumoscope.models import NOTEBOOK_MODELS, build_network
from pneumoscope.models.layers import FlattenChannelsLast, GreyConv2d
from pneumoscope.models.model_spec import IMAGE_SIZE
from pneumoscope.models.vgg16 import vgg16_layers


@pytest.fixture
def small() -> list[LayerWork]:
    layers = OrderedDict(
        conv=GreyConv2d(3, 4, 2),  # 1 x 5 x 5 to 4 x 4 x 4; 52 parameters
        relu=nn.ReLU(),
        pool=nn.MaxPool2d(2),  # to 4 x 2 x 2
        flatten=FlattenChannelsLast(),
        dense=nn.Linear(16, 2),  # 34 parameters
    )
    return layers_of(nn.Sequential(layers), torch.zeros(1, 1, 5, 5))


def test_a_small_network_by_hand(small: list[LayerWork]) -> None:
    conv, relu, pool, dense = small
    # 64 outputs of 2 x 2 products; nothing before the convolution learns.
    assert conv.forward(10, 2, 4) == Cost(10 * 2 * 64 * 4, (10 * (25 + 64) + 2 * 52) * 4)
    assert conv.backward(10, 2, 4) == Cost(10 * 2 * 64 * 4, 10 * (64 + 25) * 4 + 2 * 52 * 4)
    assert relu.forward(10, 2, 2) == Cost(0, 10 * (64 + 64) * 2)
    assert relu.backward(10, 2, 2) == Cost(0, 10 * (64 + 64 + 64) * 2)
    assert pool.backward(10, 2, 2) == Cost(0, 10 * (16 + 16 + 64) * 2)
    assert dense.forward(1, 1, 4) == Cost(2 * 16 * 2, (16 + 2 + 34) * 4)
    # The gradients of the kernel and of the input; the kernel is read again for the latter.
    assert dense.backward(1, 1, 2) == Cost(2 * 2 * 16 * 2, (2 + 16 + 16 + 34) * 2 + 34 * 4)


def test_an_epoch_is_training_and_validation(small: list[LayerWork]) -> None:
    epoch = EpochSize(train=65, validation=129)
    assert (epoch.images, epoch.steps) == (194, 3)
    dense = small[-1]
    assert learning_cost(dense, epoch, 4) == (
        dense.forward(65, 3, 4) + dense.backward(65, 3, 4) + dense.forward(129, 2, 4)
    )
    assert update_bytes(small, epoch) == 3 * (52 + 34) * (4 * 4 + 3 * 4)


@pytest.mark.parametrize("name", NOTEBOOK_MODELS)
def test_operations_are_those_that_pytorch_counts(name: str) -> None:
    spec, n = NOTEBOOK_MODELS[name], 2
    head = build_network(spec, IMAGE_SIZE, seed=0).head
    shape = spec.feature_shape(IMAGE_SIZE) or (1, IMAGE_SIZE, IMAGE_SIZE)
    with FlopCounterMode(display=False) as counter:
        head(torch.rand(n, *shape)).sum().backward()
    layers = head_layers(spec)
    ours = sum((layer.forward(n, 1, 4) + layer.backward(n, 1, 4)).operations for layer in layers)
    # The counter leaves out products with a vector: the output's forward, its input's gradient.
    vectors = 2 * n * layers[-1].operations
    assert counter.get_total_flops() == ours - vectors


def test_the_pass_does_what_pytorch_counts() -> None:
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        vgg16_layers()(torch.rand(1, 1, IMAGE_SIZE, IMAGE_SIZE))
    layers = backbone_layers()
    assert counter.get_total_flops() == sum(layer.forward(1, 1, 4).operations for layer in layers)
    assert {layer.backward(1, 1, 4) for layer in layers} == {Cost(0, 0)}
