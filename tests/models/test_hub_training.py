"""Training of networks of the hub: the head first, then all layers."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    ConvNextV2Config,
    ConvNextV2ForImageClassification,
)

from pneumoscope.dataset import open_dataset
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.models.deployed import DeployedNetwork
from pneumoscope.models.hub import load_pretrained
from pneumoscope.models.saved_network import load_network
from pneumoscope.reader import Reader
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.errors import RecipeError, RunError, WeightsError
from pneumoscope.training import ExampleStore, Recipe, Run, make_recipe, train
from pneumoscope.training.cost_estimate import estimate_cost
from pneumoscope.training.evaluate import load_trained_network
from pneumoscope.training.initial_weights import build_initial_network, load_initial_weights
from pneumoscope.training.memory_estimate import estimate_memory
from pneumoscope.training.trainer import Trainer

CONVNEXT = ConvNextV2Config(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], num_labels=5)
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


@pytest.fixture(scope="module")
def store(phantom_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> ExampleStore:
    return ExampleStore(open_dataset(phantom_dataset), ArrayCache(tmp_path_factory.mktemp("c")))


def recipe(checkpoint: Path, *settings: str):
    quick = ["image_size=64", "epochs=2", "head_epochs=1", "precision=float32"]
    return make_recipe("hub", assignments=[f"weights={checkpoint}", *quick, *settings])


@pytest.fixture(scope="module")
def run(checkpoint: Path, store: ExampleStore, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(store, recipe(checkpoint), tmp_path_factory.mktemp("run") / "hub")


def test_the_heat_map_adds_up_to_the_logit(run: Run) -> None:
    network = load_trained_network(run)
    pixels = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
    logits, maps, _ = DeployedNetwork(network.cpu())(pixels)
    torch.testing.assert_close(
        maps.sum((1, 2)) + network.head.output.bias, logits, atol=1e-5, rtol=1e-5
    )


def test_a_training_starts_from_a_run_without_the_checkpoint(run: Run) -> None:
    words = [f"start={run.folder}", "weights=nowhere", "image_size=64"]
    started = make_recipe("hub", assignments=words)
    initial = load_initial_weights(started)
    assert initial.origin.startswith("a Run of hub, seed 0, data ")
    state = build_initial_network(started, initial).state_dict()
    assert all(torch.equal(value, state[name]) for name, value in run.read_weights().items())


def weights(trainer: Trainer, part: str) -> list[torch.Tensor]:
    layers = trainer.network.head.get_submodule(part)
    return [parameter.detach().clone() for parameter in layers.parameters()]


def build_trainer(checkpoint: Path, store: ExampleStore, *settings: str) -> Trainer:
    from pneumoscope.dataset import Split

    made = recipe(checkpoint, *settings)
    network = build_initial_network(made, load_initial_weights(made))
    learned, validated = (store.pixels(split, made) for split in (Split.TRAIN, Split.VALIDATION))
    return Trainer(network, made, learned, validated)


def test_first_the_head_is_trained_and_then_all_layers(
    checkpoint: Path, store: ExampleStore
) -> None:
    trainer = build_trainer(checkpoint, store)
    initial = {part: weights(trainer, part) for part in ("features", "output")}
    trainer.run_epoch(lambda *_: None)
    head = {part: weights(trainer, part) for part in initial}
    assert all(map(torch.equal, head["features"], initial["features"]))
    assert not torch.equal(head["output"][0], initial["output"][0])
    trainer.run_epoch(lambda *_: None)
    assert not all(map(torch.equal, weights(trainer, "features"), head["features"]))


def test_pretrained_layers_have_their_share_of_the_learning_rate(
    checkpoint: Path, store: ExampleStore
) -> None:
    """Adam's first step has the size of the learning rate."""
    trainer = build_trainer(
        checkpoint,
        store,
        "head_epochs=0",
        "pretrained_rate=0.25",
        "one_cycle=null",
        "weight_decay=0",
        "batch_size=4096",
        "learning_rate=0.01",
        "adam_epsilon=1e-12",
    )
    initial = {part: weights(trainer, part) for part in ("features", "output")}
    trainer.run_epoch(lambda *_: None)
    steps = {
        part: torch.cat(
            [
                (a - b).abs().flatten()
                for a, b in zip(weights(trainer, part), initial[part], strict=True)
            ]
        )
        for part in initial
    }
    assert steps["output"].median() == pytest.approx(0.01, rel=0.02)
    assert steps["features"].median() == pytest.approx(0.0025, rel=0.02)


