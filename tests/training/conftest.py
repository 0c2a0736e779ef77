"""Fixtures of the tests of trainings."""

import shutil
from pathlib import Path

import pytest

from pneumoscope.dataset import Manifest
from pneumoscope.support.cache import ArrayCache
from pneumoscope.training import ExampleStore, Recipe, Run, make_recipe, train


def quick(model: str = "model_4", *settings: str) -> Recipe:
    return make_recipe(model, assignments=["image_size=64", "epochs=3", "weights=none", *settings])


@pytest.fixture(scope="module")
def store(small_manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> ExampleStore:
    return ExampleStore(small_manifest, ArrayCache(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def trained_once(store: ExampleStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished Run of model 1, two epochs long; read-only."""
    return train(
        store, quick("model_1", "epochs=2"), tmp_path_factory.mktemp("runs") / "run"
    ).folder


@pytest.fixture
def run(trained_once: Path, tmp_path: Path) -> Run:
    """Return a finished Run of model 1 that a test may damage."""
    return Run.open(shutil.copytree(trained_once, tmp_path / "run"))


@pytest.fixture(scope="module")
def uninterrupted(store: ExampleStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished Run of `quick`; read-only."""
    return train(store, quick(), tmp_path_factory.mktemp("runs") / "whole").folder
