"""The training loop against losses worked out by hand, and against itself uncached."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pneumoscope.dataset import Label, Manifest, Split, open_dataset
from pneumoscope.dataset.manifest import Entry
from pneumoscope.errors import RunError
from pneumoscope.models import MODELS, Network, build_network
from pneumoscope.models.vgg16 import load_vgg16
from pneumoscope.training import ExampleStore, Recipe, make_recipe
from pneumoscope.training.examples import Examples, batches
from pneumoscope.training.trainer import Trainer, predict

SIZE = "image_size=64"


def examples(n: int = 40, size: int = 64) -> Examples:
    """Make images that are bright if ill, so that anything can learn them."""
    rng = np.random.default_rng(0)
    labels = [Label(i % 4 > 0) for i in range(n)]  # one NORMAL for three PNEUMONIA
    pixels = np.stack([rng.integers(0, 100, (size, size)) + 120 * label for label in labels])
    entries = tuple(Entry(f"{i}.png", label) for i, label in enumerate(labels))
    return Examples(entries, pixels.astype(np.uint8))


def trainer(recipe: Recipe, n: int = 40) -> Trainer:
    network = build_network(MODELS[recipe.model], recipe.image_size, recipe.seed)
    return Trainer(network, recipe, examples(n), examples(n))


def run(trainer: Trainer) -> list[float]:
    while not trainer.finished:
        trainer.run_epoch(lambda loss: None)
    return [value for epoch in trainer.history for value in (epoch.loss, epoch.val_loss)]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    recipe = make_recipe("model_4", assignments=[SIZE, "epochs=2", "augmentation.rotation=5"])
    first, same = trainer(recipe), trainer(recipe)
    other = trainer(recipe.model_copy(update={"seed": 1}))
    losses = run(first)
    assert losses == run(same)
    assert losses != run(other)
    for name, value in first.network.state_dict().items():
        assert torch.equal(value, same.network.state_dict()[name])


def test_it_learns_what_is_plain_to_see() -> None:
    done = trainer(make_recipe("model_2", assignments=[SIZE, "epochs=4"]))
    run(done)
    probabilities = predict(done.network, examples())
    assert ((probabilities >= 0.5) == examples().labels).all()


def test_loss_is_the_mean_cross_entropy_plus_the_penalty() -> None:
    """A network that always gives the logit 1, and a penalised kernel of known square."""
    data = examples()
    head = nn.Sequential()
    head.add_module("pool", nn.AdaptiveAvgPool2d(1))
    head.add_module("flatten", nn.Flatten())
    head.add_module("output", nn.Linear(3, 1))
    head.output.weight.data = torch.zeros(1, 3)
    head.output.bias.data = torch.ones(1)
    recipe = make_recipe("model_7", assignments=[SIZE, "l2=0.5", "epochs=1", "learning_rate=1e-30"])
    network = Network(head, penalised=("output",))
    network.head.output.weight.data = torch.tensor([[0.0, 2.0, -2.0]])  # grey images cancel it out
    epoch = Trainer(network, recipe, data, data).run_epoch(lambda loss: None)
    p = 1 / (1 + np.exp(-1))
    expected = -(0.75 * np.log(p) + 0.25 * np.log(1 - p)) + 0.5 * 8
    assert epoch.loss == pytest.approx(expected, rel=1e-5)
    assert epoch.val_loss == pytest.approx(expected, rel=1e-5)
    # All is called PNEUMONIA: every fourth is a false alarm.
    assert (epoch.precision, epoch.recall) == (0.75, 1.0)
    assert (epoch.val_precision, epoch.val_recall) == (0.75, 1.0)


def test_first_step_is_adams() -> None:
    """Adam's first step moves each weight by the learning rate against the sign of its gradient."""
    recipe = make_recipe("model_1", assignments=[SIZE, "epochs=1", "batch_size=40"])
    done = trainer(recipe)
    before = done.network.head.output.weight.detach().clone()
    done.run_epoch(lambda loss: None)
    moved = (done.network.head.output.weight.detach() - before).abs()
    assert moved.max().item() == pytest.approx(1e-3, rel=1e-2)
    assert done.optimizer.param_groups[0]["eps"] == 1e-7
    # epsilon 1e-7 is far below the gradients here, so nearly all move by the full step
    assert moved.median().item() == pytest.approx(1e-3, rel=1e-2)


