"""Networks of the hub: small random checkpoints in its format, and a server that speaks as it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoModel,
    BertConfig,
    BertModel,
    ConvNextV2Config,
    ConvNextV2ForImageClassification,
    Dinov2Config,
    Dinov2Model,
    SwinConfig,
    SwinModel,
    ViTConfig,
    ViTForImageClassification,
    ViTMAEConfig,
    ViTMAEModel,
    ViTModel,
)

from pneumoscope.cache import ArrayCache
from pneumoscope.dataset import Entry, Label, open_dataset
from pneumoscope.errors import RecipeError, RunError, WeightsError
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.models.catalogue import HUB, build_network
from pneumoscope.models.deployed import Deployed
from pneumoscope.models.hub import hub_network, load_pretrained, read_structure
from pneumoscope.models.saved import load_network
from pneumoscope.reader import Reader
from pneumoscope.training import ExampleStore, Recipe, Run, make_recipe, train
from pneumoscope.training.estimate import estimate, memory_needed
from pneumoscope.training.evaluate import finished_network
from pneumoscope.training.examples import Examples
from pneumoscope.training.trainer import Trainer

COLOURS = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.3]}
CONVNEXT = ConvNextV2Config(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], num_labels=5)
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
SWIN = SwinConfig(embed_dim=8, depths=[1, 1, 1], num_heads=[1, 2, 2], image_size=96, window_size=3)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a classifier of five classes as the hub keeps it, and how its images were prepared."""
    folder = tmp_path_factory.mktemp("convnext")
    torch.manual_seed(0)
    ConvNextV2ForImageClassification(CONVNEXT).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(COLOURS))
    return folder


