"""Agreement of exported ONNX graphs with PyTorch on the Runs' validation images."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.report import Cell, Table, option_parser, publish
from pneumoscope.dataset import Split
from pneumoscope.export.onnx_graph import N_COMPARED_IMAGES, export_graph, require_agreement
from pneumoscope.models.deployed import DeployedNetwork
from pneumoscope.reader.reader import open_graph, run_graph
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.terminal import track
from pneumoscope.training import ExampleStore, Run
from pneumoscope.training.evaluate import load_trained_network

BATCH_SIZE = 20

NOTE = f"""\
{N_COMPARED_IMAGES} validation images, or all where there are fewer, float32. Largest difference in
probability (1e-4 is allowed), and in a heat map's value relative to the largest value of all. The
lowest and the highest probability show that the images differ."""


def compare(run: Run, cache: ArrayCache) -> dict[str, Cell]:
    """Export a Run's network, and compare graph and PyTorch on the same images."""
    examples = ExampleStore(run.manifest(), cache).pixels(Split.VALIDATION, run.recipe)
    pixels = examples.inputs[examples.rows[:N_COMPARED_IMAGES]].astype(np.uint8, copy=False)
    network = DeployedNetwork(load_trained_network(run).cpu())
    graph = export_graph(network, run.recipe.image_size)
    output = run_graph(open_graph(graph, torch.get_num_threads()), pixels)
    with torch.inference_mode():
        batches = np.split(pixels, range(BATCH_SIZE, len(pixels), BATCH_SIZE))
        heatmaps = torch.cat([network(torch.from_numpy(batch))[1] for batch in batches]).numpy()
    probabilities = 1 / (1 + np.exp(-output.logits))
    return {
        "model": run.recipe.model,
        "images": len(pixels),
        "graph MB": len(graph) / 1e6,
        "probability differs by": require_agreement(network, pixels, output),
        "heat map differs by": float(
            np.abs(output.heatmaps - heatmaps).max() / np.abs(heatmaps).max()
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
    arguments = parser.parse_args()
    table = Table("Graph and PyTorch", list(_rows(arguments.runs)), NOTE)
    publish("exports", [table], arguments.out)


if __name__ == "__main__":
    main()
