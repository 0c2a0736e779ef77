"""Prediction: a network's logits and probabilities for a split, in batches."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pneumoscope.models import Network, Precision, computing_in
from pneumoscope.training.examples import Examples, batches

PREDICTION_BATCH_SIZE = 128


def predict(network: Network, examples: Examples, precision: Precision) -> NDArray[np.float64]:
    """Return the probability of pneumonia for each example.

    Parameters
    ----------
    network
        Network on its device.
    examples
        Pixels, or features of the network's backbone.
    precision
        Precision that the network was trained in.

    Returns
    -------
    NDArray[np.float64]
        Probabilities, shape (n,), range [0, 1].
    """
    return predict_logits(network, examples, precision).sigmoid().numpy()


def predict_logits(network: Network, examples: Examples, precision: Precision) -> Tensor:
    """Return the logit of each example, float64, shape (n,), on the CPU; see `predict`."""
    return _logits(network, examples.batch, np.arange(len(examples)), precision)


def predict_pixels(
    network: Network, pixels: NDArray[np.uint8], rows: NDArray[np.intp], precision: Precision
) -> NDArray[np.float64]:
    """Return the probability of pneumonia for rows of prepared pixels (n, size, size)."""

    def batch(indices: NDArray[np.intp], device: torch.device) -> Tensor:
        return torch.from_numpy(pixels[indices]).to(device).unsqueeze(1) / 255

    return _logits(network, batch, rows, precision).sigmoid().numpy()


@torch.inference_mode()
def _logits(
    network: Network,
    batch: Callable[[NDArray[np.intp], torch.device], Tensor],
    rows: NDArray[np.intp],
    precision: Precision,
) -> Tensor:
    network.eval()
    device = next(network.parameters()).device
    with computing_in(precision, device):  # around all batches: weights are rounded once
        parts = [
            forward(network, batch(indices, device)).float()
            for indices in batches(rows, PREDICTION_BATCH_SIZE)
        ]
    # Apple's GPUs have no float64.
    return torch.cat(parts).cpu().double() if parts else torch.empty(0, dtype=torch.float64)


def forward(network: Network, inputs: Tensor) -> Tensor:
    """Return logits of grey images, by the whole network, or of features, by its head."""
    grey = inputs.shape[1] == 1
    logits: Tensor = network(inputs) if grey else network.classify(inputs)
    return logits
