"""Training loop, compared with losses calculated by hand."""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pneumoscope.dataset import Label, Manifest, Split, open_dataset
from pneumoscope.dataset.manifest import Entry
from pneumoscope.models import MODELS, Network, build_network
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.errors import RunError
from pneumoscope.training import ExampleStore, Recipe, make_recipe
from pneumoscope.training.examples import Examples, batches
from pneumoscope.training.initial_weights import build_initial_network, load_initial_weights
from pneumoscope.training.prediction import predict
from pneumoscope.training.trainer import Trainer

SIZE = "image_size=64"
EXACT = "precision=float32"


def examples(n: int = 40, size: int = 64) -> Examples:
    """Make images that are bright if ill, which any network can learn."""
    rng = np.random.default_rng(0)
    labels = [Label(i % 4 > 0) for i in range(n)]  # one NORMAL for three PNEUMONIA
    pixels = np.stack([rng.integers(0, 100, (size, size)) + 120 * label for label in labels])
    kinds = [(None, "virus", "bacteria")[label and 1 + i % 2] for i, label in enumerate(labels)]
    entries = tuple(
        Entry(f"{i}.png", label, subtype=kind)
        for i, (label, kind) in enumerate(zip(labels, kinds, strict=True))
    )
    return Examples(entries, pixels.astype(np.uint8), np.arange(n))


def trainer(recipe: Recipe, n: int = 40, weights: np.ndarray | None = None) -> Trainer:
    network = build_network(MODELS[recipe.model], recipe.image_size, recipe.seed)
    return Trainer(network, recipe, examples(n), examples(n), weights)


def run(trainer: Trainer) -> list[float]:
    while not trainer.finished:
        trainer.run_epoch(lambda *_: None)
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


def test_it_learns_an_easy_task() -> None:
    done = trainer(make_recipe("model_2", assignments=[SIZE, "epochs=4"]))
    run(done)
    probabilities = predict(done.network, examples(), done.recipe.precision)
    assert ((probabilities >= 0.5) == examples().labels).all()


def test_loss_is_the_mean_cross_entropy_plus_the_penalty() -> None:
    """A network with the constant logit 1 and a penalised kernel of known square."""
    data = examples()
    head = nn.Sequential(
        OrderedDict(
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            dense=nn.Linear(1, 2, bias=False),
            output=nn.Linear(2, 1),
        )
    )
    head.dense.weight.data = torch.tensor([[2.0], [-2.0]])
    head.output.weight.data = torch.ones(1, 2)  # the dense layer's outputs cancel one another
    head.output.bias.data = torch.ones(1)
    settings = [SIZE, EXACT, "l2=0.5", "epochs=1", "learning_rate=1e-30"]
    recipe = make_recipe("model_7", assignments=settings)
    network = Network(head, penalised=("dense",))
    epoch = Trainer(network, recipe, data, data).run_epoch(lambda *_: None)
    p = 1 / (1 + np.exp(-1))
    expected = -(0.75 * np.log(p) + 0.25 * np.log(1 - p)) + 0.5 * 8
    assert epoch.loss == pytest.approx(expected, rel=1e-5)
    assert epoch.val_loss == pytest.approx(expected, rel=1e-5)
    # All are called PNEUMONIA: one in four is a false positive.
    assert (epoch.precision, epoch.recall) == (0.75, 1.0)
    assert (epoch.val_precision, epoch.val_recall) == (0.75, 1.0)


def test_first_step_is_adams() -> None:
    """Adam's first step moves each weight by the learning rate against the sign of its gradient."""
    recipe = make_recipe("model_1", assignments=[SIZE, "epochs=1", "batch_size=40"])
    done = trainer(recipe)
    before = done.network.head.output.weight.detach().clone()
    done.run_epoch(lambda *_: None)
    moved = (done.network.head.output.weight.detach() - before).abs()
    assert moved.max().item() == pytest.approx(1e-3, rel=1e-2)
    assert done.optimizer.param_groups[0]["eps"] == 1e-7
    # epsilon 1e-7 is far below the gradients here, so nearly all move by the full step
    assert moved.median().item() == pytest.approx(1e-3, rel=1e-2)


