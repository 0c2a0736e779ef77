"""One stage of `scaling`, in a process of its own; prints its seconds."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from pneumoscope.dataset import Manifest, Split, open_pixels
from pneumoscope.lungs import Preparation
from pneumoscope.support.cache import ArrayCache

IMAGE_SIZE = 150
"""Image size of model_1's recipe, in pixels."""

Stage = Callable[[Path, ArrayCache], float]


def read_manifest(path: Path, _: ArrayCache) -> float:
    """Read the manifest, as the other stages do before their clock starts."""
    started = time.perf_counter()
    Manifest.read(path)
    return time.perf_counter() - started


def open_all_pixels(path: Path, cache: ArrayCache) -> float:
    """Prepare all pixels, or open and check those that an earlier process cached."""
    manifest = Manifest.read(path)
    started = time.perf_counter()
    open_pixels(manifest, Preparation(IMAGE_SIZE), cache)
    return time.perf_counter() - started


def train_epoch(path: Path, cache: ArrayCache) -> float:
    """Train and validate for one epoch on cached pixels."""
    # PyTorch is imported here alone: the other stages neither need nor measure it.
    from pneumoscope.models import build_network
    from pneumoscope.training import ExampleStore, make_recipe
    from pneumoscope.training.trainer import Trainer

    recipe = make_recipe("model_1", assignments=[f"image_size={IMAGE_SIZE}"])
    store = ExampleStore(Manifest.read(path), cache)
    network = build_network(recipe.spec, recipe.image_size, recipe.seed)
    train, validation = (
        store.examples(split, recipe, None) for split in (Split.TRAIN, Split.VALIDATION)
    )
    return Trainer(network, recipe, train, validation).run_epoch(lambda *_: None).seconds


STAGES: dict[str, Stage] = {
    "reading the manifest": read_manifest,
    "preparing pixels": open_all_pixels,
    "opening cached pixels": open_all_pixels,
    "an epoch of model_1": train_epoch,
}
"""Stages in their order; each uses the cache of the one before."""


if __name__ == "__main__":
    stage, manifest, cache = sys.argv[1:]
    print(STAGES[stage](Path(manifest), ArrayCache(Path(cache))))
