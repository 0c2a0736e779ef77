"""Finished Runs as graphs, compared with PyTorch on their validation images."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.report import Cell, Table, option_parser, publish
from pneumoscope.dataset import Split
from pneumoscope.export.onnx_graph import COMPARED, export_graph, require_agreement
from pneumoscope.models.deployed import Deployed
from pneumoscope.reader.reader import open_graph, run_graph
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.terminal import track
from pneumoscope.training import ExampleStore, Run
from pneumoscope.training.evaluate import finished_network

PART = 20
"""Images that pass together."""

NOTE = f"""\
{COMPARED} validation images, or all where there are fewer, float32. Largest difference in
probability (1e-4 is allowed), and in a value of a heat map by the largest such value of all; the
lowest and the highest probability, to see that images differ."""


def compare(run: Run, cache: ArrayCache) -> dict[str, Cell]:
    """Export a Run's network and show both the same images."""
    examples = ExampleStore(run.manifest(), cache).pixels(Split.VALIDATION, run.recipe)
    pixels = examples.inputs[examples.rows[:COMPARED]].astype(np.uint8, copy=False)
    network = Deployed(finished_network(run).cpu())
    graph = export_graph(network, run.recipe.image_size)
    look = run_graph(open_graph(graph, torch.get_num_threads()), pixels)
    with torch.inference_mode():
        parts = np.split(pixels, range(PART, len(pixels), PART))
        heatmaps = torch.cat([network(torch.from_numpy(part))[1] for part in parts]).numpy()
    probabilities = 1 / (1 + np.exp(-look.logits))
    return {
        "model": run.recipe.model,
        "images": len(pixels),
        "graph MB": len(graph) / 1e6,
        "probability differs by": require_agreement(network, pixels, look),
        "heat map differs by": float(
            np.abs(look.heatmaps - heatmaps).max() / np.abs(heatmaps).max()
        ),
        "lowest": float(probabilities.min()),
        "highest": float(probabilities.max()),
    }


def _rows(runs: Sequence[Path]) -> Iterator[dict[str, Cell]]:
    with tempfile.TemporaryDirectory() as folder:
        cache = ArrayCache(Path(folder))
        for path in track(runs, "Exporting", len(runs)):
            yield compare(Run.open(path), cache)


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="Run directories")
    given = parser.parse_args()
    publish("exports", [Table("Graph and PyTorch", list(_rows(given.runs)), NOTE)], given.out)


if __name__ == "__main__":
    main()
