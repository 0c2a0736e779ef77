"""Output of an exported graph for a split."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.statistics.temperature_scaling import apply_temperature
from pneumoscope.reader.reader import NetworkOutput, open_graph, run_graph
from pneumoscope.support.host import usable_cores
from pneumoscope.support.terminal import track
from pneumoscope.training.examples import Examples

_BATCH_SIZE = 32


@dataclass(frozen=True)
class SplitOutput:
    """Split with its pixels and the graph's output for them.

    Parameters
    ----------
    examples
        Images of the split.
    pixels
        Prepared pixels, uint8, shape (n, size, size).
    output
        Output of the graph for each image.
    """

    examples: Examples
    pixels: NDArray[np.uint8]
    output: NetworkOutput

    @property
    def logits(self) -> NDArray[np.float64]:
        """Logits, shape (n,)."""
        return self.output.logits.astype(np.float64)

    def predictions(self, temperature: float) -> Predictions:
        """Return the table of predictions calibrated by a temperature."""
        return self.examples.predictions(apply_temperature(self.logits, temperature))


def run_on_split(graph: bytes, examples: Examples) -> SplitOutput:
    """Run a graph on the images of a split."""
    pixels = prepared_pixels(examples)
    split = examples.entries[0].split
    return SplitOutput(examples, pixels, run_on_pixels(graph, pixels, f"Running on {split}"))


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
