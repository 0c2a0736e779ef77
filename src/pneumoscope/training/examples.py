"""What a network learns from: prepared pixels, or what frozen layers make of them, once."""

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pneumoscope.dataset import Entry, Manifest, Split, load_pixels
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.files import atomic_write, write_text
from pneumoscope.models import place, select_device
from pneumoscope.models.vgg16 import Backbone
from pneumoscope.terminal import messages, track
from pneumoscope.training.recipe import Recipe

_BATCH = 32
"""Images that pass the frozen layers together."""


@dataclass(frozen=True)
class Examples:
    """The images of a split as a network takes them.

    Parameters
    ----------
    entries
        Rows of the manifest, in order.
    inputs
        uint8 pixels (n, size, size), or float32 features of frozen layers (n, 512, side, side),
        which may lie on disk.
    """

    entries: tuple[Entry, ...]
    inputs: NDArray[np.uint8] | NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.entries)

    @cached_property
    def labels(self) -> NDArray[np.int8]:
        """Shape (n,): NORMAL = 0, PNEUMONIA = 1."""
        return np.array([entry.label for entry in self.entries], np.int8)

    @property
    def are_pixels(self) -> bool:
        """False if frozen layers have seen the images already."""
        return self.inputs.dtype == np.uint8

    def batch(self, indices: NDArray[np.intp], device: torch.device) -> Tensor:
        """Return pixels as grey images (b, 1, size, size) in [0, 1], or features as they are."""
        values = torch.from_numpy(self.inputs[indices]).to(device)
        return values.unsqueeze(1) / 255 if self.are_pixels else values

    def predictions(self, probabilities: NDArray[np.float64]) -> Predictions:
        """Join the images' files, labels and patients with what a network says of them."""
        return Predictions(
            files=tuple(entry.path for entry in self.entries),
            labels=self.labels,
            probabilities=probabilities,
            patients=tuple(entry.group for entry in self.entries),
        )


class ExampleStore:
    """Gives the splits of a manifest as examples, prepared once for all models.

    Parameters
    ----------
    manifest
        The dataset.
    cache
        Folder for the features of frozen layers, shared by all Runs on this machine.
    """

    def __init__(self, manifest: Manifest, cache: Path) -> None:
        self.manifest = manifest
        self._cache = cache
        self._pixels: dict[tuple[Split, int], Examples] = {}

    def examples(self, split: Split, recipe: Recipe, backbone: Backbone | None) -> Examples:
        """Return a split as a network takes it: features where the backbone can run once."""
        if backbone is None or recipe.augmentation.active:
            return self.pixels(split, recipe.image_size)
        return self.features(split, recipe.image_size, backbone)

    def pixels(self, split: Split, size: int) -> Examples:
        """Return a split as prepared pixels; they stay in memory for the next model."""
        if (split, size) not in self._pixels:
            entries = self.manifest.of(split)
            pixels = load_pixels(self.manifest.root, entries, size)
            self._pixels[split, size] = Examples(entries, pixels)
        return self._pixels[split, size]

    def features(self, split: Split, size: int, backbone: Backbone) -> Examples:
        """Return a split as the frozen backbone's output; it is computed once and kept on disk."""
        path = self._features_path(split, size, backbone)
        if not path.exists():
            self._write_features(path, self.pixels(split, size), backbone)
            messages.print(f"Kept in {path}", style="dim")
        return Examples(self.manifest.of(split), np.load(path, mmap_mode="r"))

    def features_seconds(self, size: int, backbone: Backbone) -> float:
        """Return how long the backbone's pass over train and validation took when it was made."""
        paths = [
            self._features_path(split, size, backbone).with_suffix(".json")
            for split in (Split.TRAIN, Split.VALIDATION)
        ]
        return float(sum(json.loads(path.read_text())["seconds"] for path in paths))

    def _features_path(self, split: Split, size: int, backbone: Backbone) -> Path:
        key = hashlib.sha256(f"{backbone.digest} {size}".encode())
        for entry in self.manifest.of(split):
            key.update(f"{entry.pixel_hash}".encode())
        return self._cache / "features" / f"vgg16-{key.hexdigest()[:32]}.npy"

    def _write_features(self, path: Path, pixels: Examples, backbone: Backbone) -> None:
        side = pixels.inputs.shape[1] // 32
        started = time.perf_counter()
        header = {"descr": "<f4", "fortran_order": False, "shape": (len(pixels), 512, side, side)}
        device = select_device()
        layers = place(backbone.layers, device)
        starts = range(0, len(pixels), _BATCH)
        with atomic_write(path) as file, torch.inference_mode():
            np.lib.format.write_array_header_1_0(file, header)
            for start in track(starts, "Frozen VGG16, batches", len(starts)):
                indices = np.arange(start, min(start + _BATCH, len(pixels)))
                output = layers(three_channels(pixels.batch(indices, device)))
                file.write(output.cpu().contiguous().numpy().astype("<f4").tobytes())
            seconds = round(time.perf_counter() - started, 1)
            # Before the features appear: where they are, their duration is known.
            write_text(path.with_suffix(".json"), json.dumps({"seconds": seconds}))


def three_channels(grey: Tensor) -> Tensor:
    """Repeat grey images (n, 1, height, width) as red, green and blue, as Keras loads them.

    Examples
    --------
    >>> three_channels(torch.rand(2, 1, 8, 8)).shape
    torch.Size([2, 3, 8, 8])
    """
    return grey.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


def batches(order: NDArray[np.intp], size: int) -> Iterator[NDArray[np.intp]]:
    """Cut an order of examples into batches.

    A last batch of one would have no variance to normalise by: it joins the batch before.

    Examples
    --------
    >>> [list(map(int, batch)) for batch in batches(np.arange(5), 2)]
    [[0, 1], [2, 3, 4]]
    """
    starts = list(range(0, len(order), size))
    if len(starts) > 1 and len(order) - starts[-1] == 1:
        starts.pop()
    for start, end in zip(starts, [*starts[1:], len(order)], strict=True):
        yield order[start:end]
