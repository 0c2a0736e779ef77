"""One stage of `scaling` in a process of its own; prints the seconds that it took."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from pneumoscope.dataset import Manifest, Split, open_pixels
from pneumoscope.models import build_network
from pneumoscope.support.cache import ArrayCache
from pneumoscope.training import ExampleStore, make_recipe
from pneumoscope.training.trainer import Trainer

RECIPE = make_recipe("model_1")

Stage = Callable[[Path, ArrayCache], float]


def read_manifest(path: Path, _: ArrayCache) -> float:
    """Read the manifest alone: the other stages do that too, before their clock starts."""
    started = time.perf_counter()
    Manifest.read(path)
    return time.perf_counter() - started


def open_all_pixels(path: Path, cache: ArrayCache) -> float:
    """Prepare all pixels, or open and check what an earlier process prepared."""
    manifest = Manifest.read(path)
    started = time.perf_counter()
    open_pixels(manifest, RECIPE.image_size, cache)
    return time.perf_counter() - started


def train_epoch(path: Path, cache: ArrayCache) -> float:
    """Train and validate once on kept pixels."""
    store = ExampleStore(Manifest.read(path), cache)
    network = build_network(RECIPE.spec, RECIPE.image_size, RECIPE.seed)
    train, validation = (
        store.examples(split, RECIPE, None) for split in (Split.TRAIN, Split.VALIDATION)
    )
    return Trainer(network, RECIPE, train, validation).run_epoch(lambda *_: None).seconds


STAGES: dict[str, Stage] = {
    "reading the manifest": read_manifest,
    "preparing pixels": open_all_pixels,
    "opening kept pixels": open_all_pixels,
    "an epoch of model_1": train_epoch,
}
"""In the order in which they run; each goes on from what the one before kept."""


if __name__ == "__main__":
    stage, manifest, cache = sys.argv[1:]
    print(STAGES[stage](Path(manifest), ArrayCache(Path(cache))))
