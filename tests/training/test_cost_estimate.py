"""Estimated durations against a simulated clock."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from pneumoscope.training import cost_estimate, make_recipe
from pneumoscope.training.cost_estimate import estimate_cost
from pneumoscope.training.trainer import Trainer


def test_seconds_are_those_of_the_timed_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four steps and a prediction of 128 images in 10 s, the prediction alone in 2 s."""
    clock = 0.0

    def predict(*_: object) -> None:
        nonlocal clock
        clock += 2

    monkeypatch.setattr(cost_estimate, "predict", predict)
    monkeypatch.setattr(cost_estimate, "time", SimpleNamespace(perf_counter=lambda: clock))
    monkeypatch.setattr(Trainer, "run_epoch", lambda *_: SimpleNamespace(seconds=10))
    recipe = make_recipe("model_1", assignments=["image_size=64", "epochs=5"])
    cost = estimate_cost(recipe, train=320, validation=256)
    assert cost.epoch_seconds == 10 * 2 + 2 * 2  # ten batches of 32, two of 128
    assert cost.seconds == 5 * 24
    assert cost.pass_seconds == 0


def test_vgg16_runs_once_unless_images_are_augmented(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost_estimate, "predict", lambda *_: None)  # these take seconds
    monkeypatch.setattr(Trainer, "run_epoch", lambda *_: SimpleNamespace(seconds=10))
    settings = ["image_size=64", "epochs=1", "batch_size=2"]
    once = make_recipe("model_5", assignments=settings)
    each = make_recipe("model_5", assignments=[*settings, "augmentation.flip=true"])
    assert estimate_cost(once, 4, 2).pass_seconds > 0
    assert estimate_cost(each, 4, 2).pass_seconds == 0
    assert not cost_estimate._trainer(once, 4).train.are_pixels
    assert cost_estimate._trainer(each, 4).train.are_pixels


@pytest.mark.parametrize("command", ["experiment", "train"])
def test_a_dry_run_prints_the_estimate_and_writes_nothing(
    pneumoscope: Callable, small_dataset: Path, tmp_path: Path, command: str
) -> None:
    words = (command, small_dataset, "--model", "model_1", "--out", tmp_path / "out")
    outcome = pneumoscope(*words, "--set", "image_size=64", "--dry-run")
    assert outcome.code == 0
    assert "model_1" in outcome.out
    assert not (tmp_path / "out").exists()
