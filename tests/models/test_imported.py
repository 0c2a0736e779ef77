"""Networks of other packages: what builds one, what is refused, and what a Run keeps of it."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pneumoscope.dataset import Manifest, open_dataset
from pneumoscope.export.pytorch import export_pytorch
from pneumoscope.models import build_network, find_model
from pneumoscope.models.layer_table import layer_table
from pneumoscope.models.saved_network import load_network
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.errors import PluginError, RecipeError, RunError, WeightsError
from pneumoscope.training import ExampleStore, Run, evaluate_run, make_recipe, train
from pneumoscope.training.memory_estimate import estimate_memory

SOURCE = '''
import torch
from torch import nn

number = 3

class Lab(nn.Module):
    def __init__(self, size):
        super().__init__()
        rates = [rate.item() for rate in torch.linspace(0, 0.5, 3)]  # needs values, not shapes
        self.convolution = nn.Conv2d(1, 4, 3, stride=4)
        self.dropout = nn.Dropout(rates[1])
        self.output = nn.Linear(4, 1)

    def forward(self, images):
        return self.output(self.dropout(self.convolution(images).relu().mean((2, 3))))

def build(size):
    """Network of the lab."""
    return Lab(size)

class Placed(Lab):
    def forward(self, images):  # makes a tensor of its own, and has one layer twice
        return super().forward(images * torch.linspace(1, 2, images.shape[-1]))

def repeated(size):
    pool = nn.MaxPool2d(2)
    layers = nn.Conv2d(1, 4, 3, padding=1), pool, nn.Conv2d(4, 4, 3, padding=1), pool
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * (size // 4) ** 2, 1))

class Flat(Lab):
    def forward(self, images):
        return super().forward(images).squeeze(1)

class Twice(Lab):
    def forward(self, images):
        return super().forward(images), images

class Coloured(nn.Sequential):
    def __init__(self, size):
        super().__init__(nn.Conv2d(3, 1, 3))

def numbers(size): return [size]
def nothing_to_learn(size): return nn.Flatten()
def without_size(): return Lab(64)
'''
MODELS = {"lab": "lab_nets:build"}
SETTINGS = ["image_size=64", "epochs=1", "precision=float32"]


@pytest.fixture
def source(install: Callable) -> Path:
    return install("lab-nets", "1.0", "lab_nets", SOURCE, models=MODELS)


@pytest.fixture(scope="module")
def manifest(small_dataset: Path) -> Manifest:
    return open_dataset(small_dataset)


def test_it_is_found_by_name_and_by_function_and_keeps_its_weights(source: Path) -> None:
    for name in ("lab", "lab_nets:build", "lab_nets:Lab"):
        spec = find_model(name)
        first, again, other = (build_network(spec, 64, seed) for seed in (0, 0, 1))
        torch.manual_seed(0)
        expected = spec.head(64).state_dict()  # as PyTorch draws them, not as Keras does
        assert [*expected] == [key.removeprefix("head.network.") for key in first.state_dict()]
        for a, b, c in zip(expected.values(), again.parameters(), other.parameters(), strict=True):
            assert torch.equal(a, b)
            assert not torch.equal(a, c)
        assert first.training
    assert find_model("lab").description == "Network of the lab"


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("Flat", r"for 3 images its network returns \(3,\); .* shape \(3, 1\)"),
        ("Twice", r"for 3 images its network returns tuple"),
        ("Coloured", r"its network fails on images of shape \(3, 1, 64, 64\) \(RuntimeError"),
        ("numbers", r"lab_nets:numbers\(64\) returned a list; it must return a torch\.nn\.Module"),
        ("nothing_to_learn", "has no parameters to train"),
        ("without_size", r"failed \(TypeError: .*it is called with the side of the images"),
    ],
)
def test_what_is_no_such_network_is_refused_before_a_run_begins(
    source: Path, manifest: Manifest, tmp_path: Path, function: str, message: str
) -> None:
    recipe = make_recipe(f"lab_nets:{function}", assignments=SETTINGS)
    with pytest.raises(PluginError, match=message):
        train(ExampleStore(manifest, ArrayCache(tmp_path / "cache")), recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("network", ["Placed", "repeated"])
def test_its_memory_and_layers_are_found(source: Path, network: str) -> None:
    recipe = make_recipe(f"lab_nets:{network}", assignments=SETTINGS)
    assert estimate_memory(recipe, images=10) > 0
    rows = layer_table(build_network(recipe.spec, 64, seed=0), 64)
    if network == "repeated":
        assert [row.output_shape for row in rows] == [
            *((4, 64, 64), (4, 32, 32), (4, 32, 32), (4, 16, 16)),
            *((1024,), (1,)),
        ]


def test_a_recipe_names_what_is_wrong(source: Path) -> None:
    with pytest.raises(
        RecipeError, match=r"'labs' is not a model; .*compact.*, lab, or a function"
    ):
        make_recipe("labs")
    with pytest.raises(PluginError, match="the module lab_nets has no builds"):
        make_recipe("lab_nets:builds")
    with pytest.raises(RecipeError, match="subtype_weight needs the last layer"):
        make_recipe("lab", assignments=["subtype_weight=1"])


def test_a_run_records_its_source_and_refuses_another(
    source: Path, manifest: Manifest, tmp_path: Path
) -> None:
    store = ExampleStore(manifest, ArrayCache(tmp_path / "cache"))
    recipe = make_recipe("lab", assignments=SETTINGS)
    run = train(store, recipe, tmp_path / "run")
    recorded = json.loads((run.folder / "run.json").read_text())["network_source"]
    assert recorded["function"] == "lab_nets:build"
    assert (recorded["distribution"], recorded["version"]) == ("lab-nets", "1.0")
    export_pytorch(Run.open(run.folder), tmp_path / "exported")
    images = torch.rand(2, 1, 64, 64)
    expected = load_network(tmp_path / "exported").network(images)
    assert expected.shape == (2,)

    source.write_text(SOURCE + "# changed\n")
    for use in (
        lambda: train(store, recipe, run.folder, resume=True),
        lambda: evaluate_run(Run.open(run.folder), store),
        lambda: export_pytorch(Run.open(run.folder), tmp_path / "again"),
    ):
        with pytest.raises(RunError, match=r"other source code of lab_nets:build of lab-nets 1\.0"):
            use()
    with pytest.raises(WeightsError, match="trained with other source code"):
        load_network(tmp_path / "exported")


def test_a_run_names_the_package_that_is_missing(
    source: Path, manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.create(tmp_path / "run", make_recipe("lab"), manifest)
    monkeypatch.delitem(sys.modules, "lab_nets")
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place != str(source.parent)])
    with pytest.raises(RunError, match=r"which is not installed; install lab-nets 1\.0, or put"):
        Run.open(run.folder)


def test_models_lists_what_is_installed(
    source: Path, install: Callable, pneumoscope: Callable
) -> None:
    names = {"broken": "lab_broken:build", "compact": "lab_broken:build"}
    install("lab-broken", "0.1", "lab_broken", "1 / 0", models=names)
    outcome = pneumoscope("models")
    assert outcome.code == 0
    text = "".join(outcome.out.split())
    assert "lab_nets:build" in text
    assert text.count("unusable") == 1  # a network of this package keeps its name
    layers = pneumoscope("models", "show", "lab")
    assert "45" in layers.out  # 4 * 9 + 4 weights of the convolution, 4 + 1 of the output
