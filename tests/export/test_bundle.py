"""Export of bundles: the graph agrees with PyTorch, and everything is fitted on validation."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import pneumoscope
from pneumoscope.dataset import Split
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.evaluation.statistics.metrics import measure
from pneumoscope.evaluation.statistics.temperature_scaling import apply_temperature
from pneumoscope.export.bundle import export_bundle
from pneumoscope.export.onnx_graph import export_graph, require_agreement
from pneumoscope.export.pytorch import export_monai, export_pytorch
from pneumoscope.export.simulated_acquisition import simulate_acquisitions
from pneumoscope.lungs import Preparation
from pneumoscope.models import MODELS, build_network
from pneumoscope.models.deployed import DeployedNetwork, Ensemble
from pneumoscope.models.saved_network import load_network
from pneumoscope.reader import Reader, Status, load
from pneumoscope.reader.bundle import GRAPH
from pneumoscope.reader.model_card import model_card
from pneumoscope.reader.population import Population
from pneumoscope.reader.reader import open_graph, run_graph
from pneumoscope.report.operating_point import POINT_METRICS
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.errors import RunError, WeightsError
from pneumoscope.training import ExampleStore, Run
from pneumoscope.training.evaluate import read_predictions

THOROUGH = {"model_5", "model_6", "efficientnet_lite1", "efficientnet_lite2", "densenet121"}
"""Networks of the layers of model_7 and efficientnet_lite0, and one that takes 40 seconds."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.thorough] if name in THOROUGH else [])
        for name, spec in MODELS.items()
        if not spec.needs_structure
    ],
)
def test_the_graph_agrees_with_pytorch(name: str, phantom_pixels: np.ndarray) -> None:
    pixels = phantom_pixels[::3]
    network = build_network(MODELS[name], 64, 0).eval()
    if (weights := MODELS[name].load_weights("none", 0)) is not None:
        weights.fill(network)
    dense = network.head.output
    with torch.no_grad():  # as if trained: logits of different images differ, around zero
        logits = network(torch.from_numpy(pixels)[:, None] / 255)
        dense.weight.div_(logits.std())
        dense.bias.copy_((dense.bias - logits.mean()) / logits.std())
    deployed = DeployedNetwork(network)
    output = run_graph(open_graph(export_graph(deployed, 64), 2), pixels)
    assert np.std(output.logits) == pytest.approx(1, abs=0.02)
    assert require_agreement(deployed, pixels, output) < 1e-4
    _, heatmaps, features = deployed(torch.from_numpy(pixels[:20]))
    scale = float(np.abs(output.heatmaps).max())
    np.testing.assert_allclose(output.heatmaps[:20], heatmaps, atol=1e-4 * scale)
    np.testing.assert_allclose(output.features[:20], features, rtol=1e-3, atol=1e-5)


def test_a_graph_that_differs_is_refused(phantom_pixels: np.ndarray) -> None:
    networks = [DeployedNetwork(build_network(MODELS["compact"], 64, seed)) for seed in (0, 1)]
    output = run_graph(open_graph(export_graph(networks[0], 64), 2), phantom_pixels)
    with pytest.raises(RunError, match=r"differ by .* nothing was written"):
        require_agreement(networks[1], phantom_pixels, output)


def test_a_graph_names_no_local_folder(exported: Path) -> None:
    graph = (exported / GRAPH).read_bytes()
    for module in (pneumoscope, torch):
        assert str(Path(module.__file__).parent).encode() not in graph


@pytest.fixture(scope="module")
def phantom_pixels(compact_run: Run, cache: ArrayCache) -> np.ndarray:
    examples = ExampleStore(compact_run.manifest(), cache).pixels(Split.TRAIN, compact_run.recipe)
    return examples.inputs[examples.rows]