def test_losses_in_bfloat16_are_near_those_in_float32() -> None:
    """Its products are exact to one part in 256; weights and their updates stay float32."""
    losses = {}
    for precision in ("float32", "bfloat16"):
        settings = [SIZE, "epochs=1", f"precision={precision}"]
        done = trainer(make_recipe("model_4", assignments=settings))
        losses[precision] = run(done)
        assert {value.dtype for value in done.network.parameters()} == {torch.float32}
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.1)
    assert losses["bfloat16"] != losses["float32"]


def test_label_smoothing_affects_training_but_not_validation() -> None:
    """A network with the constant logit 1; three of four labels are 1."""
    settings = [SIZE, EXACT, "epochs=1", "learning_rate=1e-30", "label_smoothing=0.2"]
    constant = trainer(make_recipe("model_1", assignments=settings))
    constant.network.head.output.weight.data.zero_()
    constant.network.head.output.bias.data.fill_(1)
    epoch = constant.run_epoch(lambda *_: None)
    p = 1 / (1 + np.exp(-1))
    ill = 0.75 * 0.9 + 0.25 * 0.1
    assert epoch.loss == pytest.approx(-(ill * np.log(p) + (1 - ill) * np.log(1 - p)), rel=1e-5)
    assert epoch.val_loss == pytest.approx(-(0.75 * np.log(p) + 0.25 * np.log(1 - p)), rel=1e-5)


def test_weight_decay_shrinks_kernels_alone() -> None:
    """Where the gradient is zero, AdamW multiplies a kernel by 1 - learning rate * decay."""
    settings = [SIZE, EXACT, "epochs=1", "batch_size=40", "learning_rate=0.01", "weight_decay=5"]
    done = trainer(make_recipe("model_2", assignments=settings))
    done.network.head.output.weight.data.zero_()  # so nothing before it has a gradient
    done.network.head.dense_1.bias.data.fill_(0.5)
    before = done.network.head.dense_1.weight.detach().clone()
    done.run_epoch(lambda *_: None)
    after = done.network.head.dense_1
    torch.testing.assert_close(after.weight.detach(), before * 0.95)
    assert (after.bias == 0.5).all()


def test_one_cycle_starts_and_ends_at_zero() -> None:
    settings = [SIZE, "epochs=4", "batch_size=4", "early_stopping=null", "one_cycle={warmup: 0.5}"]
    done = trainer(make_recipe("model_1", assignments=settings))
    rates: list[float] = []
    done.optimizer.register_step_pre_hook(lambda *_: rates.append(_rate(done)))
    run(done)
    assert rates[0] == 0
    assert rates[20] == max(rates) == pytest.approx(1e-3)
    assert rates[-1] < 1e-5
    assert len(rates) == 40


def _rate(trainer: Trainer) -> float:
    return float(trainer.optimizer.param_groups[0]["lr"])


def test_averaged_weights_are_the_mean_of_those_after_each_batch() -> None:
    settings = [SIZE, EXACT, "epochs=1", "batch_size=10", "weight_average=0.9"]
    done = trainer(make_recipe("model_4", assignments=settings))
    seen: list[torch.Tensor] = []
    kernel = done.network.head.conv_2.weight
    done.optimizer.register_step_post_hook(lambda *_: seen.append(kernel.detach().clone()))
    epoch = done.run_epoch(lambda *_: None)
    averaged = done.result.head
    torch.testing.assert_close(averaged.conv_2.weight, torch.stack(seen).mean(0))
    assert not torch.equal(averaged.norm_1.running_mean, done.network.head.norm_1.running_mean)
    # The averaged network is evaluated:
    p = predict(done.result, done.validation, done.recipe.precision)
    labels = done.validation.labels
    expected = -np.where(labels == 1, np.log(p), np.log(1 - p)).mean()
    assert epoch.val_loss == pytest.approx(expected, rel=1e-5)


