"""ONNX graph of a deployed network: export, output for a split, comparison with PyTorch."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.statistics.temperature_scaling import apply_temperature
from pneumoscope.reader.reader import NetworkOutput, open_graph, run_graph
from pneumoscope.support.errors import RunError
from pneumoscope.support.host import usable_cores
from pneumoscope.support.terminal import track
from pneumoscope.training.examples import Examples

N_COMPARED_IMAGES = 200
"""Number of images on which the graph is compared with PyTorch."""

MAX_PROBABILITY_DIFFERENCE = 1e-4
"""Largest accepted difference in probability."""

_BATCH_SIZE = 32


NETWORK_OUTPUTS = ("logit", "heatmap", "features")
"""Names of the outputs of a `DeployedNetwork`'s or `Ensemble`'s graph."""


def export_graph(
    network: nn.Module, size: int, output_names: Sequence[str] = NETWORK_OUTPUTS
) -> bytes:
    """Export a network of prepared pixels as an ONNX file for any number of images.

    Parameters
    ----------
    network
        Network from uint8 pixels, shape (n, size, size), to the outputs.
    size
        Side of the square images, in pixels.
    output_names
        Names of the outputs.

    Raises
    ------
    RunError
        If the network has an operation that ONNX lacks.
    """
    example = torch.zeros(2, size, size, dtype=torch.uint8)
    try:
        with _suppress_warnings():
            program = torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("n")},),
                input_names=["pixels"],
                output_names=list(output_names),
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise RunError(
            f"the network cannot be exported ({reason}); it needs a last feature map that "
            "everything passes through, such as before global pooling, and layers that ONNX has"
        ) from error
    assert program is not None
    model = program.model_proto
    for node in model.graph.node:  # stack traces name folders of this computer
        node.ClearField("metadata_props")
    graph: bytes = model.SerializeToString()
    return graph


@torch.inference_mode()
def require_agreement(
    network: nn.Module, pixels: NDArray[np.uint8], output: NetworkOutput
) -> float:
    """Return the largest difference in probability between a graph and PyTorch, if acceptable.

    The pixels, shape (n, size, size), are the first of the images that the graph's output is for.

    Raises
    ------
    RunError
        If the difference is larger than `MAX_PROBABILITY_DIFFERENCE`.
    """
    batches = np.split(pixels, range(_BATCH_SIZE, len(pixels), _BATCH_SIZE))
    expected = torch.cat([network(torch.from_numpy(batch))[0] for batch in batches])
    logits = torch.from_numpy(output.logits[: len(pixels)])
    difference = float((expected.sigmoid() - logits.sigmoid()).abs().max())
    if not difference < MAX_PROBABILITY_DIFFERENCE:
        raise RunError(
            f"the exported graph and PyTorch differ by {difference:.1e} in probability, more than "
            f"{MAX_PROBABILITY_DIFFERENCE:.0e}; nothing was written. Report this with the versions "
            "of torch and onnxruntime that are installed"
        )
    return difference


@dataclass(frozen=True)
class SplitOutput:
    """Split with the graph's output for each image.

    Parameters
    ----------
    examples
        Images of the split.
    pixels
        Their prepared pixels, uint8, shape (n, size, size).
    whole
        Their pixels prepared by `Preparation.whole`; the same for a graph that reads whole images.
    output
        Output of the graph.
    """

    examples: Examples
    pixels: NDArray[np.uint8]
    whole: NDArray[np.uint8]
    output: NetworkOutput

    @property
    def logits(self) -> NDArray[np.float64]:
        """Logits, shape (n,)."""
        return self.output.logits.astype(np.float64)

    def predictions(self, temperature: float) -> Predictions:
        """Return the table of predictions calibrated by a temperature."""
        return self.examples.predictions(apply_temperature(self.logits, temperature))


def run_on_split(graph: bytes, examples: Examples, whole: Examples) -> SplitOutput:
    """Run a graph on the images of a split; ``whole`` are the same images, not framed."""
    pixels = prepared_pixels(examples)
    split = examples.entries[0].split
    output = run_on_pixels(graph, pixels, f"Running on {split}")
    return SplitOutput(examples, pixels, prepared_pixels(whole), output)


def prepared_pixels(examples: Examples) -> NDArray[np.uint8]:
    """Return the prepared pixels of a split in memory, shape (n, size, size)."""
    return examples.inputs[examples.rows].astype(np.uint8, copy=False)


def run_on_pixels(graph: bytes, pixels: NDArray[np.uint8], description: str) -> NetworkOutput:
    """Run a graph on prepared pixels, with a progress bar."""
    session = open_graph(graph, usable_cores())
    starts = range(0, len(pixels), _BATCH_SIZE)
    outputs = [
        run_graph(session, pixels[start : start + _BATCH_SIZE])
        for start in track(starts, description, len(starts))
    ]
    return NetworkOutput(
        *(
            np.concatenate([getattr(output, name) for output in outputs])
            for name in ("logits", "heatmaps", "features")
        )
    )


@contextmanager
def _suppress_warnings() -> Iterator[None]:
    """Suppress the exporter's warnings about libraries that are not installed."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        exporter.setLevel(level)
