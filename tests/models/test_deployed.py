"""Deployed networks, compared with the networks themselves and automatic differentiation."""

import pytest
import torch
from torch import Tensor

from pneumoscope.models import MODELS, Network, build_network
from pneumoscope.models.deployed import DeployedNetwork, Ensemble

SIZE = 64


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    draw = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, SIZE, SIZE), dtype=torch.uint8, generator=draw)


def network(name: str, seed: int = 0) -> Network:
    """Build a network with random statistics in its normalisations."""
    built = build_network(MODELS[name], SIZE, seed)
    if (weights := MODELS[name].load_weights("none", seed)) is not None:
        weights.fill(built)
    draw = torch.Generator().manual_seed(seed)
    for layer in built.modules():
        if isinstance(layer, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1, generator=draw)
            layer.running_var.uniform_(0.5, 2, generator=draw)
            layer.weight.data.uniform_(0.5, 2, generator=draw)
    return built.eval()


@pytest.mark.parametrize("name", [name for name in MODELS if not MODELS[name].needs_structure])
def test_the_logit_is_the_network_s(name: str, pixels: Tensor) -> None:
    trained = network(name)
    logits, _, _ = DeployedNetwork(trained)(pixels)
    torch.testing.assert_close(logits, trained(pixels[:, None] / 255), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in MODELS if not MODELS[name].needs_structure])
def test_the_heat_map_is_gradient_times_feature_map(name: str, pixels: Tensor) -> None:
    deployed = DeployedNetwork(network(name))
    maps = deployed.convolutional(pixels[:, None] / 255).requires_grad_()
    (gradient,) = torch.autograd.grad(deployed.dense(maps).sum(), maps)
    assert gradient.abs().sum() > 0
    _, heatmaps, features = deployed(pixels)
    torch.testing.assert_close(heatmaps, (gradient * maps).sum(1), rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(features, maps.detach().flatten(2).mean(2))


def test_the_compact_network_s_heat_map_and_bias_sum_to_its_logit(pixels: Tensor) -> None:
    compact = network("compact")
    compact.head.output.bias.data.fill_(0.75)
    logits, heatmaps, _ = DeployedNetwork(compact)(pixels)
    torch.testing.assert_close(heatmaps.sum((1, 2)) + 0.75, logits)


def test_deploying_does_not_change_the_network() -> None:
    trained = network("model_4").train()
    DeployedNetwork(trained)
    assert trained.head.training
    assert all(parameter.requires_grad for parameter in trained.head.parameters())


def test_an_ensemble_averages_logits_and_sums_of_heat_maps(pixels: Tensor) -> None:
    members = [DeployedNetwork(network("compact", 0)), DeployedNetwork(network("model_4", 1))]
    outputs = [member(pixels) for member in members]
    logits, heatmaps, features = Ensemble(members)(pixels)
    torch.testing.assert_close(logits, (outputs[0][0] + outputs[1][0]) / 2)
    sums = [heatmap.sum((1, 2)) for _, heatmap, _ in outputs]
    torch.testing.assert_close(heatmaps.sum((1, 2)), (sums[0] + sums[1]) / 2)
    assert outputs[0][1].shape[1:] == (4, 4) != outputs[1][1].shape[1:] == (2, 2)
    assert heatmaps.shape == (3, 4, 4)
    assert features.shape == (3, 192 + 256)