def test_metrics_of_the_bundle_are_those_of_its_readings(compact_run: Run, exported: Path) -> None:
    reader = without_limits(load(exported))
    ours = read_split(reader, compact_run, Split.VALIDATION)
    tested = read_split(reader, compact_run, Split.TEST)
    for point in reader.bundle.record.operating_points.values():
        for split, metrics in ((ours, point.measured), (tested, point.tested)):
            assert list(metrics) == list(POINT_METRICS)
            for name, estimate in metrics.items():
                value = measure(split, point.threshold).value(name)
                assert estimate.value == (value if value is None else pytest.approx(value)), name
        sensitivity = point.measured["sensitivity"]
        assert sensitivity.low <= sensitivity.value <= sensitivity.high
    assert reader.bundle.record.metrics["validation"]["auc"].value == pytest.approx(
        measure(ours).value("auc"), abs=0.01
    )
    auc = measure(read_predictions(compact_run, Split.TEST)).value("auc")
    assert reader.bundle.record.metrics["test"]["auc"].value == pytest.approx(auc)
    card = (exported / "MODEL_CARD.md").read_text()
    assert "The same thresholds on the test split" in card


def without_limits(reader: Reader) -> Reader:
    """Return a reader that refuses no unfamiliar image, as metrics include all of them."""
    record = reader.bundle.record.model_copy(update={"refusal": None})
    return Reader(replace(reader.bundle, record=record))


def read_split(reader: Reader, run: Run, split: Split) -> Predictions:
    """Read the images of a split with a bundle, independently of its export."""
    table = read_predictions(run, split)
    root = run.manifest().root
    readings = list(reader.read_many(root / file for file in table.files))
    probabilities = np.array([reading.probability for reading in readings])
    return replace(table, probabilities=probabilities)


def test_an_unread_test_split_has_no_metrics(
    compact_run: Run, cache: ArrayCache, tmp_path: Path
) -> None:
    unread = tmp_path / "unread"
    shutil.copytree(compact_run.folder, unread)
    (unread / "metrics" / "test.json").unlink()
    limits = ["Adults: not measured."]
    bundle = export_bundle([Run.open(unread)], tmp_path / "bundle", cache, "unread", limits=limits)
    card = (tmp_path / "bundle" / "MODEL_CARD.md").read_text()
    assert "Adults: not measured." in card
    assert "test" not in bundle.record.metrics
    assert not any(point.tested for point in bundle.record.operating_points.values())
    assert "test split" not in card


