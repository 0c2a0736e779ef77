"""Catalogue entries: a further kind of pretrained network needs its entry and nothing else."""

from pathlib import Path

import pytest
import torch
from torch import nn

from pneumoscope.dataset import open_dataset
from pneumoscope.export.pytorch import export_pytorch
from pneumoscope.models import MODELS, ModelSpec, Network, PretrainedWeights
from pneumoscope.models.compact import GlobalAveragePool
from pneumoscope.models.network import weights_digest
from pneumoscope.models.saved_network import load_network
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.errors import RecipeError
from pneumoscope.training import ExampleStore, evaluate_run, make_recipe, train
from pneumoscope.training.cost_estimate import estimate_cost


class StridedSpec(ModelSpec):
    """Frozen strided convolution with random weights."""

    pretrained = "strided convolution"

    def build(self, image_size, structure=None):
        backbone = nn.Sequential()
        backbone.add_module("conv", nn.Conv2d(1, 8, 8, stride=8))
        return Network(self.head(image_size), backbone)

    def load_weights(self, weights, seed):
        torch.manual_seed(seed)
        state = nn.Sequential(nn.Conv2d(1, 8, 8)).state_dict()
        state = {f"conv.{name.removeprefix('0.')}": value for name, value in state.items()}
        return PretrainedWeights(state, f"seed {seed}", weights_digest(state), "backbone")

    def feature_shape(self, image_size):
        return 8, image_size // 8, image_size // 8


def head(_: int) -> nn.Sequential:
    layers = nn.Sequential()
    layers.add_module("pool", GlobalAveragePool())
    layers.add_module("output", nn.Linear(8, 1))
    return layers


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setitem(MODELS, "strided", StridedSpec("strided", "for this test", head))
    return ["image_size=64", "epochs=2", "precision=float32"]


def test_a_new_kind_is_trained_evaluated_and_exported(
    settings: list[str], small_dataset: Path, tmp_path: Path
) -> None:
    recipe = make_recipe("strided", assignments=settings)
    store = ExampleStore(open_dataset(small_dataset), ArrayCache(tmp_path / "cache"))
    run = train(store, recipe, tmp_path / "run")
    evaluate_run(run, store)
    assert run.record.initial_weights.origin == "seed 0"
    assert run.record.initial_weights.pass_seconds is not None
    assert {entry.kind for entry in store.cache.entries()} == {"pixels", "features"}
    expected = StridedSpec("", "", head).load_weights("imagenet", 0).state
    assert torch.equal(run.read_weights()["backbone.conv.weight"], expected["conv.weight"])
    export_pytorch(run, tmp_path / "network")
    assert load_network(tmp_path / "network").network.backbone is not None
    assert estimate_cost(recipe, 40, 8).pass_seconds > 0


def test_augmented_images_pass_the_frozen_layers_in_every_epoch(
    settings: list[str], small_dataset: Path, tmp_path: Path
) -> None:
    recipe = make_recipe("strided", assignments=[*settings, "augmentation.flip=true"])
    store = ExampleStore(open_dataset(small_dataset), ArrayCache(tmp_path / "cache"))
    assert train(store, recipe, tmp_path / "run").record.initial_weights.pass_seconds is None
    assert {entry.kind for entry in store.cache.entries()} == {"pixels"}


def test_a_run_is_no_start_for_frozen_layers(settings: list[str]) -> None:
    with pytest.raises(RecipeError, match="strided has frozen layers of its own"):
        make_recipe("strided", assignments=[*settings, "start=runs/strided"])
