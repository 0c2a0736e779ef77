"""Estimated memory against real peaks, and simulated limits."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pneumoscope.support.errors import RecipeError
from pneumoscope.training import make_recipe, memory_estimate
from pneumoscope.training.memory_estimate import estimate_memory, require_memory

# VmHWM is of this process alone; getrusage reports the parent's peak if that is larger.
# Each training is in a process of its own, the first in a fork: the imports take seconds.
PEAKS = """
import os
import sys
import torch
from pneumoscope.training import make_recipe
from pneumoscope.training.cost_estimate import _random_network, _trainer
from pneumoscope.training.examples import pass_batch_size

def print_peak(model, batch):
    recipe = make_recipe(model, assignments=["precision=float32", f"batch_size={batch}"])
    trainer = _trainer(recipe, 2 * recipe.batch_size)  # the second step has Adam's moments too
    trainer.run_epoch(lambda *_: None)
    if recipe.model == "model_7":
        size = recipe.image_size
        with torch.inference_mode():
            _random_network(recipe).backbone(torch.rand(pass_batch_size(), 1, size, size)).sum()
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    print(int(status["VmHWM"].split()[0]) * 1024, flush=True)

if child := os.fork():
    assert os.waitpid(child, 0)[1] == 0
    print_peak(*sys.argv[3:])
else:
    print_peak(*sys.argv[1:3])
    os._exit(0)  # PyTorch's threads, which a fork lacks, would be waited for
"""


@pytest.mark.parametrize(
    "batch_sizes",
    [
        {"model_4": 64, "model_7": 256},
        pytest.param({"model_2": 32, "compact": 64}, marks=pytest.mark.thorough),
    ],
)
def test_the_estimate_is_near_the_measured_peak(batch_sizes: dict[str, int]) -> None:
    words = [str(word) for item in batch_sizes.items() for word in item]
    process = subprocess.run(
        [sys.executable, "-c", PEAKS, *words], capture_output=True, text=True, check=True
    )
    for (model, batch), peak in zip(batch_sizes.items(), process.stdout.split(), strict=True):
        settings = ["precision=float32", f"batch_size={batch}"]
        needed = estimate_memory(make_recipe(model, assignments=settings), images=0)
        assert 0.85 < needed / int(peak) < 1.7, model


@pytest.fixture
def small_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate 2 GB of free memory beside the 0.2 GB of this process."""
    monkeypatch.setattr(memory_estimate, "free_memory", lambda: 2_000_000_000)
    monkeypatch.setattr(memory_estimate, "process_memory", lambda: 200_000_000)


def test_too_little_memory_is_refused_with_settings_that_fit(small_computer: None) -> None:
    recipe = make_recipe("model_4", assignments=["batch_size=256", "precision=float32"])
    with pytest.raises(RecipeError, match=r"needs about .* GB of memory, and 2\.2 GB") as refused:
        require_memory(recipe, 100)
    settings = [part.split()[0].strip(",") for part in str(refused.value).split("--set ")[1:]]
    assert [setting.partition("=")[0] for setting in settings] == ["batch_size", "image_size"]
    for setting in settings:
        name, _, value = setting.partition("=")
        fits = recipe.model_copy(update={name: int(value)})
        require_memory(fits, 100)
        step = int(value) if name == "batch_size" else 32
        with pytest.raises(RecipeError):  # the next larger one does not
            require_memory(recipe.model_copy(update={name: int(value) + step}), 100)


def test_nothing_fits(monkeypatch: pytest.MonkeyPatch, small_computer: None) -> None:
    monkeypatch.setattr(memory_estimate, "free_memory", lambda: 1000)
    with pytest.raises(RecipeError, match="nothing smaller fits either"):
        require_memory(make_recipe("model_4"), 100)


def test_unknown_memory_refuses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_estimate, "free_memory", lambda: None)
    recipe = make_recipe("model_2", assignments=["image_size=1024", "batch_size=4096"])
    require_memory(recipe, 10**9)


@pytest.fixture
def small_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a GPU with 6 GB free and 4 GB reserved by this process."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (6_000_000_000, 80_000_000_000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 4_000_000_000)


@pytest.mark.parametrize(
    ("model", "bytes_an_image"), [("model_1", 150 * 150), ("model_7", 4 * 4 * 512 * 4)]
)
def test_a_gpu_holds_all_images(small_gpu: None, model: str, bytes_an_image: int) -> None:
    recipe = make_recipe(model, assignments=["precision=float32"])
    without_images = estimate_memory(recipe, 0)
    assert estimate_memory(recipe, 1000) - without_images == 1000 * bytes_an_image
    most = (10_000_000_000 - without_images) // bytes_an_image
    require_memory(recipe, most)
    with pytest.raises(RecipeError, match=r"10\.0 GB are available"):
        require_memory(recipe, most + 1)


def test_without_a_gpu_images_stay_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    recipe = make_recipe("model_1")
    assert estimate_memory(recipe, 0) == estimate_memory(recipe, 10**9)


def test_a_training_that_does_not_fit_leaves_nothing_behind(
    pneumoscope: Callable, small_dataset: Path, tmp_path: Path, small_computer: None
) -> None:
    words = ("--model", "model_4", "--set", "batch_size=512", "--out", tmp_path / "out")
    outcome = pneumoscope("experiment", small_dataset, *words)
    assert outcome.code == 1
    assert "--set batch_size=" in outcome.err
    assert not (tmp_path / "out").exists()