@pytest.fixture(scope="module")
def cropped_phantoms(phantom_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of phantoms cropped to their middle: patients of another size."""
    folder = tmp_path_factory.mktemp("outsiders")
    for number, path in enumerate(sorted((phantom_dataset / "train").rglob("*.png"))):
        with Image.open(path) as image:
            width, height = image.size
            box = (width // 5, height // 5, width - width // 5, height - height // 5)
            image.crop(box).resize(image.size).save(folder / f"{number}.png")
    return folder


def test_a_bundle_refuses_its_outsiders_and_its_export_reads_no_test_split(
    compact_run: Run,
    cropped_phantoms: Path,
    phantom_dataset: Path,
    cache: ArrayCache,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    prepared = ExampleStore.prepared

    def watch(self: ExampleStore, split: Split, preparation: Preparation) -> object:
        asked.append(split)
        return prepared(self, split, preparation)

    monkeypatch.setattr(ExampleStore, "prepared", watch)
    children = Population(name="children", min_age=1, max_age=5)
    bundle = export_bundle(
        [compact_run],
        tmp_path / "bundle",
        cache,
        "children",
        patients=children,
        outsiders=[cropped_phantoms],
    )
    assert set(asked) == {Split.TRAIN, Split.VALIDATION}
    record = bundle.record
    assert record.population == children
    assert record.refusal.outsiders.endswith(f"radiographs ({cropped_phantoms.name})")
    reader = Reader(bundle)
    statuses = [reading.status for reading in reader.read_many(sorted(cropped_phantoms.iterdir()))]
    answered = [status in (Status.READ, Status.FLAGGED) for status in statuses]
    assert np.mean(answered) < 0.1
    assert Status.OUTSIDE in statuses
    validation = [
        phantom_dataset / entry.path for entry in compact_run.manifest().of(Split.VALIDATION)
    ]
    outside = [reading.status is Status.OUTSIDE for reading in reader.read_many(validation)]
    assert np.mean(outside) == pytest.approx(record.refusal.false_refusals.value, abs=1e-6)
    card = (bundle.folder / "MODEL_CARD.md").read_text()
    assert "children of 1 to 5 years" in card
    assert str(record.refusal.false_refusals) in card
    assert record.refusal.outsiders in card
    assert "ages of its patients are not stated" not in card


def test_without_a_population_the_card_says_so(exported: Path) -> None:
    card = (exported / "MODEL_CARD.md").read_text()
    assert "The ages of its patients are not stated" in card
    assert "No radiographs of other patients were given" in card


def test_operating_points_hold_in_every_simulated_acquisition(
    compact_run: Run, exported: Path, cache: ArrayCache
) -> None:
    reader = load(exported)
    points = reader.bundle.record.operating_points
    store = ExampleStore(compact_run.manifest(), cache)
    examples = store.pixels(Split.VALIDATION, compact_run.recipe)
    pixels = examples.inputs[examples.rows].astype(np.uint8)
    temperature = reader.bundle.record.calibration.temperature
    for _, simulated in [("unchanged", pixels), *simulate_acquisitions(pixels, examples.labels)]:
        probabilities = apply_temperature(reader.run(simulated).logits, temperature)
        metrics = measure(examples.predictions(probabilities), points["screening"].threshold)
        assert metrics.value("sensitivity") >= 0.99
        assert (probabilities[examples.labels == 1] < points["screening"].low).mean() <= 0.01
        assert (probabilities[examples.labels == 0] > points["screening"].high).mean() <= 0.01
    assert "in 8 simulated acquisitions" in points["screening"].rule


def test_calibration_on_cross_validated_predictions(
    compact_run: Run, cache: ArrayCache, tmp_path: Path
) -> None:
    """The log-odds are twice the true ones, so the temperature is 2."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.05, 0.95, 4000)
    odds = 2 * np.log(truth / (1 - truth))
    files = tuple(f"{row}.png" for row in range(4000))
    table = Predictions(
        files, (rng.random(4000) < truth).astype(np.int8), 1 / (1 + np.exp(-odds)), files
    )
    bundle = export_bundle([compact_run], tmp_path / "all", cache, "all", fit_on=table)
    record = bundle.record
    assert record.calibration.temperature == pytest.approx(2, abs=0.15)
    assert (record.calibration.n, record.calibration.fitted_on) == (4000, "cross-validation")
    assert list(record.metrics) == ["cross-validation", "test"]
    expected = measure(table).value("auc")
    assert record.metrics["cross-validation"]["auc"].value == pytest.approx(expected)
    assert record.operating_points["screening"].measured["sensitivity"].value >= 0.99
    quantised = model_card(record.model_copy(update={"arithmetic": "int8"}))
    for card in (model_card(record), quantised):
        assert "Metrics of cross-validation, and operating points chosen by it, are of the" in card
        assert "Operating points on the cross-validated images" in card
    assert "all metrics but those of cross-validation are of this quantised graph" in quantised


def test_an_ensemble_reads_the_mean_of_its_members(
    compact_run: Run,
    exported: Path,
    cache: ArrayCache,
    tmp_path: Path,
    radiographs: Callable,
) -> None:
    double = export_bundle([compact_run, compact_run], tmp_path / "two", cache, "two")
    assert len(double.record.members) == 2
    single, ensemble = load(exported), load(double.folder)
    for path in radiographs(4):
        expected = single.read(path).probability
        assert ensemble.read(path).probability == pytest.approx(expected, abs=1e-4)


def test_runs_that_do_not_match_or_are_unfinished_are_refused(
    compact_run: Run, cache: ArrayCache, tmp_path: Path
) -> None:
    larger = compact_run.recipe.model_copy(update={"image_size": 96})
    with pytest.raises(RunError, match="another size"):
        export_bundle(
            [compact_run, Run(compact_run.folder, larger, compact_run.record)],
            tmp_path / "b",
            cache,
            "b",
        )
    elsewhere = compact_run.record.model_copy(update={"manifest_fingerprint": "0"})
    with pytest.raises(RunError, match="other data"):
        export_bundle(
            [compact_run, Run(compact_run.folder, compact_run.recipe, elsewhere)],
            tmp_path / "b",
            cache,
            "b",
        )
    unfinished = Run(
        compact_run.folder,
        compact_run.recipe,
        compact_run.record.model_copy(update={"finished": False}),
    )
    for export in (export_pytorch, export_monai):
        with pytest.raises(RunError, match="not finished"):
            export(unfinished, tmp_path / "b")
    with pytest.raises(RunError, match="not finished"):
        export_bundle([unfinished], tmp_path / "b", cache, "b")
    assert not (tmp_path / "b").exists()


def test_pytorch_users_get_safetensors_and_yaml(compact_run: Run, tmp_path: Path) -> None:
    export_pytorch(compact_run, tmp_path / "network")
    assert sorted(path.name for path in (tmp_path / "network").iterdir()) == [
        "network.safetensors",
        "network.yaml",
    ]
    settings = yaml.safe_load((tmp_path / "network" / "network.yaml").read_text())
    assert (settings["model"], settings["image_size"]) == ("compact", 64)
    assert_predicts_as_the_run(load_network(tmp_path / "network"), compact_run)


def test_a_saved_network_of_another_version_is_refused(compact_run: Run, tmp_path: Path) -> None:
    """Its computation with the same weights may differ."""
    export_pytorch(compact_run, tmp_path / "network")
    path = tmp_path / "network" / "network.yaml"
    settings = yaml.safe_load(path.read_text())
    for other in (settings | {"format": 1}, {k: v for k, v in settings.items() if k != "format"}):
        path.write_text(yaml.safe_dump(other))
        with pytest.raises(WeightsError, match=r"instead of 2.*export the network again"):
            load_network(tmp_path / "network")


def test_monai_loads_and_runs_the_bundle(compact_run: Run, tmp_path: Path) -> None:
    monai_bundle = pytest.importorskip("monai.bundle")
    export_monai(compact_run, tmp_path / "bundle")
    configs = tmp_path / "bundle" / "configs"
    parser = monai_bundle.ConfigParser()
    parser.read_config(configs / "inference.json")
    parser.read_meta(configs / "metadata.json")
    parser["bundle_root"] = str(tmp_path / "bundle")
    probability = parser.get_parsed_content("probability")
    table = read_predictions(compact_run, Split.TEST)
    for file, expected in list(zip(table.files, table.probabilities, strict=True))[:5]:
        assert probability(compact_run.manifest().root / file) == pytest.approx(expected, abs=1e-4)
    metadata = json.loads((configs / "metadata.json").read_text())
    required = {"version", "monai_version", "pytorch_version", "numpy_version", "description"}
    assert required | {"network_data_format", "changelog", "task", "copyright"} <= set(metadata)


def assert_predicts_as_the_run(saved: object, compact_run: Run) -> None:
    table = read_predictions(compact_run, Split.TEST)
    images = torch.stack([saved.image(compact_run.manifest().root / file) for file in table.files])
    with torch.inference_mode():
        probabilities = saved.network(images).sigmoid()
    np.testing.assert_allclose(probabilities, table.probabilities, atol=1e-4)


def test_an_ensemble_s_graph_is_its_own(phantom_pixels: np.ndarray) -> None:
    members = [
        DeployedNetwork(build_network(MODELS[name], 64, 0)) for name in ("compact", "model_4")
    ]
    both = Ensemble(members)
    output = run_graph(open_graph(export_graph(both, 64), 2), phantom_pixels[:10])
    logits, heatmaps, _ = both(torch.from_numpy(phantom_pixels[:10]))
    np.testing.assert_allclose(output.logits, logits, atol=1e-4)
    np.testing.assert_allclose(output.heatmaps, heatmaps, atol=1e-4)
