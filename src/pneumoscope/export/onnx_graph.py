"""A network as an ONNX graph, compared with PyTorch before anyone relies on it."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pneumoscope.reader.reader import NetworkOutput
from pneumoscope.support.errors import RunError

COMPARED = 200
"""Images on which the graph is compared with PyTorch."""

MOST_DIFFERENT = 1e-4
"""Largest difference in probability that is let pass."""

_BATCH = 50


def export_graph(network: nn.Module, size: int) -> bytes:
    """Return a deployed network as the bytes of an ONNX file that takes any number of images.

    Parameters
    ----------
    network
        A `Deployed` or an `Ensemble`.
    size
        Side of its images.
    """
    example = torch.zeros(2, size, size, dtype=torch.uint8)
    with _quiet():
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("n")},),
            input_names=["pixels"],
            output_names=["logit", "heatmap", "features"],
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    for node in model.graph.node:  # the exporter's stack traces name folders of this machine
        node.ClearField("metadata_props")
    graph: bytes = model.SerializeToString()
    return graph


@torch.inference_mode()
def require_agreement(network: nn.Module, pixels: NDArray[np.uint8], look: NetworkOutput) -> float:
    """Return the largest difference in probability between a graph and PyTorch.

    Parameters
    ----------
    network
        That was exported.
    pixels
        The first images that the graph has looked at, shape (n, size, size).
    look
        What the graph gave.

    Raises
    ------
    RunError
        If it is more than `MOST_DIFFERENT`.
    """
    parts = np.split(pixels, range(_BATCH, len(pixels), _BATCH))
    logits = torch.cat([network(torch.from_numpy(part))[0] for part in parts])
    theirs = torch.from_numpy(look.logits[: len(pixels)])
    difference = float((logits.sigmoid() - theirs.sigmoid()).abs().max())
    if not difference < MOST_DIFFERENT:
        raise RunError(
            f"the exported graph and PyTorch differ by {difference:.1e} in probability, more than "
            f"{MOST_DIFFERENT:.0e}; nothing was written. Report this with the versions of torch "
            "and onnxruntime that are installed"
        )
    return difference


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes about libraries that are not installed off the terminal."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        exporter.setLevel(level)