def test_a_run_is_self_contained(run: Run, store: ExampleStore, tmp_path: Path) -> None:
    """The Run's folder suffices to export it and to read with it, without torch."""
    from pneumoscope.export.bundle import export_bundle
    from pneumoscope.export.pytorch import export_pytorch

    moved = run.recipe.model_copy(update={"weights": str(tmp_path / "gone")})
    moved.write(run.folder / "recipe.yaml")
    again = Run.open(run.folder)
    predictions = Predictions.read(run.folder / "predictions" / "validation.csv")
    export_pytorch(again, tmp_path / "network")
    saved = load_network(tmp_path / "network")
    path = store.manifest.root / predictions.files[0]
    with torch.inference_mode():
        probability = float(saved.network(saved.image(path)[None]).sigmoid())
    assert probability == pytest.approx(predictions.probabilities[0], abs=1e-5)
    bundle = export_bundle([again], tmp_path / "bundle", ArrayCache(tmp_path / "cache"), "hub")
    reading = Reader(bundle).read(path)
    temperature = bundle.record.calibration.temperature
    logit = np.log(predictions.probabilities[0] / (1 - predictions.probabilities[0])) / temperature
    assert reading.probability == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-4)
    assert again.record.initial_weights.origin.endswith("a folder")


def interrupt(
    store: ExampleStore, made: Recipe, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Train and interrupt after one epoch, as Ctrl-C does."""
    whole = Trainer.run_epoch

    def stop(self: Trainer, *arguments: object) -> object:
        if self.history:
            raise KeyboardInterrupt
        return whole(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "run_epoch", stop)
        with pytest.raises(RunError, match="interrupted"):
            train(store, made, folder)


def test_other_weights_in_the_same_folder_are_refused_on_resuming(
    store: ExampleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "checkpoint"
    ConvNextV2ForImageClassification(CONVNEXT).save_pretrained(folder)
    interrupt(store, recipe(folder), tmp_path / "run", monkeypatch)
    ConvNextV2ForImageClassification(CONVNEXT).save_pretrained(folder)
    with pytest.raises(RunError, match="other pretrained weights"):
        train(store, recipe(folder), tmp_path / "run", resume=True)


def test_a_resumed_training_ends_with_the_same_weights(
    run: Run, checkpoint: Path, store: ExampleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(store, recipe(checkpoint), tmp_path / "run", monkeypatch)
    resumed = train(store, recipe(checkpoint), tmp_path / "run", resume=True)
    expected = run.read_weights()
    assert all(torch.equal(value, expected[name]) for name, value in resumed.read_weights().items())


def test_costs_are_estimated(checkpoint: Path) -> None:
    small, large = (recipe(checkpoint, f"batch_size={size}") for size in (8, 64))
    assert estimate_memory(small, 100) < estimate_memory(large, 100)
    assert estimate_cost(small, 16, 8).epoch_seconds > 0


def test_a_network_with_missing_weights_is_refused(tmp_path: Path) -> None:
    ConvNextV2ForImageClassification(CONVNEXT).save_pretrained(tmp_path)
    deeper = CONVNEXT.to_dict() | {"depths": [1, 1, 2, 1]}
    (tmp_path / "config.json").write_text(json.dumps(deeper))
    with pytest.raises(WeightsError, match="weights are missing"):
        load_pretrained(str(tmp_path))


def test_a_language_model_is_refused(store: ExampleStore, tmp_path: Path) -> None:
    words = BertConfig(**SMALL, intermediate_size=64, vocab_size=50)
    BertModel(words).save_pretrained(tmp_path / "bert")
    with pytest.raises(WeightsError, match=r"'bert' cannot be built for grey images"):
        train(store, recipe(tmp_path / "bert"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["imagenet", "/nowhere/at/all", "./nothing"])
def test_an_unknown_name_is_refused(
    pneumoscope: Callable,
    phantom_dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    words = ["train", phantom_dataset, "--model", "hub", "--weights", name, "--out", tmp_path / "r"]
    outcome = pneumoscope(*words)
    assert outcome.code == 1
    assert f"{name}: no network can be loaded from it" in outcome.err
    assert not (tmp_path / "r").exists()


def test_a_run_without_its_structure_is_refused(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder, tmp_path / "run")
    (tmp_path / "run" / "structure.json").unlink()
    with pytest.raises(WeightsError, match=r"structure\.json"):
        load_trained_network(Run.open(tmp_path / "run"))


def test_a_search_takes_networks_that_are_trained_further_but_no_frozen_ones() -> None:
    from pneumoscope.training.search import SearchPlan

    SearchPlan(("hub",)).validate()
    with pytest.raises(RecipeError, match="models with frozen layers cannot be searched"):
        SearchPlan(("model_5",)).validate()
