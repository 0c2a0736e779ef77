"""Examples, compared with images and features that are computed one by one."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from pneumoscope.dataset import Entry, Label, Manifest, Split, open_dataset
from pneumoscope.dataset.manifest import SplitBy
from pneumoscope.dataset.pixels import load_pixels
from pneumoscope.lungs import Preparation
from pneumoscope.models import Precision
from pneumoscope.radiograph import read_radiograph
from pneumoscope.support.cache import ArrayCache
from pneumoscope.training import ExampleStore, Recipe, make_recipe
from pneumoscope.training.examples import Examples
from pneumoscope.training.initial_weights import build_initial_network, load_initial_weights

CPU = torch.device("cpu")


def recipe_at(size: int, precision: Precision = Precision.FLOAT32) -> Recipe:
    return Recipe(model="model_5", image_size=size, precision=precision)


def random_vgg16(seed: int = 0) -> nn.Sequential:
    recipe = Recipe(model="model_5", image_size=64, weights="none", seed=seed)
    return build_initial_network(recipe, load_initial_weights(recipe)).backbone


@pytest.fixture
def cache(tmp_path: Path) -> ArrayCache:
    return ArrayCache(tmp_path / "cache")


@pytest.fixture
def store(small_dataset: Path, cache: ArrayCache) -> ExampleStore:
    return ExampleStore(open_dataset(small_dataset), cache)


@pytest.mark.parametrize("split", Split)
def test_a_batch_holds_the_pixels_divided_by_255(store: ExampleStore, split: Split) -> None:
    examples = store.pixels(split, recipe_at(70))
    assert len(examples) == {"train": 40, "validation": 8, "test": 16}[split]
    indices = np.array([5, 0, 5, 7])
    batch = examples.batch(indices, CPU)
    assert batch.shape == (4, 1, 70, 70)
    for image, index in zip(batch, indices, strict=True):
        entry = examples.entries[index]
        assert entry.split is split
        expected = load_pixels(store.manifest.root, entry, Preparation(70)) / np.float32(255)
        np.testing.assert_array_equal(image[0], expected)
        assert examples.labels[index] == ("PNEUMONIA" in entry.path)


def test_all_splits_share_one_file(store: ExampleStore, cache: ArrayCache) -> None:
    for split in Split:
        assert store.pixels(split, recipe_at(64)).inputs.shape == (64, 64, 64)
    assert [entry.images for entry in cache.entries()] == [64]


def test_features_are_the_backbone_s_output(store: ExampleStore) -> None:
    backbone = random_vgg16()
    features = store.features(Split.TEST, recipe_at(64), backbone)
    indices = np.array([3, 15])
    batch = features.batch(indices, CPU)
    assert batch.shape == (2, 512, 2, 2)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    for feature, index in zip(batch, indices, strict=True):
        image = load_pixels(store.manifest.root, features.entries[index], Preparation(64))
        alone = backbone(torch.from_numpy(image)[None, None] / 255)[0]
        np.testing.assert_allclose(feature, alone, rtol=1e-4, atol=1e-7)


def test_features_are_cached_by_weights_and_precision(
    store: ExampleStore, cache: ArrayCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = []

    def give(write: object, pixels: Examples, *_: object) -> None:
        passes.append(len(pixels))
        for row in range(len(pixels)):
            write(row, np.zeros((1, 2, 2, 512), np.float32))

    monkeypatch.setattr("pneumoscope.training.examples.write_features", give)
    backbone = random_vgg16()
    for model in ("model_5", "model_6", "model_7"):
        settings = ["image_size=64", "weights=none", "precision=float32"]
        recipe = make_recipe(model, assignments=settings)
        for split in (Split.TRAIN, Split.VALIDATION):
            ExampleStore(store.manifest, cache).examples(split, recipe, backbone)
    assert passes == [40, 8]  # and the test split has not been touched
    store.features(Split.TRAIN, recipe_at(64), random_vgg16(seed=1))
    store.features(Split.TRAIN, recipe_at(64, Precision.BFLOAT16), backbone)
    assert passes == [40, 8, 40, 40]


def test_pass_seconds_exclude_decoding(
    store: ExampleStore, small_dataset: Path, cache: ArrayCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decoding takes 100 s, and each pass 10 s."""
    clock = 0

    def decode(*_: object) -> None:
        nonlocal clock
        clock += 100

    def give(*_: object) -> None:
        nonlocal clock
        clock += 10

    monkeypatch.setattr(
        "pneumoscope.support.cache.array_cache.time", SimpleNamespace(perf_counter=lambda: clock)
    )
    monkeypatch.setattr("pneumoscope.dataset.pixels.map_parallel", decode)
    monkeypatch.setattr("pneumoscope.training.examples.write_features", give)
    backbone = random_vgg16()
    later = ExampleStore(open_dataset(small_dataset), ArrayCache(cache.folder))
    for example_store in (store, later):
        for split in (Split.TRAIN, Split.VALIDATION):
            assert example_store.features(split, recipe_at(64), backbone).pass_seconds == 10
    assert store.pixels(Split.TRAIN, recipe_at(64)).pass_seconds is None
    assert clock == 120


def test_cached_features_need_no_pixels(store: ExampleStore, cache: ArrayCache) -> None:
    backbone = random_vgg16()
    store.features(Split.VALIDATION, recipe_at(64), backbone)
    (pixels,) = (entry.folder for entry in cache.entries() if entry.kind == "pixels")
    shutil.rmtree(pixels)
    store.features(Split.VALIDATION, recipe_at(64), backbone)
    assert [entry.kind for entry in cache.entries()] == ["features"]


def test_a_jpeg_and_its_png_have_features_of_their_own(
    tmp_path: Path, cache: ArrayCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their full pixels are equal, but a large JPEG is decoded at a reduced size."""
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (512, 512), np.uint8))
    picture.save(tmp_path / "a.jpeg")
    Image.open(tmp_path / "a.jpeg").save(tmp_path / "a.png")
    batches = []

    def give(_: object, pixels: Examples, *__: object) -> None:
        batches.append(pixels.batch(np.arange(1), CPU))

    monkeypatch.setattr("pneumoscope.training.examples.write_features", give)
    for name in ("a.jpeg", "a.png"):
        radiograph = read_radiograph(tmp_path / name)
        entry = Entry(
            name,
            Label.NORMAL,
            sha256=radiograph.sha256,
            pixel_hash=radiograph.pixel_hash(),
            split=Split.TRAIN,
        )
        store = ExampleStore(Manifest(tmp_path, (entry,), SplitBy.IMAGE, 0), cache)
        store.features(Split.TRAIN, recipe_at(64), random_vgg16())
    jpeg, png = batches
    assert not torch.equal(jpeg, png)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_on_a_gpu_batches_are_the_same(store: ExampleStore) -> None:
    indices = np.array([5, 0, 5, 7])
    backbone = random_vgg16()
    for examples in (
        store.pixels(Split.VALIDATION, recipe_at(64)),
        store.features(Split.VALIDATION, recipe_at(64), backbone),
    ):
        expected = examples.batch(indices, CPU)
        for _ in range(2):
            batch = examples.batch(indices, torch.device("cuda"))
            assert batch.device.type == "cuda"
            assert torch.equal(batch.cpu(), expected)