@pytest.fixture(scope="module")
def store(phantom_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> ExampleStore:
    return ExampleStore(open_dataset(phantom_dataset), ArrayCache(tmp_path_factory.mktemp("c")))


def recipe(checkpoint: Path, *settings: str):
    quick = ["image_size=64", "epochs=2", "head_epochs=1", "precision=float32"]
    return make_recipe("hub", assignments=[f"weights={checkpoint}", *quick, *settings])


@pytest.fixture(scope="module")
def run(checkpoint: Path, store: ExampleStore, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(store, recipe(checkpoint), tmp_path_factory.mktemp("run") / "hub")


@pytest.mark.parametrize(
    ("model", "side", "kept"),
    [
        (Dinov2Model(Dinov2Config(**SMALL, patch_size=14, image_size=70)), 6, 1),
        (ViTModel(ViTConfig(**SMALL, intermediate_size=64, patch_size=16, image_size=96)), 6, 1),
        (SwinModel(SWIN), 6, 0),
    ],
)
def test_what_a_transformer_says_of_a_patch_is_in_the_patch_s_place(
    model: torch.nn.Module, side: int, kept: int, tmp_path: Path
) -> None:
    model.save_pretrained(tmp_path)
    pretrained = load_pretrained(str(tmp_path))
    network = build_network(HUB, 96, seed=0, structure=pretrained.structure)
    pretrained.fill(network.head)
    image = torch.rand(1, 1, 96, 96, generator=torch.Generator().manual_seed(0))
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)  # none is in the folder: ImageNet's
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    with torch.inference_mode():
        tokens = model.eval()((image - mean) / std).last_hidden_state[0]
        maps = network.eval().head.features(image)[0]
    assert maps.shape == (tokens.shape[1], side, side)
    for row, column in ((0, 0), (0, 5), (3, 2), (5, 5)):
        expected = tokens[kept + row * side + column]
        torch.testing.assert_close(maps[:, row, column], expected, atol=1e-5, rtol=1e-5)


def test_a_checkpoint_gives_its_own_features_in_its_own_colours(checkpoint: Path) -> None:
    pretrained = load_pretrained(str(checkpoint))
    head = hub_network(pretrained.structure).eval()
    pretrained.fill(head)
    images = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    mean, std = (
        torch.tensor(COLOURS[f"image_{name}"]).view(1, 3, 1, 1) for name in ("mean", "std")
    )
    with torch.inference_mode():
        theirs = AutoModel.from_pretrained(checkpoint).eval()((images - mean) / std)
        ours = head.features(images)
    torch.testing.assert_close(ours, theirs.last_hidden_state, atol=1e-5, rtol=1e-5)
    assert pretrained.origin.endswith("a folder")
    assert load_pretrained(str(checkpoint)).digest == pretrained.digest


def test_the_heat_map_adds_up_to_the_logit(run: Run) -> None:
    network, _ = finished_network(run)
    pixels = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
    logits, maps, _ = Deployed(network.cpu())(pixels)
    torch.testing.assert_close(
        maps.sum((1, 2)) + network.head.output.bias, logits, atol=1e-5, rtol=1e-5
    )


def weights(trainer: Trainer, part: str) -> list[torch.Tensor]:
    return [one.detach().clone() for one in trainer.network.head.get_submodule(part).parameters()]


def prepared(checkpoint: Path, store: ExampleStore, *settings: str) -> Trainer:
    from pneumoscope.dataset import Split

    made = recipe(checkpoint, *settings)
    pretrained = load_pretrained(made.weights)
    network = build_network(HUB, 64, made.seed, structure=pretrained.structure)
    pretrained.fill(network.head)
    learned, validated = (store.pixels(split, made) for split in (Split.TRAIN, Split.VALIDATION))
    return Trainer(network, made, learned, validated)


def test_first_the_head_learns_alone_and_then_all_of_it(
    checkpoint: Path, store: ExampleStore
) -> None:
    trainer = prepared(checkpoint, store)
    begun = {part: weights(trainer, part) for part in ("features", "output")}
    trainer.run_epoch(lambda *_: None)
    head = {part: weights(trainer, part) for part in begun}
    assert all(map(torch.equal, head["features"], begun["features"]))
    assert not torch.equal(head["output"][0], begun["output"][0])
    trainer.run_epoch(lambda *_: None)
    assert not all(map(torch.equal, weights(trainer, "features"), head["features"]))


def test_pretrained_layers_learn_at_their_share_of_the_rate(
    checkpoint: Path, store: ExampleStore
) -> None:
    """Adam's first step has the size of the learning rate."""
    trainer = prepared(
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
    begun = {part: weights(trainer, part) for part in ("features", "output")}
    trainer.run_epoch(lambda *_: None)
    steps = {
        part: torch.cat(
            [
                (a - b).abs().flatten()
                for a, b in zip(weights(trainer, part), begun[part], strict=True)
            ]
        )
        for part in begun
    }
    assert steps["output"].median() == pytest.approx(0.01, rel=0.02)
    assert steps["features"].median() == pytest.approx(0.0025, rel=0.02)


def test_a_run_stands_on_its_own(run: Run, store: ExampleStore, tmp_path: Path) -> None:
    """Nothing but the Run's folder: read again, exported, and read by a reader without torch."""
    from pneumoscope.training.export import export_bundle
    from pneumoscope.training.export_pytorch import export_pytorch

    moved = run.recipe.model_copy(update={"weights": str(tmp_path / "gone")})
    moved.write(run.folder / "recipe.yaml")
    again = Run.open(run.folder)
    said = Predictions.read(run.folder / "predictions" / "validation.csv")
    export_pytorch(again, tmp_path / "network")
    saved = load_network(tmp_path / "network")
    path = store.manifest.root / said.files[0]
    with torch.inference_mode():
        probability = float(saved.network(saved.image(path)[None]).sigmoid())
    assert probability == pytest.approx(said.probabilities[0], abs=1e-5)
    bundle = export_bundle([again], tmp_path / "bundle", ArrayCache(tmp_path / "cache"), "hub")
    reading = Reader(bundle).read(path)
    temperature = bundle.record.calibration.temperature
    logit = np.log(said.probabilities[0] / (1 - said.probabilities[0])) / temperature
    assert reading.probability == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-4)
    assert again.record.backbone.origin.endswith("a folder")


def interrupt(
    store: ExampleStore, made: Recipe, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Train, and stop after one epoch as Ctrl-C does."""
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


def test_what_it_will_take_is_said_before(checkpoint: Path) -> None:
    small, large = (recipe(checkpoint, f"batch_size={size}") for size in (8, 64))
    assert memory_needed(small, 100) < memory_needed(large, 100)
    assert estimate(small, 16, 8).epoch_seconds > 0


def damaged(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"not weights")


def without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def without_configuration(folder: Path) -> None:
    (folder / "config.json").unlink()


@pytest.mark.parametrize("spoil", [damaged, without_weights, without_configuration])
def test_a_folder_that_is_no_checkpoint_is_refused(
    checkpoint: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    for file in checkpoint.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    spoil(tmp_path)
    with pytest.raises(WeightsError, match=r"no network can be had.*such as --weights facebook"):
        load_pretrained(str(tmp_path))


def test_half_a_network_is_refused(tmp_path: Path) -> None:
    ConvNextV2ForImageClassification(CONVNEXT).save_pretrained(tmp_path)
    deeper = CONVNEXT.to_dict() | {"depths": [1, 1, 2, 1]}
    (tmp_path / "config.json").write_text(json.dumps(deeper))
    with pytest.raises(WeightsError, match="weights are missing"):
        load_pretrained(str(tmp_path))


def test_a_network_for_words_is_refused(store: ExampleStore, tmp_path: Path) -> None:
    words = BertConfig(**SMALL, intermediate_size=64, vocab_size=50)
    BertModel(words).save_pretrained(tmp_path / "bert")
    with pytest.raises(WeightsError, match=r"'bert' cannot be built for grey images"):
        train(store, recipe(tmp_path / "bert"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["imagenet", "/nowhere/at/all", "./nothing"])
def test_a_name_that_is_nothing_is_refused(
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
    assert f"{name}: no network can be had from it" in outcome.err
    assert not (tmp_path / "r").exists()


def test_a_classifier_without_a_pooler_has_the_same_weights_each_time(tmp_path: Path) -> None:
    """As google/vit-base-patch16-224: what transformers would draw anew is not used."""
    settings = ViTConfig(**SMALL, intermediate_size=64, patch_size=16, image_size=64, num_labels=5)
    ViTForImageClassification(settings).save_pretrained(tmp_path)
    first, second = (load_pretrained(str(tmp_path)) for _ in range(2))
    assert first.digest == second.digest
    head = hub_network(first.structure)
    first.fill(head)  # every weight, none is left over
    assert head(torch.rand(2, 1, 64, 64)).shape == (2, 1)


def test_half_precision_is_read_as_float32(tmp_path: Path) -> None:
    ConvNextV2ForImageClassification(CONVNEXT).half().save_pretrained(tmp_path)
    pretrained = load_pretrained(str(tmp_path))
    assert {value.dtype for value in pretrained.state.values()} == {torch.float32}
    head = hub_network(pretrained.structure)
    pretrained.fill(head)
    assert head(torch.rand(1, 1, 64, 64)).dtype is torch.float32


def test_tokens_that_are_no_map_are_refused(tmp_path: Path) -> None:
    """Masked autoencoders show a random quarter of the patches in random order."""
    masked = ViTMAEConfig(**SMALL, intermediate_size=64, patch_size=16, image_size=224)
    ViTMAEModel(masked).save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="'vit_mae' cannot be built for grey images"):
        hub_network(load_pretrained(str(tmp_path)).structure)


@pytest.mark.parametrize(
    ("processor", "mean"),
    [({"do_normalize": False, **COLOURS}, [0, 0, 0]), ({}, [0.485, 0.456, 0.406])],
)
def test_colours_are_as_the_checkpoint_says(
    checkpoint: Path, tmp_path: Path, processor: dict, mean: list[float]
) -> None:
    (tmp_path / "config.json").write_bytes((checkpoint / "config.json").read_bytes())
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
    assert read_structure(str(tmp_path))["mean"] == mean


def test_a_damaged_preprocessor_is_no_missing_one(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((checkpoint / "config.json").read_bytes())
    (tmp_path / "preprocessor_config.json").write_text("{")
    with pytest.raises(WeightsError, match="no network can be had"):
        read_structure(str(tmp_path))


def test_a_run_without_its_structure_is_named(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder, tmp_path / "run")
    (tmp_path / "run" / "structure.json").unlink()
    with pytest.raises(WeightsError, match=r"structure\.json"):
        finished_network(Run.open(tmp_path / "run"))


def test_averaged_weights_leave_indices_alone(tmp_path: Path) -> None:
    """Swin looks its places up in a table of integers."""
    made = make_recipe("hub", assignments=["weight_average=0.9", "precision=float32"])
    SwinModel(SWIN).save_pretrained(tmp_path)
    network = build_network(HUB, 96, 0, structure=load_pretrained(str(tmp_path)).structure)
    entries = tuple(Entry(str(i), Label(i % 2)) for i in range(8))
    pixels = np.random.default_rng(0).integers(0, 256, (8, 96, 96), np.uint8)
    examples = Examples(entries, pixels, np.arange(8))
    trainer = Trainer(network, made.model_copy(update={"batch_size": 2}), examples, examples)
    trainer.run_epoch(lambda *_: None)
    indices = [
        (one, other)
        for (name, one), (_, other) in zip(
            network.named_buffers(), trainer.result.named_buffers(), strict=True
        )
        if name.endswith("relative_position_index")
    ]
    assert indices
    assert all(torch.equal(one, other) for one, other in indices)


COMMIT = "0123456789abcdef0123456789abcdef01234567"
FETCH = """
import sys
from pneumoscope.models.hub import load_pretrained
for name in sys.argv[1:]:
    pretrained = load_pretrained(name)
    print(pretrained.origin, pretrained.digest, pretrained.structure["mean"], sep="|")
"""


@pytest.fixture
def hub(checkpoint: Path) -> tuple[type[BaseHTTPRequestHandler], list[str]]:
    """Return what answers as the hub does, with one network, and the paths it is asked for."""
    asked: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            asked.append(f"{self.command} {self.path}")
            for revision in ("main", "v1", COMMIT):
                name = self.path.partition(f"/lung/tiny/resolve/{revision}/")[2]
                file = checkpoint / name
                if name and file.is_file():
                    content = file.read_bytes()
                    self.send_response(200)
                    self.send_header("ETag", f'"{len(content)}-{name}"')
                    self.send_header("X-Repo-Commit", COMMIT)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content if body else b"")
                    return
            self.send_response(404)
            there = "/lung/tiny/" in self.path
            self.send_header("X-Error-Code", "EntryNotFound" if there else "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return Hub, asked


def test_it_is_fetched_once_from_the_hub(
    hub: tuple[type[BaseHTTPRequestHandler], list[str]],
    start_server: Callable,
    checkpoint: Path,
    tmp_path: Path,
) -> None:
    handler, asked = hub
    address = start_server(handler)

    def fetch(*names: str, **more: str) -> subprocess.CompletedProcess[str]:
        settings = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
        command = [sys.executable, "-c", FETCH, *names]
        return subprocess.run(command, capture_output=True, text=True, env=settings | more)

    done = fetch("lung/tiny", "lung/tiny@v1")
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        origin, digest, mean = line.split("|")
        assert origin == f"lung/tiny, commit {COMMIT[:12]}"
        assert digest == load_pretrained(str(checkpoint)).digest
        assert mean == str(COLOURS["image_mean"])
    assert sum("GET" in line and "model.safetensors" in line for line in asked) == 1
    offline = fetch("lung/tiny", HF_HUB_OFFLINE="1")
    assert offline.stdout == done.stdout.splitlines(keepends=True)[0]
    unknown = fetch("lung/none")
    assert unknown.returncode == 1
    assert "lung/none: no network can be had from it" in unknown.stderr


def test_without_a_preprocessor_imagenet_s_colours_are_taken(
    checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_bytes((checkpoint / "config.json").read_bytes())
    assert read_structure(str(tmp_path))["mean"] == [0.485, 0.456, 0.406]


def test_models_are_listed_with_it_and_its_layers_are_not_known(pneumoscope: Callable) -> None:
    assert "its own" in pneumoscope("models").out
    outcome = pneumoscope("models", "show", "hub")
    assert outcome.code == 1
    assert "--weights" in outcome.err


def test_it_is_not_searched() -> None:
    from pneumoscope.training.search_plan import Plan

    with pytest.raises(RecipeError, match="pretrained"):
        Plan(("hub",)).check()
