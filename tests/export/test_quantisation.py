"""Quantised graphs: nearly the same outputs, and refusal without a benefit."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from pneumoscope.dataset import Split
from pneumoscope.evaluation.statistics.metrics import measure
from pneumoscope.export import quantisation
from pneumoscope.export.onnx_graph import export_graph
from pneumoscope.models import MODELS, build_network
from pneumoscope.models.deployed import DeployedNetwork
from pneumoscope.reader import Reader, load
from pneumoscope.reader.reader import open_graph, run_graph
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.errors import RunError
from pneumoscope.training import ExampleStore, Run
from pneumoscope.training.evaluate import read_predictions

from .test_bundle import without_limits


@pytest.fixture(scope="module")
def pixels(compact_run: Run, cache: ArrayCache) -> np.ndarray:
    examples = ExampleStore(compact_run.manifest(), cache).pixels(Split.TRAIN, compact_run.recipe)
    return examples.inputs[examples.rows]


@pytest.mark.parametrize("name", ["compact", "model_4"])
def test_every_convolution_multiplies_integers(name: str, pixels: np.ndarray) -> None:
    graph = export_graph(DeployedNetwork(build_network(MODELS[name], 64, seed=0)), 64)
    small = quantisation.quantise(graph, pixels)
    opened = onnx.load_from_string(small).graph
    types = {weight.name: weight.data_type for weight in opened.initializer}
    made_by = {output: node for node in opened.node for output in node.output}
    convolutions = [node for node in opened.node if node.op_type == "Conv"]
    assert convolutions
    for node in convolutions:
        images, kernel = (made_by[given] for given in node.input[:2])
        assert images.op_type == kernel.op_type == "DequantizeLinear"
        assert types[kernel.input[0]] == onnx.TensorProto.INT8
    assert len(small) < len(graph)
    before, after = (run_graph(open_graph(content, 1), pixels[:20]) for content in (graph, small))
    assert np.corrcoef(before.logits, after.logits)[0, 1] > 0.95
    assert before.heatmaps.shape == after.heatmaps.shape


def test_relu6_is_part_of_the_convolution_and_depthwise_kernels_have_8_bits(
    pixels: np.ndarray,
) -> None:
    spec = MODELS["efficientnet_lite0"]
    network = build_network(spec, 64, seed=0)
    spec.load_weights("none", 0).fill(network)
    small = quantisation.quantise(export_graph(DeployedNetwork(network), 64), pixels[::4])
    opened = onnx.load_from_string(small).graph
    assert not {node.op_type for node in opened.node} & {"Clip", "Pad", "BatchNormalization"}
    kernels = {weight.name: onnx.numpy_helper.to_array(weight) for weight in opened.initializer}
    made_by = {output: node for node in opened.node for output in node.output}
    largest: dict[bool, set[int]] = {True: set(), False: set()}
    for node in opened.node:
        if node.op_type == "Conv":
            kernel = kernels[made_by[node.input[1]].input[0]].astype(int)
            groups = next(value.i for value in node.attribute if value.name == "group")
            largest[groups > 1].add(np.abs(kernel).max())
    assert largest == {True: {127}, False: {64}}


@pytest.fixture
def beneficial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a speed-up, which not every processor has, and accept larger changes of the AUC.

    The phantoms' validation AUC moves in steps of 0.007.
    """
    monkeypatch.setattr("pneumoscope.export.bundle.compare_speed", lambda *_: 2.0)
    monkeypatch.setattr(quantisation, "MAX_AUC_CHANGE", 0.05)


@pytest.mark.usefixtures("beneficial")
def test_a_quantised_bundle_reads_nearly_the_same(
    pneumoscope: Callable, compact_run: Run, reader: Reader, tmp_path: Path
) -> None:
    outcome = pneumoscope("export", compact_run.folder, "--out", tmp_path / "fast", "--int8")
    assert outcome.code == 0, outcome.err
    assert "8-bit integers: 2.00 times as fast, validation AUC" in outcome.err
    small = load(tmp_path / "fast")
    assert small.bundle.record.arithmetic == "int8"
    assert reader.bundle.record.arithmetic == "float32"
    # The Run's test predictions are those of the float32 network.
    assert small.bundle.record.metrics.keys() == {"validation"}
    assert "8-bit integers" in (tmp_path / "fast" / "MODEL_CARD.md").read_text()
    table = read_predictions(compact_run, Split.TEST)
    paths = [compact_run.manifest().root / file for file in table.files]
    exact, quantised = (
        np.array([reading.probability for reading in bundle_reader.read_many(paths)])
        for bundle_reader in map(without_limits, (reader, small))
    )
    aucs = [
        measure(type(table)(table.files, table.labels, probabilities, table.patients)).value("auc")
        for probabilities in (exact, quantised)
    ]
    assert aucs[1] == pytest.approx(aucs[0], abs=0.05)
    assert not np.array_equal(exact, quantised)


@pytest.mark.parametrize(
    ("auc_after", "speedup", "words"),
    [(0.9969, 3.0, "AUC is 0.9969 instead of 0.9981"), (0.9981, 0.8, "0.80 times as fast")],
)
def test_quantisation_without_benefit_is_refused(
    auc_after: float, speedup: float, words: str
) -> None:
    with pytest.raises(RunError, match=f"{words}.* Nothing was written"):
        quantisation.require_benefit(0.9981, auc_after, speedup)


def test_a_refused_bundle_leaves_nothing(
    pneumoscope: Callable, compact_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pneumoscope.export.bundle.compare_speed", lambda *_: 0.5)
    outcome = pneumoscope("export", compact_run.folder, "--out", tmp_path / "fast", "--int8")
    assert outcome.code == 1
    assert "--int8" in outcome.err
    assert not list(tmp_path.iterdir())


def test_the_speed_up_is_that_of_the_fastest_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that other work delays in two runs of three."""
    now, delays = [0.0], itertools.cycle([9, 0, 5])

    def run(seconds: float, batch: np.ndarray) -> None:
        now[0] += seconds + next(delays)

    monkeypatch.setattr(quantisation, "open_graph", lambda content, threads: float(content))
    monkeypatch.setattr(quantisation, "run_graph", run)
    monkeypatch.setattr(quantisation.time, "perf_counter", lambda: now[0])
    assert quantisation.compare_speed(b"6", b"2", np.zeros((4, 8, 8), np.uint8)) == 3


def test_only_bundles_can_be_quantised(
    pneumoscope: Callable, compact_run: Run, tmp_path: Path
) -> None:
    words = ("--out", tmp_path / "x", "--format", "pytorch", "--int8")
    assert (
        "--int8, --fit-on, --outsiders, --ages and --view are for bundles"
        in pneumoscope("export", compact_run.folder, *words).err
    )
