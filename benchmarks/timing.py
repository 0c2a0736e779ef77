"""Duration of our epochs and of VGG16's pass, on random images and features."""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import DTypeLike, NDArray

from benchmarks.layer_costs import EpochSize
from pneumoscope.dataset import Label, Manifest, Split
from pneumoscope.dataset.manifest import Entry, SplitBy
from pneumoscope.models import ModelSpec, Precision, build_network
from pneumoscope.models.model_spec import IMAGE_SIZE
from pneumoscope.support.cache import ArrayCache, CachedArray, WriteRows
from pneumoscope.training import ExampleStore, make_recipe
from pneumoscope.training.examples import Examples
from pneumoscope.training.initial_weights import build_initial_network, load_initial_weights
from pneumoscope.training.trainer import Trainer


def epoch_seconds(spec: ModelSpec, precision: Precision, size: EpochSize, rounds: int) -> float:
    """Return the median seconds of a model's epochs, after one to warm up."""
    recipe = make_recipe(spec.name, precision=precision)
    network = build_network(spec, IMAGE_SIZE, recipe.seed)
    train, validation = (_examples(spec, n) for n in (size.train, size.validation))
    trainer = Trainer(network, recipe, train, validation)
    seconds = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        trainer.run_epoch(lambda *_: None)
        seconds.append(time.perf_counter() - started)
    return median(seconds[1:])


def pass_seconds(precision: Precision, size: EpochSize) -> float:
    """Return the seconds of the pass of all images through a random VGG16, after a warm-up."""
    splits = [Split.TRAIN] * size.train + [Split.VALIDATION] * size.validation
    entries = tuple(Entry(f"{i}.png", Label.NORMAL, split=split) for i, split in enumerate(splits))
    manifest = Manifest(Path(), entries, SplitBy.IMAGE, seed=0)
    store = ExampleStore(manifest, _NoFiles(Path()))
    recipe = make_recipe("model_5", precision=precision, weights="none")
    backbone = build_initial_network(recipe, load_initial_weights(recipe)).backbone
    assert backbone is not None
    store.features(Split.VALIDATION, recipe, backbone)
    passes = [store.features(split, recipe, backbone) for split in (Split.TRAIN, Split.VALIDATION)]
    return sum(passed.pass_seconds or 0 for passed in passes)


class _NoFiles(ArrayCache):
    """Cache that stores nothing, so that the pass is timed without the disk."""

    def open(
        self,
        kind: str,
        key: str,
        about: str,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        fill: Callable[[WriteRows], None],
    ) -> CachedArray:
        if kind == "pixels":
            return CachedArray(_pixels(shape[0]), seconds=0)
        values = np.zeros(shape, dtype)

        def write(first: int, rows: NDArray[np.float32]) -> None:
            values[first : first + len(rows)] = rows

        started = time.perf_counter()
        fill(write)
        return CachedArray(values, time.perf_counter() - started)


def _examples(spec: ModelSpec, n: int) -> Examples:
    """Return random inputs of a model: pixels, or features in place of VGG16's."""
    entries = tuple(Entry(f"{i}.png", Label(i % 2)) for i in range(n))
    shape = spec.feature_shape(IMAGE_SIZE)
    return Examples(entries, _pixels(n) if shape is None else _features(n, shape), np.arange(n))


def _pixels(n: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (n, IMAGE_SIZE, IMAGE_SIZE), np.uint8)


def _features(n: int, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    channels, height, width = shape
    return np.random.default_rng(0).random((n, height, width, channels), np.float32)
