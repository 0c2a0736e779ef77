"""What a training will take, said before it begins: seconds by a few timed steps, and memory."""

import time
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor, UntypedStorage, nn

from pneumoscope.dataset import Label
from pneumoscope.dataset.manifest import Entry
from pneumoscope.models import (
    Network,
    Precision,
    build_network,
    computing_in,
    find_model,
    place,
    select_device,
)
from pneumoscope.models.catalogue import describe_network
from pneumoscope.models.hub import Structure, read_structure
from pneumoscope.models.vgg16 import load_vgg16
from pneumoscope.support.errors import RecipeError
from pneumoscope.support.host import free_memory, held_memory
from pneumoscope.training.examples import Examples, pass_batch
from pneumoscope.training.recipe import Recipe
from pneumoscope.training.trainer import PREDICT_BATCH, Trainer, predict

_STEPS = 4
"""Training steps that are timed, after as many that are not."""

_WIDEST = 64
"""Channels of VGG16 at the images' own size, where its activations are largest."""

_PROCESS = 450_000_000
"""Bytes that Python, PyTorch and the rest take before anything is trained."""

_LOOSE = 1.25
"""Times the memory of activations, which do not fill the holes that others leave."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one training will take.

    Parameters
    ----------
    model
        Its name.
    train, validation
        Images.
    epochs
        At most; early stopping may end before.
    epoch_seconds
        Of one epoch, validation included.
    pass_seconds
        Of the frozen layers' one pass over train and validation, unless it is kept from before.
    memory
        Bytes that the process will hold at its largest.
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
        """All epochs, without the pass, which models share."""
        return self.epochs * self.epoch_seconds


def estimate(recipe: Recipe, train: int, validation: int) -> Estimate:
    """Time a few steps on random images; no image of the dataset is read.

    Parameters
    ----------
    recipe
        The settings; weights of VGG16 are not loaded, random ones take as long.
    train, validation
        How many images there are.

    Raises
    ------
    RecipeError
        If the training would not fit into memory.
    """
    require_memory(recipe, train + validation)
    return Estimate(
        model=recipe.model,
        precision=recipe.precision,
        train=train,
        validation=validation,
        epochs=recipe.epochs,
        epoch_seconds=_epoch_seconds(recipe, train, validation),
        pass_seconds=_pass_seconds(recipe) * (train + validation) if _passes_once(recipe) else 0.0,
        memory=memory_needed(recipe, train + validation),
    )


def require_memory(recipe: Recipe, images: int) -> None:
    """Refuse a training that does not fit into the memory of the machine or its GPU.

    Parameters
    ----------
    recipe
        The settings.
    images
        Of train and validation together.

    Raises
    ------
    RecipeError
        Naming what would fit.
    """
    there = _memory_there()
    needed = memory_needed(recipe, images)
    if there is None or needed <= there:
        return
    raise RecipeError(
        f"{recipe.model} at image_size {recipe.image_size} and batch_size {recipe.batch_size} "
        f"needs about {needed / 1e9:.1f} GB of memory, and {there / 1e9:.1f} GB are there; "
        f"{_what_fits(recipe, images, there)}"
    )


def memory_needed(recipe: Recipe, images: int) -> int:
    """Return the bytes that the process will hold at its largest, by the network's shapes.

    Weights, gradients and Adam's two moments, averaged weights, and in bfloat16 copies of weights
    and gradients; what autograd keeps for the way back, and three times the largest activation on
    that way; and, in other places, since memory is not given back, twice the largest of a
    prediction. A GPU keeps all images of train and validation, too. How near it comes:
    docs/how-to/train.md.

    Parameters
    ----------
    recipe
        The settings.
    images
        Of train and validation together.

    Examples
    --------
    >>> small, large = (Recipe(model="model_4", batch_size=size) for size in (8, 256))
    >>> memory_needed(small, 100) < memory_needed(large, 100)
    True
    """
    spec = find_model(recipe.model)
    network = describe_network(spec, recipe.image_size, _structure(recipe))
    number = 2 if recipe.precision is Precision.BFLOAT16 else 4
    weights = sum(parameter.numel() for parameter in network.head.parameters())
    state = weights * (16 + (4 if number == 2 else 0) + (4 if recipe.weight_average else 0))
    learning = _activations(network, recipe, recipe.batch_size, number)
    predicting = _activations(network, recipe, PREDICT_BATCH, number)
    passing = 0
    if network.backbone is not None:
        state += sum(parameter.numel() for parameter in network.backbone.parameters()) * 4
        batch = recipe.batch_size if recipe.augmentation.active else pass_batch()
        passing = 6 * batch * _WIDEST * recipe.image_size**2 * number
    kept = _resident(recipe, images) if torch.cuda.is_available() else _PROCESS
    passed = learning.kept + 3 * learning.largest + 2 * predicting.largest
    return kept + state + int(_LOOSE * passed) + passing


def _structure(recipe: Recipe) -> Structure | None:
    return _fetched(recipe.weights) if find_model(recipe.model).on_hub else None


@cache
def _fetched(weights: str) -> Structure:
    """Ask the hub once, however many settings are looked at."""
    return read_structure(weights)


def _resident(recipe: Recipe, images: int) -> int:
    """Return the bytes of all images on a GPU: their pixels or, after the pass, their features."""
    pixels = recipe.image_size**2
    features = 4 * 512 * (recipe.image_size // 32) ** 2 if _passes_once(recipe) else 0
    return images * max(pixels, features)


def _passes_once(recipe: Recipe) -> bool:
    """Tell whether frozen layers see each image once, and not in every epoch."""
    return find_model(recipe.model).on_vgg16 and not recipe.augmentation.active


@dataclass(frozen=True, slots=True)
class _Activations:
    kept: int
    largest: int


@dataclass(frozen=True, slots=True)
class _Kept:
    """A block of memory that the way back needs; holding it keeps its name from another's use."""

    storage: UntypedStorage
    share: float

    @property
    def bytes(self) -> float:
        return self.storage.nbytes() * self.share


