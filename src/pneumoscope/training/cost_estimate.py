"""Duration and memory of a training, estimated from a few timed steps before it begins."""

import time
from dataclasses import dataclass

import numpy as np
import torch

from pneumoscope.dataset import Label
from pneumoscope.dataset.manifest import Entry
from pneumoscope.models import Network, Precision, build_network, computing_in, place, select_device
from pneumoscope.training.examples import Examples, pass_batch_size
from pneumoscope.training.memory_estimate import estimate_memory, load_structure, require_memory
from pneumoscope.training.prediction import PREDICTION_BATCH_SIZE, predict
from pneumoscope.training.recipe import Recipe
from pneumoscope.training.trainer import Trainer

_TIMED_STEPS = 4
"""Number of training steps that are timed, after as many to warm up."""


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """Estimated duration and memory of a training.

    Early stopping may end it before the last epoch. An epoch includes validation. The frozen
    layers' pass over all images is not needed if its result is cached. The memory is the largest
    number of bytes that the process will hold at a time.
    """

    model: str
    precision: Precision
    train: int
    validation: int
    epochs: int
    epoch_seconds: float
    pass_seconds: float
    memory: int

    @property
    def seconds(self) -> float:
        """Seconds of all epochs, without the frozen layers' pass, which models share."""
        return self.epochs * self.epoch_seconds


def estimate_cost(recipe: Recipe, train: int, validation: int) -> CostEstimate:
    """Estimate duration and memory by a few steps on random images; the dataset is not read.

    Pretrained weights are not loaded either; random ones take as long.

    Raises
    ------
    RecipeError
        If the training would not fit into memory.
    """
    images = train + validation
    require_memory(recipe, images)
    return CostEstimate(
        model=recipe.model,
        precision=recipe.precision,
        train=train,
        validation=validation,
        epochs=recipe.epochs,
        epoch_seconds=_epoch_seconds(recipe, train, validation),
        pass_seconds=_pass_seconds(recipe) * images if recipe.feature_shape else 0.0,
        memory=estimate_memory(recipe, images),
    )


def _epoch_seconds(recipe: Recipe, train: int, validation: int) -> float:
    """Time an epoch of a few random batches, twice, and extrapolate from the second."""
    steps = min(_TIMED_STEPS, -(-train // recipe.batch_size))
    trainer = _trainer(recipe, steps * recipe.batch_size)
    for _ in range(2):
        epoch = trainer.run_epoch(lambda *_: None)
    started = time.perf_counter()
    predict(trainer.network, trainer.validation, recipe.precision)
    predicting = time.perf_counter() - started
    step = max(0.0, epoch.seconds - predicting) / steps
    return step * train / recipe.batch_size + predicting * validation / PREDICTION_BATCH_SIZE


def _trainer(recipe: Recipe, images: int) -> Trainer:
    # Where pretrained layers are trained after some epochs, those later epochs are timed.
    head_epochs = 2 if recipe.head_epochs >= recipe.epochs else 0
    timed = recipe.model_copy(
        update={"epochs": 2, "early_stopping": None, "head_epochs": head_epochs}
    )
    train, validation = (
        _random_examples(recipe, number) for number in (images, PREDICTION_BATCH_SIZE)
    )
    return Trainer(_random_network(recipe), timed, train, validation)


def _random_network(recipe: Recipe) -> Network:
    return build_network(recipe.spec, recipe.image_size, recipe.seed, load_structure(recipe))


def _random_examples(recipe: Recipe, images: int) -> Examples:
    rng = np.random.default_rng(0)
    entries = tuple(Entry(str(number), Label(number % 2)) for number in range(images))
    size = recipe.image_size
    if recipe.feature_shape is None:
        pixels = rng.integers(0, 256, (images, size, size), np.uint8)
        return Examples(entries, pixels, np.arange(images))
    channels, height, width = recipe.feature_shape
    features = rng.random((images, height, width, channels), np.float32)
    return Examples(entries, features, np.arange(images))


@torch.inference_mode()
def _pass_seconds(recipe: Recipe) -> float:
    """Return the seconds that one image takes through the frozen layers."""
    backbone = _random_network(recipe).backbone
    assert backbone is not None
    device = select_device()
    layers = place(backbone, device)
    images = torch.rand(pass_batch_size(), 1, recipe.image_size, recipe.image_size, device=device)
    with computing_in(recipe.precision, device):
        for _ in range(2):
            started = time.perf_counter()
            layers(images).sum().item()
            seconds = time.perf_counter() - started
    return seconds / pass_batch_size()