def test_weighted_loss_gives_both_classes_the_same_say() -> None:
    """With a constant logit 0 the weighted loss is log 2 however the classes are mixed."""
    recipe = make_recipe(
        "model_1", assignments=[SIZE, "epochs=1", "class_balance=weighted_loss", "batch_size=40"]
    )
    balanced = trainer(recipe)
    balanced.network.head.output.weight.data.zero_()
    gradients = []
    hook = balanced.network.head.output.bias.register_hook(lambda g: gradients.append(g.item()))
    epoch = balanced.run_epoch(lambda loss: None)
    hook.remove()
    assert epoch.loss == pytest.approx(np.log(2), rel=1e-5)
    assert gradients == [pytest.approx(0, abs=1e-6)]  # unweighted it would be -0.25


def test_sampler_draws_both_classes_equally() -> None:
    recipe = make_recipe("model_1", assignments=[SIZE, "class_balance=sampler"])
    drawn = trainer(recipe, n=2000)._order(np.random.default_rng(0))
    share = examples(2000).labels[drawn].mean()
    assert share == pytest.approx(0.5, abs=0.05)


def test_divergence_stops_with_the_remedy() -> None:
    broken = trainer(make_recipe("model_1", assignments=[SIZE]))
    broken.network.head.output.bias.data.fill_(float("nan"))
    with pytest.raises(RunError, match="learning_rate"):
        broken.run_epoch(lambda loss: None)


@pytest.mark.parametrize("n", [1, 2, 31, 32, 33, 64, 65])
def test_batches_cover_everything_once_and_none_is_of_one(n: int) -> None:
    cut = list(batches(np.arange(n), 32))
    assert np.concatenate(cut).tolist() == list(range(n))
    assert n == 1 or all(2 <= len(batch) <= 33 for batch in cut)


def test_restored_state_goes_on_as_if_nothing_had_happened() -> None:
    recipe = make_recipe("model_4", assignments=[SIZE, "epochs=3"])
    whole, first, second = (trainer(recipe) for _ in range(3))
    losses = run(whole)
    first.run_epoch(lambda loss: None)
    second.restore(first.state())
    assert run(second) == losses
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, second.network.state_dict()[name])


def manifest_of(folder: Path) -> Manifest:
    return open_dataset(folder)


def test_cached_features_give_the_loss_curve_of_the_uncached_network(
    small_dataset: Path, tmp_path: Path
) -> None:
    recipe = make_recipe("model_6", assignments=[SIZE, "epochs=3", "weights=none"])
    store = ExampleStore(manifest_of(small_dataset), tmp_path)
    curves = []
    for cached in (True, False):
        backbone = load_vgg16("none", 0)
        give = (
            (lambda split, b=backbone: store.examples(split, recipe, b))
            if cached
            else (lambda split: store.pixels(split, 64))
        )
        network = build_network(MODELS["model_6"], 64, 0, backbone.layers)
        one = Trainer(network, recipe, give(Split.TRAIN), give(Split.VALIDATION))
        assert one.train.are_pixels != cached
        curves.append(run(one))
    assert len(curves[0]) == 6
    np.testing.assert_allclose(curves[0], curves[1], rtol=1e-3)


def test_features_are_computed_once_for_all_models_and_anew_for_other_weights(
    small_dataset: Path, tmp_path: Path
) -> None:
    manifest = manifest_of(small_dataset)
    backbone = load_vgg16("none", 0)
    ExampleStore(manifest, tmp_path).features(Split.TEST, 64, backbone)
    (made,) = (tmp_path / "features").glob("*.npy")
    stamp = made.stat().st_mtime_ns
    for model in ("model_5", "model_6", "model_7"):
        recipe = make_recipe(model, assignments=[SIZE, "weights=none"])
        ExampleStore(manifest, tmp_path).examples(Split.TEST, recipe, backbone)
    assert [path.stat().st_mtime_ns for path in (tmp_path / "features").glob("*.npy")] == [stamp]
    ExampleStore(manifest, tmp_path).features(Split.TEST, 64, load_vgg16("none", 1))
    assert len(list((tmp_path / "features").glob("*.npy"))) == 2


def test_features_are_what_the_backbone_gives(small_dataset: Path, tmp_path: Path) -> None:
    store = ExampleStore(manifest_of(small_dataset), tmp_path)
    backbone = load_vgg16("none", 0)
    features = store.features(Split.TEST, 64, backbone)
    pixels = store.pixels(Split.TEST, 64)
    image = torch.from_numpy(pixels.inputs[3]).float().div(255).expand(1, 3, 64, 64)
    np.testing.assert_allclose(features.inputs[3], backbone.layers(image)[0], rtol=1e-4, atol=1e-7)
