"""Features of a frozen ImageNet network, and the linear probe that is fitted on them."""

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from pneumoscope.models import computing_in, fastest_precision, find_model, place, select_device
from pneumoscope.models.catalogue import build_network
from pneumoscope.support.terminal import track
from pneumoscope.training.examples import Examples

_INVERSE_REGULARISATION = 0.01
_BATCH_SIZE = 32
_POOLED_BLOCKS = (4, 10)
"""Blocks of an EfficientNet-Lite whose output is pooled besides the last layer's: strides 8, 16."""


class PooledFeatures(nn.Module):
    """Mean and standard deviation of three layers of an EfficientNet-Lite.

    Parameters
    ----------
    model
        Name of the network in the catalogue.
    weights
        Its weights, as a recipe names them.
    """

    def __init__(self, model: str, weights: str) -> None:
        super().__init__()
        spec = find_model(model)
        network = build_network(spec, spec.image_size, seed=0)
        loaded = spec.load_weights(weights, seed=0)
        if loaded is not None:
            loaded.fill(network)
        self.features = network.head.get_submodule("features")
        self._maps: list[Tensor] = []
        blocks = self.features.get_submodule("_blocks")
        for number in _POOLED_BLOCKS:
            blocks.get_submodule(str(number)).register_forward_hook(self._keep)
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Return features (n, channels) of grey images (n, 1, height, width)."""
        self._maps = []
        self._maps.append(self.features(images))
        pooled = [
            statistic
            for features in self._maps
            for statistic in (features.float().mean((2, 3)), features.float().std((2, 3)))
        ]
        return torch.cat(pooled, 1)

    def compute(self, examples: Examples, name: str) -> NDArray[np.float32]:
        """Return the features of all examples, shape (n, features); the name is that of the bar."""
        device = select_device()
        network = place(self, device)
        starts = range(0, len(examples), _BATCH_SIZE)
        with torch.inference_mode(), computing_in(fastest_precision(), device):
            parts = [
                network(examples.batch(np.arange(i, min(i + _BATCH_SIZE, len(examples))), device))
                for i in track(starts, name, len(starts))
            ]
        return torch.cat(parts).cpu().numpy()

    def _keep(self, _: nn.Module, __: object, output: Tensor) -> None:
        self._maps.append(output)


def linear_probe() -> Pipeline:
    """Return a logistic regression of standardised features; its strength is fixed, not tuned."""
    return make_pipeline(
        StandardScaler(), LogisticRegression(C=_INVERSE_REGULARISATION, max_iter=500)
    )