def test_progress_counts_every_batch() -> None:
    recipe = make_recipe("model_1", assignments=[SIZE, "epochs=1", "batch_size=2"])
    done, losses = 0, []

    def on_batches(batches: int, loss: float) -> None:
        nonlocal done
        done += batches
        losses.append(loss)

    epoch = trainer(recipe).run_epoch(on_batches)
    assert done == 20
    assert losses[-1] == epoch.loss


def test_weighted_loss_weights_both_classes_equally() -> None:
    """With the constant logit 0 the weighted loss is log 2 at any class balance."""
    recipe = make_recipe(
        "model_1",
        assignments=[SIZE, EXACT, "epochs=1", "class_balance=weighted_loss", "batch_size=40"],
    )
    balanced = trainer(recipe)
    balanced.network.head.output.weight.data.zero_()
    gradients = []
    hook = balanced.network.head.output.bias.register_hook(lambda g: gradients.append(g.item()))
    epoch = balanced.run_epoch(lambda *_: None)
    hook.remove()
    assert epoch.loss == pytest.approx(np.log(2), rel=1e-5)
    assert gradients == [pytest.approx(0, abs=1e-6)]  # unweighted it would be -0.25


def test_images_are_drawn_in_proportion_to_their_weights() -> None:
    recipe = make_recipe("model_1", assignments=[SIZE])
    weights = np.repeat([0.0, 1.0, 3.0], [500, 500, 1000])
    weighted = trainer(recipe, n=2000, weights=weights)
    drawn = np.bincount(weighted._order(np.random.default_rng(0)), minlength=2000)
    thirds = [
        drawn[part].sum() / 2000 for part in (slice(500), slice(500, 1000), slice(1000, None))
    ]
    assert thirds == [0, pytest.approx(1 / 7, abs=0.03), pytest.approx(6 / 7, abs=0.03)]


@pytest.mark.parametrize("bias", [float("nan"), 8e12])
def test_divergence_stops_with_the_remedy(bias: float) -> None:
    broken = trainer(make_recipe("model_1", assignments=[SIZE]))
    broken.network.head.output.bias.data.fill_(bias)
    with pytest.raises(RunError, match="learning_rate"):
        broken.run_epoch(lambda *_: None)


@pytest.mark.parametrize("n", [1, 2, 31, 32, 33, 64, 65])
def test_batches_cover_all_examples_and_none_has_one(n: int) -> None:
    cut = list(batches(np.arange(n), 32))
    assert np.concatenate(cut).tolist() == list(range(n))
    assert n == 1 or all(2 <= len(batch) <= 33 for batch in cut)


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["weight_average=0.9", "one_cycle={}", "early_stopping=null", "reduce_on_plateau=null"],
        ["subtype_weight=0.5"],
    ],
)
def test_a_restored_training_continues_identically(settings: list[str]) -> None:
    recipe = make_recipe("model_4", assignments=[SIZE, "epochs=3", *settings])
    whole, first, second = (trainer(recipe) for _ in range(3))
    losses = run(whole)
    first.run_epoch(lambda *_: None)
    second.restore(first.state())
    assert run(second) == losses
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, second.network.state_dict()[name])
    for name, value in whole.result.state_dict().items():
        assert torch.equal(value, second.result.state_dict()[name])


def manifest_of(folder: Path) -> Manifest:
    return open_dataset(folder)


def test_cached_features_give_the_same_losses(small_dataset: Path, tmp_path: Path) -> None:
    recipe = make_recipe("model_6", assignments=[SIZE, "epochs=2", "weights=none"])
    store = ExampleStore(manifest_of(small_dataset), ArrayCache(tmp_path))
    curves = []
    for cached in (True, False):
        network = build_initial_network(recipe, load_initial_weights(recipe))
        train, validation = (
            store.examples(split, recipe, network.backbone if cached else None)
            for split in (Split.TRAIN, Split.VALIDATION)
        )
        assert train.are_pixels != cached
        curves.append(run(Trainer(network, recipe, train, validation)))
    assert len(curves[0]) == 4
    np.testing.assert_allclose(curves[0], curves[1], rtol=1e-3)
