"""Traced network: logit, heat map and features of any layers."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from pneumoscope.export.onnx_graph import export_graph
from pneumoscope.models import MODELS, Network, build_network
from pneumoscope.models.deployed import DeployedNetwork
from pneumoscope.models.traced_network import trace_network
from pneumoscope.reader.reader import open_graph, run_graph
from pneumoscope.support.errors import RunError

PIXELS = torch.randint(0, 256, (4, 64, 64), generator=torch.Generator().manual_seed(0)).byte()


class Branched(nn.Module):
    """Residual branch, operations in place, a size of the input, and two dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, stride=4, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.norm = nn.BatchNorm1d(8)
        self.hidden, self.output = nn.Linear(8, 4), nn.Linear(4, 1)

    def maps(self, images: torch.Tensor) -> torch.Tensor:
        features = self.relu(self.first(images))
        return self.relu(features + self.relu(self.second(features)))

    def classify(self, maps: torch.Tensor) -> torch.Tensor:
        pooled = maps.amax((2, 3)).view(maps.size(0), -1)
        return self.output(functional.silu(self.relu(self.hidden(self.norm(pooled)))))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classify(self.maps(images))


class TwoScales(nn.Module):
    """Features of two resolutions, so that no single feature map has all information."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3, 2), nn.Conv2d(4, 4, 3, 2)
        self.output = nn.Linear(8, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        fine = self.first(images).relu()
        means = [maps.mean((2, 3)) for maps in (fine, self.second(fine).relu())]
        return self.output(torch.cat(means, 1))


class Choosing(nn.Linear):
    """Layer whose computation depends on the values of the image."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return super().forward(pixels if pixels.sum() > 0 else -pixels)


@pytest.fixture(scope="module")
def branched() -> Branched:
    torch.manual_seed(1)
    network = Branched()
    network(torch.rand(16, 1, 64, 64))  # gives the normalisation statistics other than 0 and 1
    return network.eval()


def test_it_agrees_with_the_deployed_network_of_the_catalogue() -> None:
    network = build_network(MODELS["model_2"], 64, seed=0).eval()
    outputs = zip(trace_network(network, 64)(PIXELS), DeployedNetwork(network)(PIXELS), strict=True)
    for traced, deployed in outputs:
        torch.testing.assert_close(traced, deployed, rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def traced(branched: Branched) -> nn.Module:
    return trace_network(Network(nn.Sequential(branched)), 64)


def test_the_heat_map_is_autograd_s_gradient_times_the_features(
    branched: Branched, traced: nn.Module
) -> None:
    logits, heatmaps, features = traced(PIXELS)
    images = PIXELS.unsqueeze(1) / 255
    torch.testing.assert_close(logits, branched(images).squeeze(1))
    maps = branched.maps(images).detach().requires_grad_()
    branched.classify(maps).sum().backward()
    torch.testing.assert_close(heatmaps, (maps * maps.grad).sum(1).detach())
    torch.testing.assert_close(features, maps.mean((2, 3)).detach())
    assert all(parameter.requires_grad for parameter in branched.parameters())


def test_its_graph_gives_the_same_for_any_number_of_images(traced: nn.Module) -> None:
    session = open_graph(export_graph(traced, 64), 1)
    for n in (1, 4):
        output = run_graph(session, PIXELS[:n].numpy())
        values = (output.logits, output.heatmaps, output.features)
        for value, expected in zip(values, traced(PIXELS[:n]), strict=True):
            np.testing.assert_allclose(value, expected.detach(), atol=1e-6)


def test_what_cannot_be_exported_is_named() -> None:
    choosing = nn.Sequential(nn.Flatten(), Choosing(64 * 64, 1))
    with pytest.raises(RunError, match="must not depend on the values of the images"):
        trace_network(Network(choosing), 64)
    with pytest.raises(RunError, match="needs a last feature map that everything passes through"):
        export_graph(trace_network(Network(nn.Sequential(TwoScales())), 64), 64)
