"""Examples of a split: prepared pixels, or cached features of frozen layers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pneumoscope.dataset import Entry, Manifest, Split, open_pixels
from pneumoscope.dataset.pixels import ArrayKind
from pneumoscope.dataset.splits import patient_groups
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.lungs import Preparation
from pneumoscope.models import Precision, computing_in, place, select_device
from pneumoscope.models.network import weights_digest
from pneumoscope.support.cache import ArrayCache, WriteRows
from pneumoscope.support.terminal import track
from pneumoscope.training.recipe import Recipe

_UPLOAD_BATCH_SIZE = 1024
"""Number of examples that are copied to a GPU together."""


@dataclass(frozen=True)
class Examples:
    """Images of a split in the form that a network takes.

    The inputs are uint8 pixels (m, size, size), or float32 features of frozen layers (m, height,
    width, channels); they may be memory-mapped and have rows of other splits. ``rows`` (n,) is each
    entry's row in them. ``pass_seconds`` is the duration of the frozen layers' pass; None for
    pixels.
    """

    entries: tuple[Entry, ...]
    inputs: NDArray[np.uint8] | NDArray[np.float32]
    rows: NDArray[np.intp]
    pass_seconds: float | None = None
    _resident: dict[torch.device, Tensor] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.entries)

    @cached_property
    def labels(self) -> NDArray[np.int8]:
        """Labels, shape (n,): NORMAL = 0, PNEUMONIA = 1."""
        return np.array([entry.label for entry in self.entries], np.int8)

    @property
    def are_pixels(self) -> bool:
        """Whether the inputs are pixels rather than features."""
        return self.inputs.dtype == np.uint8

    def batch(self, indices: NDArray[np.intp], device: torch.device) -> Tensor:
        """Return a batch of examples on a device, by indices of shape (b,).

        It holds float32 grey images (b, 1, size, size) in [0, 1], or features (b, channels, height,
        width), channels last in memory. All examples are copied to a GPU with the first batch, and
        stay there.
        """
        if device.type == "cpu":
            values = self._read(indices)
        else:
            values = self._copy_to(device)[torch.from_numpy(indices).to(device, non_blocking=True)]
        return values.unsqueeze(1) / 255 if self.are_pixels else values.permute(0, 3, 1, 2)

    def predictions(self, probabilities: NDArray[np.float64]) -> Predictions:
        """Return the table of predictions with these probabilities, shape (n,)."""
        return Predictions(
            files=tuple(entry.path for entry in self.entries),
            labels=self.labels,
            probabilities=probabilities,
            patients=patient_groups(self.entries),
        )

    def _read(self, indices: NDArray[np.intp]) -> Tensor:
        return torch.from_numpy(self.inputs.take(self.rows[indices], axis=0))

    def _copy_to(self, device: torch.device) -> Tensor:
        """Return all examples on a device, copied in parts to save host memory."""
        if device not in self._resident:
            first = self._read(np.arange(0))
            whole = torch.empty((len(self), *first.shape[1:]), dtype=first.dtype, device=device)
            for start in range(0, len(self), _UPLOAD_BATCH_SIZE):
                part = np.arange(start, min(start + _UPLOAD_BATCH_SIZE, len(self)))
                whole[start : start + _UPLOAD_BATCH_SIZE] = self._read(part).to(device)
            self._resident[device] = whole
        return self._resident[device]


class ExampleStore:
    """Examples of a dataset's splits, prepared once for all models.

    Parameters
    ----------
    manifest
        Dataset.
    cache
        Cache of prepared pixels and of the features of frozen layers.
    """

    def __init__(self, manifest: Manifest, cache: ArrayCache) -> None:
        self.manifest = manifest
        self.cache = cache

    def examples(self, split: Split, recipe: Recipe, backbone: nn.Sequential | None) -> Examples:
        """Return a split as pixels, or as features where the backbone runs once for all epochs.

        Parameters
        ----------
        split
            Split to return.
        recipe
            Settings of the training.
        backbone
            Frozen layers with their weights, if the network has any.
        """
        if backbone is None or recipe.feature_shape is None:
            return self.pixels(split, recipe)
        return self.features(split, recipe, backbone)

    def pixels(self, split: Split, recipe: Recipe) -> Examples:
        """Return a split as the pixels that a recipe's network takes."""
        return self.prepared(split, recipe.preparation)

    def prepared(self, split: Split, preparation: Preparation) -> Examples:
        """Return a split as prepared pixels; all splits share one file."""
        in_use = self.manifest.in_use
        rows = [row for row, entry in enumerate(in_use) if entry.split is split]
        pixels = open_pixels(self.manifest, preparation, self.cache)
        return Examples(tuple(in_use[row] for row in rows), pixels, np.array(rows, np.intp))

    def features(self, split: Split, recipe: Recipe, backbone: nn.Sequential) -> Examples:
        """Return a split as the output of frozen layers.

        Each split is cached in a file of its own, so the test split is not read before the
        evaluation.

        Parameters
        ----------
        split
            Split to return.
        recipe
            Settings of the training, without augmentation.
        backbone
            Frozen layers with their weights.
        """
        assert recipe.feature_shape is not None
        entries = self.manifest.of(split)
        digest = weights_digest(backbone.state_dict())
        size, precision = recipe.image_size, recipe.precision
        settings = f"{digest} {precision} {recipe.preparation.fingerprint}"
        channels, height, width = recipe.feature_shape

        def fill(write: WriteRows) -> None:
            write_features(write, self.pixels(split, recipe), backbone, precision)

        cached = self.cache.open(
            ArrayKind.FEATURES,
            " ".join([settings, *(str(entry.sha256) for entry in entries)]),
            f"{recipe.spec.pretrained} {digest[:12]} in {precision}, {split} at {size} x {size}, "
            f"data {self.manifest.fingerprint[:12]}",
            (len(entries), height, width, channels),
            np.float32,
            fill,
        )
        return Examples(entries, cached.values, np.arange(len(entries)), cached.seconds)


def pass_batch_size() -> int:
    """Return the number of images in a batch of the frozen layers' pass; a GPU needs many."""
    return 128 if select_device().type == "cuda" else 32


def write_features(
    write: WriteRows, pixels: Examples, backbone: nn.Module, precision: Precision
) -> None:
    """Write the output of frozen layers for pixels, channels last, in batches.

    Parameters
    ----------
    write
        Function that is given the index of a first row, and rows (b, height, width, channels).
    pixels
        Images.
    backbone
        Frozen layers with their weights.
    precision
        Precision to compute in.
    """
    device = select_device()
    layers = place(backbone, device)
    size = pass_batch_size()
    starts = range(0, len(pixels), size)

    def features() -> Iterator[tuple[int, Tensor]]:
        for start in track(starts, "Frozen layers, batches", len(starts)):
            images = pixels.batch(np.arange(start, min(start + size, len(pixels))), device)
            yield start, layers(images).float().permute(0, 2, 3, 1)

    with torch.inference_mode(), computing_in(precision, device):
        for start, values in _delay_by_one(features()):
            write(start, values.cpu().numpy())


def _delay_by_one(items: Iterator[tuple[int, Tensor]]) -> Iterator[tuple[int, Tensor]]:
    """Yield each item after the next is queued, so that a GPU computes while one is written."""
    previous = None
    for item in items:
        if previous is not None:
            yield previous
        previous = item
    if previous is not None:
        yield previous


def batches(order: NDArray[np.intp], size: int) -> Iterator[NDArray[np.intp]]:
    """Split an order of examples into batches.

    A last batch of one, which batch normalisation cannot normalise, joins the batch before.

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
