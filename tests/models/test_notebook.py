"""The seven networks, compared with the notebook's printed summaries."""

import pytest
import torch
from torch import nn

from pneumoscope.models import (
    MODELS,
    Network,
    build_network,
    count_parameters,
    describe_network,
    find_model,
)
from pneumoscope.models.layer_table import layer_table
from pneumoscope.support.errors import RecipeError

# Total, trainable and non-trainable parameters, as printed by the notebook's model.summary().
PUBLISHED = {
    "model_1": (355_425, 355_425, 0),
    "model_2": (42_553_025, 42_553_025, 0),
    "model_3": (9_598_913, 9_597_697, 1_216),
    "model_4": (6_948_033, 6_945_537, 2_496),
    "model_5": (18_910_017, 4_195_329, 14_714_688),
    "model_6": (16_847_169, 2_131_457, 14_715_712),
    "model_7": (19_075_905, 4_360_193, 14_715_712),
}

# The column "Param #" of the notebook's summaries, layer by layer.
PUBLISHED_LAYERS = {
    "model_1": [208, 0, 355_217],
    "model_2": [896, 0, 18_496, 0, 0, 42_467_840, 65_664, 0, 129],
    "model_3": [
        *(896, 128, 0, 18_496, 256, 0, 73_856, 512, 0, 512, 0),
        *(9_470_208, 0, 1_024, 32_896, 0, 129),
    ],
    "model_4": [
        *(896, 128, 0, 18_496, 256, 0, 73_856, 512, 0, 295_168, 1_024, 0, 0),
        *(6_423_040, 2_048, 0, 131_328, 1_024, 0, 257),
    ],
    "model_5": [14_714_688, 0, 4_194_816, 0, 513],
    "model_6": [14_714_688, 2_048, 0, 2_097_408, 0, 32_896, 0, 129],
    "model_7": [14_714_688, 2_048, 0, 4_194_816, 0, 131_328, 0, 32_896, 0, 129],
}

# Layers without parameters, in order: activation, dropout with its rate.
RELU, HALF = ("ReLU", None), ("Dropout", 0.5)
PUBLISHED_BETWEEN = {
    "model_1": [RELU],
    "model_2": [RELU, RELU, RELU, RELU, HALF],
    "model_3": [RELU, RELU, RELU, RELU, ("Dropout", 0.2), RELU, ("Dropout", 0.25)],
    "model_4": [RELU, RELU, RELU, RELU, RELU, HALF, RELU, HALF],
    "model_5": [RELU, HALF],
    "model_6": [RELU, HALF, RELU, HALF],
    "model_7": [RELU, HALF, RELU, HALF, RELU, HALF],
}

# The last output shape before flattening, channels first.
PUBLISHED_SHAPES = {
    "model_1": (16, 149, 149),
    "model_2": (64, 36, 36),
    "model_3": (128, 17, 17),
    "model_4": (256, 7, 7),
    "model_5": (512, 4, 4),
    "model_6": (512, 4, 4),
    "model_7": (512, 4, 4),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_those_of_the_notebook(name: str) -> None:
    count = count_parameters(describe_network(MODELS[name]))
    assert (count.total, count.trainable, count.non_trainable) == PUBLISHED[name]


@pytest.mark.parametrize("name", PUBLISHED_LAYERS)
def test_layers_are_those_of_the_notebook(name: str) -> None:
    rows = layer_table(describe_network(MODELS[name]), image_size=150)
    assert [row.parameters for row in rows] == PUBLISHED_LAYERS[name]
    flatten = next(index for index, row in enumerate(rows) if row.kind == "Flatten")
    assert rows[flatten - 1].output_shape == PUBLISHED_SHAPES[name]


@pytest.mark.parametrize("name", PUBLISHED_BETWEEN)
def test_activations_and_dropout_are_those_of_the_notebook(name: str) -> None:
    between = [
        (type(layer).__name__, getattr(layer, "p", None))
        for layer in describe_network(MODELS[name]).head
        if isinstance(layer, nn.ReLU | nn.Dropout)
    ]
    assert between == PUBLISHED_BETWEEN[name]


@pytest.mark.parametrize("name", ["model_3", "model_4"])
def test_normalisation_follows_the_activation_as_in_the_notebook(name: str) -> None:
    names = list(dict(describe_network(MODELS[name]).head.named_children()))
    assert names[:4] == ["conv_1", "conv_1_relu", "norm_1", "pool_1"]


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("size", [64, 97])
def test_every_network_takes_other_image_sizes(name: str, size: int) -> None:
    network = describe_network(MODELS[name], size).eval()
    assert network(torch.zeros(2, 1, size, size, device="meta")).shape == (2,)


def test_kernels_are_glorot_uniform_and_biases_zero() -> None:
    head = build_network(MODELS["model_2"], 64, seed=3).head
    for layer, fan_in, fan_out in (
        (head.conv_1, 9 * 3, 9 * 32),
        (head.conv_2, 9 * 32, 9 * 64),
        (head.dense_2, 512, 128),
    ):
        limit = (6 / (fan_in + fan_out)) ** 0.5
        assert layer.weight.abs().max() <= limit
        assert layer.weight.std().item() == pytest.approx(limit / 3**0.5, rel=0.05)
        assert not layer.bias.any()


def test_the_seed_decides_the_initial_weights() -> None:
    first, same, other = (build_network(MODELS["model_1"], 64, seed) for seed in (1, 1, 2))
    assert torch.equal(first.head.output.weight, same.head.output.weight)
    assert not torch.equal(first.head.output.weight, other.head.output.weight)


@pytest.mark.parametrize("name", ["model_3", "model_4", "model_6"])
def test_batch_normalisation_has_keras_defaults(name: str) -> None:
    norms = [
        layer
        for layer in describe_network(MODELS[name]).modules()
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)
    ]
    assert norms
    # Keras: moving = 0.99 * moving + 0.01 * batch; epsilon 1e-3.
    assert {(norm.momentum, norm.eps) for norm in norms} == {(0.01, 1e-3)}


def test_penalty_is_the_sum_of_squares_of_the_named_kernels() -> None:
    head = nn.Sequential()
    head.add_module("dense_1", nn.Linear(2, 2))
    head.add_module("output", nn.Linear(2, 1))
    head.dense_1.weight.data = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    head.dense_1.bias.data.fill_(100)
    assert Network(head, penalised=("dense_1",)).penalty().item() == 1 + 4 + 9 + 16


@pytest.mark.parametrize(
    ("name", "penalised"),
    [
        ("model_5", ("dense_1",)),
        ("model_6", ("dense_1", "dense_2")),
        ("model_7", ("dense_1", "dense_2", "dense_3", "output")),
    ],
)
def test_l2_is_on_the_layers_that_the_notebook_names(name: str, penalised: tuple[str]) -> None:
    assert MODELS[name].penalised == penalised


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(RecipeError, match=r"'model_9' is not a model.*model_1.*model_7"):
        find_model("model_9")


def test_the_backbone_stays_frozen_in_training_mode() -> None:
    backbone = nn.Sequential(nn.Dropout(0.5), nn.Conv2d(3, 4, 1))
    network = Network(nn.Sequential(nn.Flatten(), nn.Linear(4, 1)), backbone).train()
    assert network.head.training
    assert not backbone.training
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