def _activations(network: Network, recipe: Recipe, batch: int, number: int) -> _Activations:
    """Count the bytes that a batch leaves behind for the way back, and its largest activation."""
    kept: dict[int, _Kept] = {}
    sizes = []

    def keep(saved: Tensor) -> Tensor:
        storage = saved.untyped_storage()
        # Where the largest was comes as 8-byte integers, all else in the network's precision.
        kept[storage._cdata] = _Kept(storage, 1 if saved.dtype is torch.int64 else number / 4)
        return saved

    def note(_: nn.Module, __: object, output: object) -> None:
        if isinstance(output, Tensor):  # networks of the hub have layers that give more
            sizes.append(output.numel() * number)

    hooks = [layer.register_forward_hook(note) for layer in network.modules()]
    side = recipe.image_size
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved):
        if _passes_once(recipe):
            network.classify(torch.empty(batch, 512, side // 32, side // 32, device="meta"))
        else:
            network(torch.empty(batch, 1, side, side, device="meta"))
    for hook in hooks:
        hook.remove()
    for weight in network.parameters():
        kept.pop(weight.untyped_storage()._cdata, None)
    return _Activations(int(sum(one.bytes for one in kept.values())), max(sizes))


def _memory_there() -> int | None:
    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved())
    free, held = free_memory(), held_memory()
    return None if free is None or held is None else free + held


def _what_fits(recipe: Recipe, images: int, there: int) -> str:
    sizes = [recipe.batch_size >> halvings for halvings in range(1, recipe.batch_size.bit_length())]
    sides = range(recipe.image_size // 32 * 32, 63, -32)
    found = [
        f"{name}={value}"
        for name, values in (("batch_size", sizes), ("image_size", sides))
        if (value := _largest(recipe, images, name, [v for v in values if v >= 2], there))
    ]
    if not found:
        return "nothing smaller fits either: free some memory, or use a larger machine"
    return "this fits: " + " or ".join(f"--set {setting}" for setting in found)


def _largest(recipe: Recipe, images: int, name: str, values: list[int], there: int) -> int | None:
    smaller = {value: recipe.model_copy(update={name: value}) for value in values}
    return next(
        (value for value, made in smaller.items() if memory_needed(made, images) <= there), None
    )


def _epoch_seconds(recipe: Recipe, train: int, validation: int) -> float:
    """Time an epoch of a few random batches, twice, and stretch the second."""
    steps = min(_STEPS, -(-train // recipe.batch_size))
    trainer = _trainer(recipe, steps * recipe.batch_size)
    for _ in range(2):
        epoch = trainer.run_epoch(lambda *_: None)
    started = time.perf_counter()
    predict(trainer.network, trainer.validation, recipe.precision)
    predicting = time.perf_counter() - started
    step = max(0.0, epoch.seconds - predicting) / steps
    return step * train / recipe.batch_size + predicting * validation / PREDICT_BATCH


def _trainer(recipe: Recipe, images: int) -> Trainer:
    spec = find_model(recipe.model)
    backbone = None
    if spec.on_vgg16:
        backbone = load_vgg16("none", recipe.seed).layers
    network = build_network(spec, recipe.image_size, recipe.seed, backbone, _structure(recipe))
    features = _passes_once(recipe)
    # Where pretrained layers learn after a while, the epochs are timed in which they do.
    alone = 2 if recipe.head_epochs >= recipe.epochs else 0
    endless = recipe.model_copy(update={"epochs": 2, "early_stopping": None, "head_epochs": alone})
    return Trainer(
        network,
        endless,
        _random_examples(images, recipe.image_size, features),
        _random_examples(PREDICT_BATCH, recipe.image_size, features),
    )


def _random_examples(images: int, size: int, features: bool) -> Examples:
    rng = np.random.default_rng(0)
    entries = tuple(Entry(str(number), Label(number % 2)) for number in range(images))
    inputs = (
        rng.random((images, size // 32, size // 32, 512), np.float32)
        if features
        else rng.integers(0, 256, (images, size, size), np.uint8)
    )
    return Examples(entries, inputs, np.arange(images))


@torch.inference_mode()
def _pass_seconds(recipe: Recipe) -> float:
    """Return the seconds that one image takes through the frozen layers."""
    device = select_device()
    layers = place(load_vgg16("none", recipe.seed).layers, device)
    images = torch.rand(pass_batch(), 1, recipe.image_size, recipe.image_size, device=device)
    with computing_in(recipe.precision, device):
        for _ in range(2):
            started = time.perf_counter()
            layers(images).sum().item()
            seconds = time.perf_counter() - started
    return seconds / pass_batch()
