"""Memory of a training, estimated from the network's shapes before it begins."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from math import prod

import torch
from torch import Tensor, UntypedStorage, nn

from pneumoscope.models import Network, Precision, describe_network, find_model, select_device
from pneumoscope.models.model_spec import Structure
from pneumoscope.support.errors import RecipeError
from pneumoscope.support.host import free_memory, process_memory
from pneumoscope.training.examples import pass_batch_size
from pneumoscope.training.prediction import PREDICTION_BATCH_SIZE
from pneumoscope.training.recipe import EpochChoice, Recipe

_PROCESS_BYTES = 450_000_000
"""Memory of Python, PyTorch and the rest before anything is trained."""

_FRAGMENTATION = 1.25
"""Factor for the memory of activations, which do not fill the gaps that others leave."""


def require_memory(recipe: Recipe, images: int) -> None:
    """Raise if training and validation do not fit into the memory of this computer or its GPU.

    Raises
    ------
    RecipeError
        If the memory does not suffice; the message names settings that would fit.
    """
    available = _available_memory()
    needed = estimate_memory(recipe, images)
    if available is None or needed <= available:
        return
    raise RecipeError(
        f"{recipe.model} at image_size {recipe.image_size} and batch_size {recipe.batch_size} "
        f"needs about {needed / 1e9:.1f} GB of memory, and {available / 1e9:.1f} GB are available; "
        f"{_suggest_settings(recipe, images, available)}"
    )


def estimate_memory(recipe: Recipe, images: int) -> int:
    """Return the largest number of bytes that a training will hold at a time.

    Counted are weights, gradients and Adam's two moments, averaged and best weights, and in
    bfloat16 copies of weights and gradients; the activations that autograd keeps for the backward
    pass, and three times the largest activation during that pass; and twice the largest activation
    of a prediction, whose memory does not overlap with that of the passes, since freed memory is
    kept. A GPU also holds all training and validation images. docs/how-to/train.md compares
    estimates with measurements.

    Examples
    --------
    >>> small, large = (Recipe(model="model_4", batch_size=size) for size in (8, 256))
    >>> estimate_memory(small, 100) < estimate_memory(large, 100)
    True
    """
    network = describe_network(recipe.spec, recipe.image_size, load_structure(recipe))
    width = 2 if recipe.precision is Precision.BFLOAT16 else 4
    weights = sum(parameter.numel() for parameter in network.head.parameters())
    copies = (recipe.weight_average > 0) + (recipe.keep is EpochChoice.BEST)
    state = weights * (16 + (4 if width == 2 else 0) + 4 * copies)
    training = _activations(network, recipe, recipe.batch_size, width)
    predicting = _activations(network, recipe, PREDICTION_BATCH_SIZE, width)
    frozen = 0
    if network.backbone is not None:
        state += sum(parameter.numel() for parameter in network.backbone.parameters()) * 4
        batch = pass_batch_size() if recipe.feature_shape else recipe.batch_size
        frozen = 6 * _largest_activation(network.backbone, batch, recipe.image_size) * width
    on_gpu = select_device().type == "cuda"
    base = _resident_bytes(recipe, images) if on_gpu else _PROCESS_BYTES
    passes = training.kept + 3 * training.largest + 2 * predicting.largest
    return base + state + int(_FRAGMENTATION * passes) + frozen


def load_structure(recipe: Recipe) -> Structure | None:
    """Load the description of a network's layers (see `ModelSpec.load_structure`), once."""
    return _load_structure(recipe.model, recipe.weights) if recipe.spec.needs_structure else None


@cache
def _load_structure(model: str, weights: str) -> Structure | None:
    return find_model(model).load_structure(weights)


def _resident_bytes(recipe: Recipe, images: int) -> int:
    """Return the bytes of all images on a GPU: their pixels or their cached features."""
    pixels = recipe.image_size**2
    features = 4 * prod(recipe.feature_shape) if recipe.feature_shape else 0
    return images * max(pixels, features)


@dataclass(frozen=True, slots=True)
class _Activations:
    """Bytes that a batch leaves for the backward pass, and of its largest activation."""

    kept: int
    largest: int


@dataclass(frozen=True, slots=True)
class _Block:
    """Memory block that the backward pass needs; the reference keeps its address from reuse."""

    storage: UntypedStorage
    share: float

    @property
    def bytes(self) -> float:
        return self.storage.nbytes() * self.share


def _activations(network: Network, recipe: Recipe, batch: int, width: int) -> _Activations:
    """Count the bytes of a batch's activations, ``width`` to a number."""
    blocks: dict[int, _Block] = {}

    def keep(saved: Tensor) -> Tensor:
        storage = saved.untyped_storage()
        # Indices of pooling are 8-byte integers, all else is in the network's precision.
        blocks[storage._cdata] = _Block(storage, 1 if saved.dtype is torch.int64 else width / 4)
        return saved

    side = recipe.image_size
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved),
        _output_sizes(network) as sizes,
        torch.device("meta"),  # where a network of another package makes tensors of its own
    ):
        if recipe.feature_shape:
            network.classify(torch.empty(batch, *recipe.feature_shape, device="meta"))
        else:
            network(torch.empty(batch, 1, side, side, device="meta"))
    for weight in network.parameters():
        blocks.pop(weight.untyped_storage()._cdata, None)
    kept = sum(block.bytes for block in blocks.values())
    return _Activations(int(kept), max(sizes) * width)


def _largest_activation(layers: nn.Module, batch: int, side: int) -> int:
    """Return the size of the layers' largest output for a batch of images."""
    with _output_sizes(layers) as sizes, torch.device("meta"):
        layers(torch.empty(batch, 1, side, side, device="meta"))
    return max(sizes)


@contextmanager
def _output_sizes(network: nn.Module) -> Iterator[list[int]]:
    """Record the size of each layer's output."""
    sizes: list[int] = []

    def record(_: nn.Module, __: object, output: object) -> None:
        if isinstance(output, Tensor):  # some layers of the hub's networks give several
            sizes.append(output.numel())

    hooks = [layer.register_forward_hook(record) for layer in network.modules()]
    yield sizes
    for hook in hooks:
        hook.remove()


def _available_memory() -> int | None:
    """Return the bytes that this process may hold; None if the system does not tell."""
    if select_device().type == "cuda":
        return int(torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved())
    free, held = free_memory(), process_memory()
    return None if free is None or held is None else free + held


def _suggest_settings(recipe: Recipe, images: int, available: int) -> str:
    sizes = [recipe.batch_size >> halvings for halvings in range(1, recipe.batch_size.bit_length())]
    sides = range(recipe.image_size // 32 * 32, 63, -32)
    settings = [
        f"{name}={value}"
        for name, values in (("batch_size", sizes), ("image_size", sides))
        if (value := _first_fit(recipe, images, name, [v for v in values if v >= 2], available))
    ]
    if not settings:
        return "nothing smaller fits either: free some memory, or use a larger computer"
    return "this fits: " + " or ".join(f"--set {setting}" for setting in settings)


def _first_fit(
    recipe: Recipe, images: int, name: str, values: list[int], available: int
) -> int | None:
    smaller = {value: recipe.model_copy(update={name: value}) for value in values}
    return next(
        (
            value
            for value, candidate in smaller.items()
            if estimate_memory(candidate, images) <= available
        ),
        None,
    )
