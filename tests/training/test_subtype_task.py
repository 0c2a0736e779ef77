"""Auxiliary task, compared with losses calculated by hand."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from pneumoscope.dataset import Entry, Label
from pneumoscope.models import Network, build_network, find_model
from pneumoscope.support.errors import DatasetError, RecipeError
from pneumoscope.training import make_recipe
from pneumoscope.training.examples import Examples
from pneumoscope.training.prediction import predict
from pneumoscope.training.subtype_task import SubtypeTask
from pneumoscope.training.trainer import Trainer

SETTINGS = ["image_size=64", "precision=float32", "batch_size=12", "early_stopping=null"]


def network() -> Network:
    return build_network(find_model("model_2"), 64, seed=0)


def examples(kinds: Sequence[str | None]) -> Examples:
    """Make healthy images, and ill ones in which a bright half means virus."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 60, (len(kinds), 64, 64))
    for image, kind in zip(pixels, kinds, strict=True):
        image[:, :32] += 120 * (kind is not None)
        image[32:] += 70 * (kind == "virus")
    entries = tuple(
        Entry(f"{i}.png", Label(kind is not None), subtype=kind) for i, kind in enumerate(kinds)
    )
    return Examples(entries, pixels.astype(np.uint8), np.arange(len(kinds)))


KINDS = [None, "virus", "bacteria"] * 8


def test_the_first_loss_adds_log_2() -> None:
    """At first the auxiliary task predicts one half for each image: its loss is log 2."""
    losses = []
    for weight in (0, 0.25, 1):
        recipe = make_recipe(
            "model_2", assignments=[*SETTINGS, "batch_size=24", f"subtype_weight={weight}"]
        )
        trainer = Trainer(network(), recipe, examples(KINDS), examples(KINDS))
        losses.append(trainer.run_epoch(lambda *_: None).loss)
    assert losses[1] - losses[0] == pytest.approx(0.25 * np.log(2), rel=1e-5)
    assert losses[2] - losses[0] == pytest.approx(np.log(2), rel=1e-5)


def test_the_loss_ignores_healthy_images_and_halves_unknown_ones() -> None:
    logits = torch.tensor([2.0, -1.0, 3.0], requires_grad=True)
    loss = SubtypeTask.loss(logits, torch.tensor([1, 0.5, 0]), torch.tensor([1.0, 1, 0]))
    sure, unknown = np.log1p(np.exp(-2)), (np.log1p(np.exp(1)) + np.log1p(np.exp(-1))) / 2
    assert loss.item() == pytest.approx((sure + unknown) / 2, rel=1e-6)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[1] < 0  # from below up to the middle
    assert logits.grad[2] == 0
    none_ill = SubtypeTask.loss(torch.ones(2), torch.ones(2), torch.zeros(2))
    assert none_ill.item() == 0


def test_the_network_learns_both_tasks_and_keeps_its_structure() -> None:
    recipe = make_recipe("model_2", assignments=[*SETTINGS, "epochs=40", "subtype_weight=1"])
    trainer = Trainer(network(), recipe, examples(KINDS), examples(KINDS))
    while not trainer.finished:
        trainer.run_epoch(lambda *_: None)
    task = trainer._subtypes
    assert task is not None
    ill = np.flatnonzero([kind is not None for kind in KINDS])
    with torch.inference_mode():
        _, viral = task.eval()(trainer.train.batch(ill, trainer.device))
    predicted = (viral > 0).tolist()
    assert predicted == [KINDS[row] == "virus" for row in ill]
    assert trainer.result.state_dict().keys() == network().state_dict().keys()
    probabilities = predict(trainer.result, trainer.validation, recipe.precision)
    assert probabilities.shape == (24,)


def test_images_without_a_subtype_are_refused_with_the_remedy() -> None:
    recipe = make_recipe("model_2", assignments=[*SETTINGS, "subtype_weight=1"])
    unnamed = Examples(
        (Entry("a.png", Label.PNEUMONIA), Entry("b.png", Label.NORMAL)),
        np.zeros((2, 64, 64), np.uint8),
        np.arange(2),
    )
    trainer = Trainer(network(), recipe, unnamed, unnamed)
    with pytest.raises(DatasetError, match="none does; set subtype_weight to 0"):
        trainer.run_epoch(lambda *_: None)


def test_frozen_layers_are_refused() -> None:
    with pytest.raises(RecipeError, match="model_5 has frozen layers"):
        make_recipe("model_5", assignments=["subtype_weight=1"])
